cimport cython

from gateway.exchange cimport Exchange
from gateway.http1._scan cimport RequestHead as Request
from gateway.placement cimport Placement
from gateway.runtime cimport InstitutionRuntime, PoolRuntime
from gateway.session cimport Session
from monitoring.access_log cimport AccessLog


cdef class Counting:
    cdef public object board, mine, _seldom
    cdef public AccessLog access
    cdef long long[::1] _active, _codes, _buckets, _seconds, _classes, _bytes, _last_seen
    cdef double[::1] _bounds
    cdef list _all_active

    cpdef institution_active(self, Py_ssize_t slot)
    cpdef begin(self, Py_ssize_t institution_slot)
    @cython.locals(duration=double, slot=Py_ssize_t, code=Py_ssize_t, pool_slot=Py_ssize_t, bucket=Py_ssize_t,
                   octets_in=Py_ssize_t, octets_out=Py_ssize_t, placement=Placement, session=Session, head=Request, pool=PoolRuntime, institution=InstitutionRuntime)
    cpdef end(self, Exchange exchange, Py_ssize_t status, reason, double now)
