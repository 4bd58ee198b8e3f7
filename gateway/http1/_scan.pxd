cdef class RequestHead:
    cdef public bytes method, target, path, host, request_id, head
    cdef public bint http10, keep_alive, expect_continue, upgrade, final
    cdef public Py_ssize_t length, end


cdef class ResponseHead:
    cdef public bytes head
    cdef public bint keep_alive, dated
    cdef public Py_ssize_t status, length, end
