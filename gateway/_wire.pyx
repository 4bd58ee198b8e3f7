# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled twin of `wire`: the same functions, straight to the kernel and to OpenSSL.

OpenSSL lives inside the cryptography wheel, whose cffi library gives the addresses of its functions; `bind` takes
them from `certs.binding`. The GIL is kept: a worker has one thread, and nothing here waits.
"""

from cpython.ref cimport Py_DECREF
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uintptr_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    ctypedef struct PyObject
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *, Py_ssize_t) except NULL
    char *octets_of "PyBytes_AS_STRING"(PyObject *)
    int _PyBytes_Resize(PyObject **, Py_ssize_t) except -1

cdef extern from *:
    """
    #include <errno.h>
    #define forget_errno() (errno = 0)
    """
    void forget_errno() noexcept

cdef extern from "sys/socket.h":
    ssize_t c_recv "recv"(int, void *, size_t, int) nogil
    ssize_t c_send "send"(int, const void *, size_t, int) nogil
    int MSG_PEEK, MSG_DONTWAIT, MSG_NOSIGNAL

cdef enum:
    NOTHING = -1
    OTHER_WAY = -2
    ENDED = -3
    CUT = -4
    FAILED = -5
    ERRNO = -1000
    SMALL = 16384
    RECORD = 16384  # the longest there is (RFC 8446 section 5.1)

# openssl/ssl.h
cdef enum:
    SSL_ERROR_SSL = 1
    SSL_ERROR_WANT_READ = 2
    SSL_ERROR_WANT_WRITE = 3
    SSL_ERROR_SYSCALL = 5
    SSL_ERROR_ZERO_RETURN = 6
    # openssl/err.h, sslerr.h: ERR_LIB_SSL << ERR_LIB_OFFSET | SSL_R_UNEXPECTED_EOF_WHILE_READING
    UNEXPECTED_EOF = 20 << 23 | 294

ctypedef int (*ReadWrite)(void *, void *, int) noexcept
ctypedef int (*GetError)(void *, int) noexcept
ctypedef void (*Clear)() noexcept
ctypedef unsigned long (*PeekError)() noexcept

cdef ReadWrite ssl_read = NULL
cdef ReadWrite ssl_write = NULL
cdef GetError ssl_get_error = NULL
cdef Clear clear_errors = NULL
cdef PeekError peek_error = NULL

cdef char scratch[SMALL]


def bind(uintptr_t read, uintptr_t write, uintptr_t get_error, uintptr_t clear, uintptr_t peek):
    """Addresses of SSL_read, SSL_write, SSL_get_error, ERR_clear_error and ERR_peek_error."""
    global ssl_read, ssl_write, ssl_get_error, clear_errors, peek_error
    ssl_read = <ReadWrite>read
    ssl_write = <ReadWrite>write
    ssl_get_error = <GetError>get_error
    clear_errors = <Clear>clear
    peek_error = <PeekError>peek


cdef inline Py_ssize_t _errno() noexcept:
    return NOTHING if errno == EAGAIN or errno == EINTR else ERRNO - errno


cdef inline object _taken(PyObject *data, Py_ssize_t room, Py_ssize_t got):
    """The first `got` octets of a new bytes object."""
    if got != room:
        _PyBytes_Resize(&data, got)
    result = <object>data
    Py_DECREF(result)
    return result


def recv(int fd, Py_ssize_t size):
    """See `gateway.wire.recv`."""
    cdef PyObject *data
    cdef ssize_t got
    if size <= SMALL:
        # Most messages are small: read into a fixed place, then take what is needed.
        got = c_recv(fd, scratch, size, MSG_DONTWAIT)
        return PyBytes_FromStringAndSize(scratch, got) if got >= 0 else _errno()
    data = new_bytes(NULL, size)
    got = c_recv(fd, octets_of(data), size, MSG_DONTWAIT)
    if got >= 0:
        return _taken(data, size, got)
    outcome = _errno()
    Py_DECREF(<object>data)
    return outcome


def send(int fd, data not None):
    """See `gateway.wire.send`."""
    cdef Py_buffer view
    cdef ssize_t sent
    if type(data) is bytes:
        sent = c_send(fd, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), MSG_DONTWAIT | MSG_NOSIGNAL)
        return sent if sent >= 0 else _errno()
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    sent = c_send(fd, view.buf, view.len, MSG_DONTWAIT | MSG_NOSIGNAL)
    outcome = sent if sent >= 0 else _errno()
    PyBuffer_Release(&view)
    return outcome


def peek(int fd):
    """See `gateway.wire.peek`."""
    cdef char octet
    cdef ssize_t got = c_recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT)
    return got if got >= 0 else _errno()


def tls_recv(uintptr_t ssl, Py_ssize_t size):
    """See `gateway.wire.tls_recv`."""
    cdef int got
    clear_errors()
    forget_errno()
    got = ssl_read(<void *>ssl, scratch, RECORD)
    if got <= 0:
        return _outcome(<void *>ssl, got, SSL_ERROR_WANT_READ)
    if got < RECORD or size < 2 * RECORD:
        return PyBytes_FromStringAndSize(scratch, got)
    return _more(<void *>ssl, size)


cdef object _more(void *ssl, Py_ssize_t size):
    """In bulk: the full record that has been read, and those behind it, in one object of `size` octets at the most."""
    cdef PyObject *data = new_bytes(NULL, size)
    cdef char *octets = octets_of(data)
    cdef Py_ssize_t filled = RECORD
    cdef int got
    memcpy(octets, scratch, RECORD)
    while filled + RECORD <= size:
        forget_errno()
        got = ssl_read(ssl, octets + filled, RECORD)
        if got <= 0:
            break  # what ended the reading is found again by the next call
        filled += got
        if got < RECORD:
            break
    return _taken(data, size, filled)


def tls_send(uintptr_t ssl, data not None):
    """See `gateway.wire.tls_send`; goes on until everything has been taken or no more can be."""
    cdef Py_buffer view
    if type(data) is bytes:
        return _tls_send(<void *>ssl, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    outcome = _tls_send(<void *>ssl, <char *>view.buf, view.len)
    PyBuffer_Release(&view)
    return outcome


cdef Py_ssize_t _tls_send(void *ssl, char *data, Py_ssize_t size) noexcept:
    cdef Py_ssize_t sent = 0
    cdef int taken
    clear_errors()
    while sent < size:
        forget_errno()
        taken = ssl_write(ssl, data + sent, <int>min(size - sent, <Py_ssize_t>0x40000000))
        if taken <= 0:
            # A failure after the first record is found again by the next call: it does not go away.
            return sent if sent else _outcome(ssl, taken, SSL_ERROR_WANT_WRITE)
        sent += taken
    return sent


cdef Py_ssize_t _outcome(void *ssl, int result, int want) noexcept:
    cdef int why = errno
    cdef int code = ssl_get_error(ssl, result)
    if code == want:
        return NOTHING
    if code == SSL_ERROR_WANT_READ or code == SSL_ERROR_WANT_WRITE:
        return OTHER_WAY
    if code == SSL_ERROR_ZERO_RETURN:
        return ENDED
    if code == SSL_ERROR_SYSCALL:
        return ERRNO - why if why else CUT
    if peek_error() == UNEXPECTED_EOF:
        clear_errors()
        return CUT
    return FAILED
