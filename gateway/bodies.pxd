cdef class RequestBody:
    cdef public Py_ssize_t left, octets
    cdef object _chunks

    cpdef tuple take(self, bytes data)


cdef class ResponseBody:
    cdef Py_ssize_t _left
    cdef bint _plain
    cdef object _chunks
    cdef public bint ended, surplus

    cpdef take(self, data)
