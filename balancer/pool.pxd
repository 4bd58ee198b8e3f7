cdef class Lease:
    cdef public object node
    cdef object _row

    cpdef release(self, bint failed=*)


cdef class _Choice:
    cdef public object nodes, weights, turns, limits, read


cdef class Pool:
    cdef public object name
    cdef public tuple nodes
    cdef object _board, _row, _page_epoch, _picker, _epoch
    cdef public object _last, _worker_index
    cdef public dict _credits
    cdef public _Choice _primaries, _backups

    cpdef pick(self, exclude=*)
    cpdef lease(self, exclude=*)
    cpdef _refresh(self)
