cimport cython

from gateway.bodies cimport RequestBody, ResponseBody
from gateway.http1._scan cimport RequestHead as Request, ResponseHead as Response
from gateway.links cimport Link
from gateway.placement cimport Placement
from gateway.runtime cimport InstitutionRuntime, PoolRuntime
from gateway.session cimport Session
from gateway.stream cimport Stream


cdef class Exchange:
    cdef public Session session
    cdef public object reason
    cdef public bytes request_id
    cdef public InstitutionRuntime institution
    cdef public PoolRuntime pool
    cdef public Request head
    cdef public Response answer
    cdef public Placement placement
    cdef public RequestBody body
    cdef public ResponseBody _download
    cdef public Link _link
    cdef public bytes _wire, _unsent
    cdef public double started, node_started, _patience
    cdef public Py_ssize_t status, bytes_out, _before, _interim
    cdef public bint counted, keep_alive, tunnel, _sent, _upload_dead

    @cython.locals(session=Session, head=Request, placement=Placement)
    cpdef begin(self, rest)
    @cython.locals(stream=Stream, session=Session, link=Link)
    cpdef leave(self)
    cpdef _await_connect(self)
    cpdef client_full(self)
    @cython.locals(session=Session, head=Request, institution=InstitutionRuntime, pool=PoolRuntime)
    cpdef PoolRuntime _authorise(self)
    cpdef _set_deadline(self, double now)
    cpdef bint _node_idle(self) except -1
    cpdef bint awaits_body(self) except -1
    cpdef client_data(self, data)
    cpdef _upload(self, data)
    cpdef _to_node(self, data)
    @cython.locals(session=Session, head=Request, answer=Response)
    cpdef _answer(self, Link link, data)
    cpdef _begin_download(self, Response answer, rest)
    cpdef _relay(self, ResponseBody body, data, out=*)
    cpdef _complete(self, ResponseBody body)
    cpdef _end(self, status, reason, bint cut=*)
