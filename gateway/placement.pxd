cdef class Placement:
    cdef public object pool, node, _worker, _send, _give_up, _lease, _client
    cdef public object link
    cdef public Py_ssize_t attempts
    cdef public double deadline
    cdef public set _tried

    cpdef release(self)
    cpdef _search(self, failure)
