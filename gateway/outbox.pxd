cimport cython

from gateway.exchange cimport Exchange
from gateway.session cimport Session


cdef class Outbox:
    cdef object _loop
    cdef list _requests, _answers
    cdef bint _asked

    cpdef add_request(self, Exchange exchange)
    cpdef add_answer(self, Session session)
    cpdef _ask(self)
    @cython.locals(exchange=Exchange, session=Session, requests=list, answers=list)
    cpdef flush(self)
