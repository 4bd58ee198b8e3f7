from gateway.counting cimport Counting
from gateway.exchange cimport Exchange
from gateway.outbox cimport Outbox
from gateway.runtime cimport InstitutionRuntime, ListenerRuntime
from gateway.tls_stream cimport TLSStream


cdef class Session:
    cdef public object worker, client, phase, credential, chain, refusal, tls_version, transfer, vain_mark, ends
    cdef public Counting count
    cdef public InstitutionRuntime institution
    cdef public ListenerRuntime listener
    cdef public TLSStream stream
    cdef public Exchange exchange
    cdef public Outbox outbox
    cdef public bytes buffer, certificate, origin, _held
    cdef public double born, deadline
    cdef public Py_ssize_t requests, vain
    cdef public bint leaving, resumed

    cpdef _feed(self, data)
    cpdef _keep(self, data)
    cpdef _head(self, data)
    cpdef bint send(self, data) except -1
    cpdef bint _write(self, data) except -1
    cpdef leave(self)
    cpdef resume_reading(self)
    cpdef bint nothing_follows(self) except -1
    cpdef exchange_ended(self, bint keep_alive, double now)
    cpdef _await_next(self, double now)
    cpdef wait_for_client(self)
