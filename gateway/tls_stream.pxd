from gateway.stream cimport Stream


cdef class TLSStream(Stream):
    cdef public object tls, _handle
    cdef public bint _plain
