cimport cython

from balancer.pool cimport Lease, Pool
from gateway.links cimport Link, Links
from gateway.runtime cimport PoolRuntime


cdef class Placement:
    cdef public object node, _worker, _send, _give_up, _client
    cdef public PoolRuntime pool
    cdef public Lease _lease
    cdef public Link link
    cdef public Py_ssize_t attempts
    cdef public double deadline
    cdef public set _tried

    cpdef start(self)
    cpdef release(self)
    @cython.locals(pool=PoolRuntime, links=Links, link=Link, lease=Lease)
    cpdef _search(self, failure)
