cdef class Lease:
    cdef public object node
    cdef public Py_ssize_t slot
    cdef Pool _pool
    cdef bint _held

    cpdef release(self, bint failed=*)


cdef class _Choice:
    cdef public object nodes, weights, turns, limits, read


cdef class Pool:
    cdef public object name
    cdef public tuple nodes
    cdef object _board, _picker
    cdef long long _epoch
    cdef const long long[::1] _page_epoch
    cdef long long[::1] mine_active, mine_requests
    cdef public object _last, _worker_index
    cdef public dict _credits
    cdef public _Choice _primaries, _backups

    cpdef pick(self, exclude=*)
    cpdef Lease lease(self, exclude=*)
    cpdef _refresh(self)
