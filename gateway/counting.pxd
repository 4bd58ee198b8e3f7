cdef class Counting:
    cdef public object board, mine, access
