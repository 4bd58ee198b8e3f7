# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of `access_log.exchange_line`: one JSON line, written into place octet by octet."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, strlen

from monitoring.access_log import NAME_LIMIT, TEXT_LIMIT, _name, _octets, _verb

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    const char *PyUnicode_DATA(object)
    object PyUnicode_DecodeASCII(const char *, Py_ssize_t, const char *)

cdef enum:
    ROOM = 16384

cdef Py_ssize_t LONGEST_NAME = NAME_LIMIT
cdef Py_ssize_t LONGEST_TEXT = TEXT_LIMIT
cdef char line[ROOM]


cdef inline char *_literal(char *out, const char *text) noexcept:
    cdef size_t size = strlen(text)
    memcpy(out, text, size)
    return out + size


cdef inline bint _plain(const char *text, Py_ssize_t size) noexcept:
    """Nothing in it is escaped in JSON."""
    cdef unsigned char c, odd = 0
    cdef Py_ssize_t at
    for at in range(size):
        c = <unsigned char>text[at]
        odd |= (c < 0x20) | (c > 0x7e) | (c == 0x22) | (c == 0x5c)
    return not odd


cdef inline char *_quote(char *out, const char *text, Py_ssize_t size) noexcept:
    out[0] = 0x22
    memcpy(out + 1, text, size)
    out[size + 1] = 0x22
    return out + size + 2


cdef char *_str(char *out, str made) except NULL:
    """What the pure twin has quoted: ASCII, and not long."""
    cdef Py_ssize_t size = PyUnicode_GET_LENGTH(made)
    memcpy(out, PyUnicode_DATA(made), size)
    return out + size


cdef char *_text(char *out, object text) except NULL:
    """A name, or null."""
    cdef Py_ssize_t size
    if text is None:
        return _literal(out, b"null")
    if PyUnicode_IS_COMPACT_ASCII(text):
        size = PyUnicode_GET_LENGTH(text)
        if size <= LONGEST_NAME and _plain(PyUnicode_DATA(text), size):
            return _quote(out, PyUnicode_DATA(text), size)
    return _str(out, _name(text))


cdef char *_wire(char *out, bytes octets, Py_ssize_t longest, bint name) except NULL:
    cdef Py_ssize_t size = PyBytes_GET_SIZE(octets)
    if size <= longest and _plain(PyBytes_AS_STRING(octets), size):
        return _quote(out, PyBytes_AS_STRING(octets), size)
    return _str(out, _verb(octets) if name else _octets(octets))


cdef char *_number(char *out, uint64_t number, int least) noexcept:
    cdef char reverse[24]
    cdef int size = 0
    while number or size < least:
        reverse[size] = <char>(48 + number % 10)
        number //= 10
        size += 1
    while size:
        size -= 1
        out[0] = reverse[size]
        out += 1
    return out


cdef char *_integer(char *out, int64_t number) noexcept:
    if number < 0:
        out[0] = 45
        return _number(out + 1, <uint64_t>-number, 1)
    return _number(out, <uint64_t>number, 1)


cdef char *_seconds(char *out, double seconds) noexcept:
    cdef uint64_t micros = <uint64_t>(seconds * 1e6 + 0.5) if seconds > 0 else 0
    out = _number(out, micros // 1000000, 1)
    out[0] = 46
    return _number(out + 1, micros % 1000000, 6)


def exchange_line(
    str prefix not None, long micros, listener, institution, client, bytes method not None, bytes target not None,
    long status, pool, node, int64_t bytes_in, int64_t bytes_out, double duration, upstream_duration,
    bytes request_id not None, tls, bint resumed, reason, long attempts,
):
    """See `monitoring.access_log.exchange_line`."""
    cdef char *out = line
    out = _literal(out, b'{"time":"')
    out = _str(out, prefix)
    out[0] = 46
    out = _number(out + 1, micros, 6)
    out = _literal(out, b'Z","event":"exchange","listener":')
    out = _text(out, listener)
    out = _literal(out, b',"institution":')
    out = _text(out, institution)
    out = _literal(out, b',"client":')
    out = _text(out, client)
    out = _literal(out, b',"method":')
    out = _wire(out, method, LONGEST_NAME, True)
    out = _literal(out, b',"target":')
    out = _wire(out, target, LONGEST_TEXT, False)
    out = _literal(out, b',"status":')
    out = _integer(out, status)
    out = _literal(out, b',"pool":')
    out = _text(out, pool)
    out = _literal(out, b',"node":')
    out = _text(out, node)
    out = _literal(out, b',"bytes_in":')
    out = _integer(out, bytes_in)
    out = _literal(out, b',"bytes_out":')
    out = _integer(out, bytes_out)
    out = _literal(out, b',"duration":')
    out = _seconds(out, duration)
    out = _literal(out, b',"upstream_duration":')
    out = _literal(out, b"null") if upstream_duration is None else _seconds(out, upstream_duration)
    out = _literal(out, b',"request_id":')
    out = _wire(out, request_id, LONGEST_NAME, True)
    out = _literal(out, b',"resumed":true' if resumed else b',"resumed":false')
    out = _literal(out, b',"attempts":')
    out = _integer(out, attempts)
    out = _literal(out, b',"tls":')
    out = _text(out, tls)
    out = _literal(out, b',"reason":')
    out = _text(out, reason)
    out = _literal(out, b"}\n")
    return PyUnicode_DecodeASCII(line, out - line, NULL)
