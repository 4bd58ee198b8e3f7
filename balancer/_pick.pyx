# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of `board.reader` and `pickers`: the same choices without an object per node.

A pool of 200 nodes costs a request about as much as one of two.
"""

from array import array

from cpython cimport array as c_array
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.math cimport INFINITY
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc


cdef class Reader:
    """See `balancer.board.Reader`."""

    cdef Py_buffer *_buffers
    cdef Py_ssize_t _rows, _size
    cdef Py_ssize_t *_slots
    cdef c_array.array _sums

    def __cinit__(self, slots, rows):
        cdef Py_ssize_t at
        self._rows = 0
        self._size = len(slots)
        self._slots = <Py_ssize_t *>malloc(self._size * sizeof(Py_ssize_t))
        self._buffers = <Py_buffer *>malloc(len(rows) * sizeof(Py_buffer))
        if self._slots == NULL or self._buffers == NULL:
            raise MemoryError
        for at in range(self._size):
            self._slots[at] = slots[at]
        for row in rows:
            PyObject_GetBuffer(row.node_active, &self._buffers[self._rows], PyBUF_SIMPLE)
            self._rows += 1
            if max(slots) * 8 + 8 > self._buffers[self._rows - 1].len or min(slots) < 0:
                raise IndexError("a slot beyond the row")
        self._sums = array("d", bytes(8 * self._size))

    def __dealloc__(self):
        cdef Py_ssize_t at
        for at in range(self._rows):
            PyBuffer_Release(&self._buffers[at])
        free(self._buffers)
        free(self._slots)

    def __call__(self):
        cdef double *sums = self._sums.data.as_doubles
        cdef int64_t *cells
        cdef Py_ssize_t row, at
        for at in range(self._size):
            sums[at] = 0
        for row in range(self._rows):
            cells = <int64_t *>self._buffers[row].buf
            for at in range(self._size):
                sums[at] += <double>cells[self._slots[at]]
        return self._sums


cdef class Turns:
    """See `balancer.pickers.Turns`."""

    cdef public c_array.array credits
    cdef public Py_ssize_t last
    cdef public bint even

    def __init__(self, credits_, last, *, even):
        self.credits = array("d", credits_)
        self.last = last
        self.even = even


def full(c_array.array active not None, c_array.array limits not None):
    """See `balancer.pickers.full`."""
    cdef Py_ssize_t at
    for at in range(len(active)):
        if active.data.as_doubles[at] >= limits.data.as_doubles[at]:
            return True
    return False


def least_connections(c_array.array active not None, c_array.array weights not None, Turns turns not None):
    """See `balancer.pickers.least_connections`."""
    cdef double *loads = active.data.as_doubles
    cdef double *shares = weights.data.as_doubles
    cdef Py_ssize_t size = len(active), at, first
    cdef double least, after
    if turns.even:
        least = INFINITY
        first = turns.last + 1
        if first >= size:
            first = 0
        turns.last = first
        for at in range(first, size):
            if loads[at] < least:
                least = loads[at]
                turns.last = at
        for at in range(first):
            if loads[at] < least:
                least = loads[at]
                turns.last = at
        return turns.last
    least = INFINITY
    for at in range(size):
        after = (loads[at] + 1.0) / shares[at]
        if after < least:
            least = after
    return _by_turn(loads, shares, size, turns, least * (1 - 1e-9))


def round_robin(c_array.array active not None, c_array.array weights not None, Turns turns not None):
    """See `balancer.pickers.round_robin`."""
    return _by_turn(active.data.as_doubles, weights.data.as_doubles, len(active), turns, INFINITY)


cdef Py_ssize_t _by_turn(double *loads, double *shares, Py_ssize_t size, Turns turns, double ceiling) noexcept:
    cdef double *credits = turns.credits.data.as_doubles
    cdef Py_ssize_t at, chosen = 0
    cdef double most = -INFINITY, total = 0
    for at in range(size):
        if loads[at] < ceiling * shares[at]:
            total += shares[at]
            credits[at] += shares[at]
            if credits[at] > most:
                most = credits[at]
                chosen = at
    credits[chosen] -= total
    turns.last = chosen
    return chosen
