from balancer.pool cimport Pool


cdef class InstitutionRuntime:
    cdef readonly object id, keys, requests_limit, connections_limit, rate
    cdef readonly frozenset routes
    cdef readonly bytes header
    cdef readonly Py_ssize_t slot
    cdef readonly bint enabled


cdef class ListenerRuntime:
    cdef readonly object name, terminator, head_limits, connections_per_address, handshakes_per_address
    cdef readonly object institution_field, unlisted, proxies
    cdef readonly Py_ssize_t slot, connections_limit, handshakes_share, minimum_rate
    cdef readonly double handshake_timeout, head_timeout, body_timeout, idle_timeout
    cdef readonly bint explain


cdef class PoolRuntime:
    cdef readonly object name, endpoints, preamble
    cdef readonly Pool balancer
    cdef readonly Py_ssize_t slot, retries
    cdef readonly double connect_timeout, response_timeout, idle_timeout
