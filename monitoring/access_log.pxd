cimport cython


cdef class AccessLog:
    cdef object _call_later, _clock, _lines, _sink
    cdef bint _silent, _timer
    cdef str _prefix
    cdef long _second
    cdef Py_ssize_t _size, _untold
    cdef public Py_ssize_t dropped

    @cython.locals(second=long, now=double)
    cpdef exchange(
        self, listener, institution, client, method, target, Py_ssize_t status, pool, node, long long bytes_in,
        long long bytes_out, double duration, upstream_duration, request_id, tls, bint resumed, reason,
        Py_ssize_t attempts)
    cpdef _add(self, str line)
