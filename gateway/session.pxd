from gateway.exchange cimport Exchange
from gateway.tls_stream cimport TLSStream


cdef class Session:
    cdef public object worker, listener, client, phase, credential, chain, refusal, tls_version, institution, transfer, vain_mark, ends
    cdef public TLSStream stream
    cdef public Exchange exchange
    cdef public bytes buffer, identity
    cdef public double born, deadline
    cdef public Py_ssize_t requests, vain
    cdef public bint leaving, resumed

    cpdef _feed(self, data)
    cpdef _keep(self, data)
    cpdef _head(self, data)
    cpdef bint send(self, data) except -1
    cpdef resume_reading(self)
    cpdef exchange_ended(self, bint keep_alive)
    cpdef _await_next(self)
    cpdef wait_for_client(self)
