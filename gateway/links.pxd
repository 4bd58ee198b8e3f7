cimport cython

from gateway.stream cimport Stream


cdef class Link:
    cdef public Links links
    cdef public object key
    cdef public Stream stream
    cdef public bytes buffer
    cdef public Py_ssize_t exchanges, octets
    cdef public double idle_since

    cpdef alive(self)


cdef class Links:
    cdef public object loop
    cdef public dict _idle, _habits, _sudden, _seen

    @cython.locals(link=Link)
    cpdef take(self, key)
    @cython.locals(stream=Stream, idle=list)
    cpdef give_back(self, Link link)
