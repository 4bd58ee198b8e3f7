cdef class Stream:
    cdef public object loop, sock, on_readable, on_drained, on_closed, error
    cdef public object _queue, _linger_timer
    cdef public int fd
    cdef public Py_ssize_t queued, _room, _lingered
    cdef public object _acknowledged
    cdef public bint eof, _read_waits, _reading, _writing, _closing

    cpdef recv(self)
    cpdef _send(self, data)
    cpdef write(self, data)
    cpdef start_reading(self)
    cpdef stop_reading(self)
    cpdef look_again(self)
