from gateway.bodies cimport RequestBody, ResponseBody
from gateway.links cimport Link
from gateway.placement cimport Placement
from gateway.session cimport Session


cdef class Exchange:
    cdef public Session session
    cdef public object institution, pool, answer, reason, request_id, head
    cdef public Placement placement
    cdef public RequestBody body
    cdef public ResponseBody _download
    cdef public Link _link
    cdef public bytes _wire, _unsent
    cdef public double started, node_started
    cdef public Py_ssize_t status, bytes_out
    cdef public bint counted, keep_alive, tunnel, _sent, _upload_dead

    cpdef begin(self, rest)
    cpdef _authorise(self)
    cpdef _set_deadline(self, double now)
    cpdef bint _node_idle(self) except -1
    cpdef bint awaits_body(self) except -1
    cpdef client_data(self, data)
    cpdef _upload(self, data)
    cpdef _to_node(self, data)
    cpdef _answer(self, Link link, data)
    cpdef _begin_download(self, answer, rest)
    cpdef _relay(self, ResponseBody body, data, out=*)
    cpdef _complete(self, ResponseBody body)
    cpdef _end(self, status, reason, bint cut=*)
