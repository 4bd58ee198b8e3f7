# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The compiled twin of `request` and `response`: ordinary heads in one pass over the octets.

It recognises; it never judges. A head in which every octet is as it is nearly always is understood and written anew
here. Whatever is unusual in any way (an error, a limit, HTTP/1.0, an upgrade, a list of connection options, ...) is
handed whole to the pure-Python twin, which alone refuses and explains. So the two can differ in one direction only,
a head accepted here and not there, and that is what tests and fuzzing look for.

The names that mean something are read from `lookalikes` and the rules of the twins, at import: one home per fact.
"""

import re

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy, memset

from gateway.http1 import lookalikes, request, request_fields, request_line, response, target
from gateway.http1.fields import TOKEN, remember
from gateway.http1.framing import CHUNKED, LONGEST_BODY, UNTIL_CLOSE

cdef extern from *:
    """
    #include <stddef.h>
    #include <string.h>
    /* One pass without a branch: the compiler makes vector code of it. */
    #if defined(__GNUC__) && !defined(__clang__)
    __attribute__((optimize("O3")))
    #endif
    static int settlegate_has_control(const unsigned char *octets, Py_ssize_t size) {
        unsigned char found = 0;
        for (Py_ssize_t at = 0; at < size; at++) {
            unsigned char c = octets[at];
            found |= (unsigned char)((c < 0x20) & (c != 0x09)) | (unsigned char)(c == 0x7f);
        }
        return found;
    }
    """
    void *memmem(const void *, size_t, const void *, size_t) nogil
    int settlegate_has_control(const unsigned char *, Py_ssize_t) nogil

ctypedef const unsigned char *Octets

cdef enum:
    RUNS = 96
    LONGEST_NAME = 64
    SLOTS = 512
    PREFIXES = 64

cdef enum Kind:
    KEEP = 0
    HOST_LINE = 1
    LENGTH_LINE = 2
    CODING_LINE = 3
    CONNECTION_LINE = 4
    REQUEST_ID_LINE = 5
    DATE_LINE = 6
    VARY_LINE = 7
    DROP_LINE = 8
    UNUSUAL = 9

cdef struct Entry:
    uint32_t hash
    unsigned char size
    unsigned char kind
    unsigned char identity
    char name[LONGEST_NAME]

cdef struct Prefix:
    unsigned char size
    char name[LONGEST_NAME]

cdef struct Run:
    # Octets to pass on as they are; or, if `value` is set, a name and a value that want other blanks between them.
    Octets start
    Py_ssize_t size
    Octets value
    Py_ssize_t value_size

cdef struct Field:
    Octets line
    Py_ssize_t name_size
    Octets value
    Py_ssize_t value_size
    Py_ssize_t line_size  # with CRLF
    int kind
    bint plain  # spelled exactly as it would be written

cdef unsigned char FOLD[256]
cdef unsigned char IN_TARGET[256]
cdef unsigned char IN_REQUEST_ID[256]
cdef Entry REQUEST_NAMES[SLOTS]
cdef Entry RESPONSE_NAMES[SLOTS]
cdef Prefix IDENTITY_PREFIXES[PREFIXES]
cdef int PREFIX_FROM[257]

cdef bytes GET = b"GET"
cdef bytes POST = b"POST"
cdef uint64_t LONGEST = LONGEST_BODY
cdef Py_ssize_t IS_CHUNKED = CHUNKED
cdef Py_ssize_t IS_UNTIL_CLOSE = UNTIL_CLOSE
cdef dict _lines = request_line.remembered
cdef dict _authorities = {}
cdef dict _status_lines = response.remembered
cdef object _pure_request = request.parse_request
cdef object _pure_response = response.parse_response
cdef object _read_line = request_line.read_line
cdef object _parse_authority = target.parse_authority
cdef object _read_status_line = response.read_status_line


cdef class RequestHead:
    """See `gateway.http1.request.RequestHead`: the same members."""

    def __eq__(self, other):
        return _members_equal(request.RequestHead, self, other)

    def __repr__(self):
        return f"<RequestHead {self.method!r} {self.target!r} length={self.length} end={self.end}>"


cdef class ResponseHead:
    """See `gateway.http1.response.ResponseHead`: the same members."""

    def __eq__(self, other):
        return _members_equal(response.ResponseHead, self, other)

    def __repr__(self):
        return f"<ResponseHead {self.status} length={self.length} end={self.end}>"


cdef _copy_members(twin, read, head):
    for name in twin.__slots__:
        setattr(head, name, getattr(read, name))


def _members_equal(twin, one, other):
    """Heads are equal by what they say, whichever twin has read them."""
    if not isinstance(other, (type(one), twin)):
        return NotImplemented
    return all(getattr(one, name) == getattr(other, name) for name in twin.__slots__)


# ---- names


cdef uint32_t _hash(const char *name, Py_ssize_t size) noexcept nogil:
    cdef uint32_t value = 2166136261
    cdef Py_ssize_t at
    for at in range(size):
        value = (value ^ <unsigned char>name[at]) * 16777619
    return value


cdef void _enter(Entry *table, bytes name, int kind, bint identity) except *:
    cdef Py_ssize_t size = len(name)
    cdef uint32_t value = _hash(name, size)
    cdef int slot = value % SLOTS
    if size > LONGEST_NAME:
        raise AssertionError("a longer name than the table holds")
    while table[slot].size:
        if table[slot].size == size and memcmp(table[slot].name, <const char *>name, size) == 0:
            break
        slot = (slot + 1) % SLOTS
    table[slot].hash = value
    table[slot].size = <unsigned char>size
    table[slot].kind = <unsigned char>kind
    table[slot].identity = identity
    memcpy(table[slot].name, <const char *>name, size)


cdef inline Entry *_find(Entry *table, uint32_t value, const char *name, Py_ssize_t size) noexcept nogil:
    cdef int slot = value % SLOTS
    while table[slot].size:
        if table[slot].hash == value and table[slot].size == size and memcmp(table[slot].name, name, size) == 0:
            return &table[slot]
        slot = (slot + 1) % SLOTS
    return NULL


cdef inline bint _identity_prefix(const char *name, Py_ssize_t size) noexcept nogil:
    cdef unsigned char first = <unsigned char>name[0]
    cdef int at
    for at in range(PREFIX_FROM[first], PREFIX_FROM[first + 1]):
        if IDENTITY_PREFIXES[at].size <= size and memcmp(IDENTITY_PREFIXES[at].name, name, IDENTITY_PREFIXES[at].size) == 0:
            return True
    return False


cdef int _request_kind(const char *folded, Py_ssize_t size, uint32_t value, bint exact) noexcept nogil:
    cdef Entry *entry
    if size > LONGEST_NAME:
        return UNUSUAL
    entry = _find(REQUEST_NAMES, value, folded, size)
    if entry != NULL and entry.kind != KEEP:
        return entry.kind if exact or entry.kind == DROP_LINE else UNUSUAL
    if size > 5 and memcmp(folded, b"http-", 5) == 0:
        entry = _find(REQUEST_NAMES, _hash(folded + 5, size - 5), folded + 5, size - 5)
        if (entry != NULL and entry.identity) or _identity_prefix(folded + 5, size - 5):
            return DROP_LINE
        return KEEP
    return DROP_LINE if _identity_prefix(folded, size) else KEEP


cdef int _response_kind(const char *folded, Py_ssize_t size, uint32_t value, bint exact) noexcept nogil:
    cdef Entry *entry
    if size > LONGEST_NAME:
        return UNUSUAL
    entry = _find(RESPONSE_NAMES, value, folded, size)
    if entry == NULL:
        return KEEP
    return entry.kind if exact or entry.kind == DROP_LINE else UNUSUAL


# ---- lines


cdef bint _read_field(Octets line, Octets end, bint is_request, Field *field) noexcept nogil:
    """Read one line; False if it is not plainly a field. `end` is where the empty line's CRLF begins."""
    cdef char folded[LONGEST_NAME]
    cdef uint32_t value = 2166136261
    cdef Py_ssize_t size = 0
    cdef bint exact = True
    cdef unsigned char c, f
    cdef Octets start, stop
    while True:
        c = line[size]  # the CRLF before `end` ends this loop at the latest
        f = FOLD[c]
        if not f:
            break
        if size < LONGEST_NAME:
            folded[size] = <char>f
        if f == 45 and c != 45:
            exact = False
        value = (value ^ f) * 16777619
        size += 1
    if c != 58 or not size:
        return False
    start = line + size + 1
    stop = <Octets>memchr(start, 13, end + 1 - start)
    if stop == NULL or stop[1] != 10:
        return False
    if settlegate_has_control(start, stop - start):
        return False
    field.line = line
    field.name_size = size
    field.line_size = stop + 2 - line
    field.plain = start < stop and start[0] == 32
    while start < stop and (start[0] == 32 or start[0] == 9):
        start += 1
    while stop > start and ((stop - 1)[0] == 32 or (stop - 1)[0] == 9):
        stop -= 1
    field.value = start
    field.value_size = stop - start
    # "Name: value" CRLF, or "Name:" CRLF
    if start == stop:
        field.plain = field.line_size == size + 3
    elif field.plain:
        field.plain = field.line_size == size + 2 + field.value_size + 2
    if is_request:
        field.kind = _request_kind(folded, size, value, exact)
    else:
        field.kind = _response_kind(folded, size, value, exact)
    return True


cdef inline bint _keep(Run *runs, int *count, Field *field) noexcept nogil:
    cdef Run *last
    if field.plain:
        if count[0]:
            last = &runs[count[0] - 1]
            if last.value == NULL and last.start + last.size == field.line:
                last.size += field.line_size
                return True
        if count[0] == RUNS:
            return False
        runs[count[0]].start = field.line
        runs[count[0]].size = field.line_size
        runs[count[0]].value = NULL
    else:
        if count[0] == RUNS:
            return False
        runs[count[0]].start = field.line
        runs[count[0]].size = field.name_size
        runs[count[0]].value = field.value
        runs[count[0]].value_size = field.value_size
    count[0] += 1
    return True


cdef Py_ssize_t _size(Run *runs, int count) noexcept nogil:
    cdef Py_ssize_t size = 0
    cdef int at
    for at in range(count):
        size += runs[at].size
        if runs[at].value != NULL:
            size += runs[at].value_size + (4 if runs[at].value_size else 3)
    return size


cdef char *_write(char *out, Run *runs, int count) noexcept nogil:
    cdef int at
    for at in range(count):
        memcpy(out, runs[at].start, runs[at].size)
        out += runs[at].size
        if runs[at].value != NULL:
            out[0] = 58
            out += 1
            if runs[at].value_size:
                out[0] = 32
                out += 1
                memcpy(out, runs[at].value, runs[at].value_size)
                out += runs[at].value_size
            out[0] = 13
            out[1] = 10
            out += 2
    return out


cdef inline char *_put(char *out, const char *text, Py_ssize_t size) noexcept nogil:
    memcpy(out, text, size)
    return out + size


cdef inline bint _is(Field *field, const char *lower, Py_ssize_t size) noexcept nogil:
    """The value is these lower-case letters and hyphens, in any case."""
    cdef Py_ssize_t at
    if field.value_size != size:
        return False
    for at in range(size):
        if (field.value[at] | 0x20) != <unsigned char>lower[at]:
            return False
    return True


cdef inline bint _mentions(Field *field, const char *lower, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t at, start
    for start in range(field.value_size - size + 1):
        for at in range(size):
            if (field.value[start + at] | 0x20) != <unsigned char>lower[at]:
                break
        else:
            return True
    return False


cdef inline bint _number(Field *field, uint64_t *number) noexcept nogil:
    """One to nineteen digits of at most 2^63 - 1."""
    cdef uint64_t value = 0
    cdef Py_ssize_t at
    cdef unsigned char c
    if not 1 <= field.value_size <= 19:
        return False
    for at in range(field.value_size):
        c = field.value[at]
        if not 48 <= c <= 57:
            return False
        value = value * 10 + (c - 48)
    number[0] = value
    return value <= LONGEST


cdef inline int _digits(char *out, uint64_t number) noexcept nogil:
    cdef char reverse[20]
    cdef int size = 0, at
    while True:
        reverse[size] = <char>(48 + number % 10)
        size += 1
        number //= 10
        if not number:
            break
    for at in range(size):
        out[at] = reverse[size - 1 - at]
    return size


# ---- requests


cdef bint _plain_line(Octets line, Octets cr, Py_ssize_t longest, RequestHead head) except -1:
    """`METHOD /path?query HTTP/1.1` with nothing in the path that could mean another path."""
    cdef Octets at = line, begin, path_end = NULL
    cdef unsigned char c, before
    while 65 <= at[0] <= 90:
        at += 1
    if at[0] != 32 or not 3 <= at - line <= 7 or at - line == 5 or at[1] != 47 or at[2] == 47:
        return False  # five letters: TRACE is refused and PATCH is rare; CONNECT asks for no path
    begin = at + 1
    if cr - begin < 10 or memcmp(cr - 9, b" HTTP/1.1", 9) != 0 or cr - 9 - begin > longest:
        return False
    at = begin
    before = 0
    while at < cr - 9:
        c = at[0]
        if not IN_TARGET[c]:
            return False
        if path_end == NULL:
            if c == 63:
                path_end = at
            elif c == 37 or c == 92 or (c == 46 and before == 47):
                return False
        before = c
        at += 1
    if begin - line == 5 and memcmp(line, b"POST", 4) == 0:
        head.method = POST
    elif begin - line == 4 and memcmp(line, b"GET", 3) == 0:
        head.method = GET
    else:
        head.method = PyBytes_FromStringAndSize(<char *>line, begin - 1 - line)
        if head.method == b"CONNECT":
            return False
    head.target = PyBytes_FromStringAndSize(<char *>begin, at - begin)
    head.path = head.target if path_end == NULL else PyBytes_FromStringAndSize(<char *>begin, path_end - begin)
    return True


cdef bint _other_line(bytes data, Octets line, Octets cr, Py_ssize_t longest, RequestHead head) except -1:
    """Whatever else the pure twin makes of it, if it is only the path that is unusual."""
    cdef bytes text = PyBytes_FromStringAndSize(<char *>line, cr - line)
    read = _lines.get(text)
    if read is None:
        try:
            read = _read_line(text)
        except Exception:
            return False  # the twin says it again, with all that belongs to it
    if read.http10 or read.authority is not None or read.asked > longest:
        return False
    head.method, head.target, head.path = read.method, read.target, read.path
    return True


cdef bytes _authority(Field *field):
    """In lower case; None if it is not sound."""
    cdef bytes value = PyBytes_FromStringAndSize(<char *>field.value, field.value_size)
    known = _authorities.get(value)
    if known is None:
        try:
            known = remember(_authorities, value, _parse_authority(value))
        except Exception:
            return None
    return known


def parse_request(bytes data not None, limits):
    """See `gateway.http1.request.parse_request`."""
    cdef RequestHead head = _scan_request(data, limits)
    if head is None:
        read = _pure_request(data, limits)
        if read is not None:
            head = RequestHead.__new__(RequestHead)
            _copy_members(request.RequestHead, read, head)
    return head


cdef RequestHead _scan_request(bytes data, object limits):
    """The head, or None: the twin shall look."""
    cdef Octets start = <Octets>PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    cdef Octets end = <Octets>memmem(start, size, b"\r\n\r\n", 4)
    cdef Octets at
    cdef Run runs[RUNS]
    cdef int count = 0
    cdef Field field
    cdef Py_ssize_t fields = limits[1], total, name
    cdef Octets request_id = NULL
    cdef Py_ssize_t request_id_size = 0
    cdef uint64_t number = 0
    cdef bint has_length = False, chunked = False, close = False
    cdef bytes host = None
    cdef RequestHead head
    cdef char digits[20]
    cdef int digit_count
    cdef char *out
    cdef bytes result
    if end == NULL or end - start > <Py_ssize_t>limits[0]:
        return None
    at = <Octets>memchr(start, 13, end + 1 - start)
    if at[1] != 10:
        return None
    head = RequestHead.__new__(RequestHead)
    if not _plain_line(start, at, limits[2], head) and not _other_line(data, start, at, limits[2], head):
        return None
    at += 2
    while at < end:
        fields -= 1
        if fields < 0 or not _read_field(at, end, True, &field):
            return None
        at += field.line_size
        if field.kind == KEEP:
            if not _keep(runs, &count, &field):
                return None
        elif field.kind == DROP_LINE:
            pass
        elif field.kind == HOST_LINE:
            if host is not None:
                return None
            host = _authority(&field)
            if host is None:
                return None
        elif field.kind == LENGTH_LINE:
            if has_length or chunked or not _number(&field, &number):
                return None
            has_length = True
        elif field.kind == CODING_LINE:
            if has_length or chunked or not _is(&field, b"chunked", 7):
                return None
            chunked = True
        elif field.kind == CONNECTION_LINE:
            if _is(&field, b"close", 5):
                close = True
            elif not _is(&field, b"keep-alive", 10):
                return None
        elif field.kind == REQUEST_ID_LINE:
            if request_id != NULL or not 1 <= field.value_size <= 128:
                return None
            for name in range(field.value_size):
                if not IN_REQUEST_ID[field.value[name]]:
                    return None
            request_id, request_id_size = field.value, field.value_size
        else:
            return None
    if host is None:
        return None

    # The order is the twin's: request line, Host, what passes, X-Request-Id, framing.
    digit_count = _digits(digits, number) if has_length else 0
    total = PyBytes_GET_SIZE(head.method) + 1 + PyBytes_GET_SIZE(head.target) + 11
    total += 8 + PyBytes_GET_SIZE(host) + _size(runs, count)
    if request_id != NULL:
        total += 16 + request_id_size
    if has_length:
        total += 18 + digit_count
    elif chunked:
        total += 28
    result = PyBytes_FromStringAndSize(NULL, total)
    out = PyBytes_AS_STRING(result)
    out = _put(out, PyBytes_AS_STRING(head.method), PyBytes_GET_SIZE(head.method))
    out = _put(out, b" ", 1)
    out = _put(out, PyBytes_AS_STRING(head.target), PyBytes_GET_SIZE(head.target))
    out = _put(out, b" HTTP/1.1\r\nHost: ", 17)
    out = _put(out, PyBytes_AS_STRING(host), PyBytes_GET_SIZE(host))
    out = _put(out, b"\r\n", 2)
    out = _write(out, runs, count)
    if request_id != NULL:
        out = _put(out, b"X-Request-Id: ", 14)
        out = _put(out, <char *>request_id, request_id_size)
        out = _put(out, b"\r\n", 2)
        head.request_id = PyBytes_FromStringAndSize(<char *>request_id, request_id_size)
    if has_length:
        out = _put(out, b"Content-Length: ", 16)
        out = _put(out, digits, digit_count)
        out = _put(out, b"\r\n", 2)
    elif chunked:
        out = _put(out, b"Transfer-Encoding: chunked\r\n", 28)
    head.host = host
    head.length = IS_CHUNKED if chunked else <Py_ssize_t>number
    head.keep_alive = not close
    head.head = result
    head.end = end + 4 - start
    return head


# ---- responses


def parse_response(bytes data not None, limits, bytes method not None, bint upgrade):
    """See `gateway.http1.response.parse_response`."""
    cdef ResponseHead head = _scan_response(data, limits, method)
    if head is None:
        read = _pure_response(data, limits, method, upgrade)
        if read is not None:
            head = ResponseHead.__new__(ResponseHead)
            _copy_members(response.ResponseHead, read, head)
    return head


cdef ResponseHead _scan_response(bytes data, object limits, bytes method):
    """The head, or None: the twin shall look."""
    cdef Octets start = <Octets>PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    cdef Octets end = <Octets>memmem(start, size, b"\r\n\r\n", 4)
    cdef Octets at
    cdef Run runs[RUNS]
    cdef Run date[1]
    cdef int count = 0, dates = 0, digit_count = 0
    cdef Field field
    cdef Py_ssize_t fields = limits[1], total
    cdef uint64_t number = 0
    cdef bint has_length = False, chunked = False, close = False
    cdef ResponseHead head
    cdef bytes line, begin, result
    cdef char digits[20]
    cdef char *out
    if end == NULL or end - start > <Py_ssize_t>limits[0]:
        return None
    at = <Octets>memchr(start, 13, end + 1 - start)
    if at[1] != 10 or method == b"HEAD":
        return None
    line = PyBytes_FromStringAndSize(<char *>start, at - start)
    read = _status_lines.get(line)
    if read is None:
        try:
            read = _read_status_line(line)
        except Exception:
            return None
    if read[1]:  # HTTP/1.0
        return None
    head = ResponseHead.__new__(ResponseHead)
    head.status = read[0]
    begin = read[2]
    if head.status < 200 or head.status == 204 or head.status == 304:
        return None
    at += 2
    while at < end:
        fields -= 1
        if fields < 0 or not _read_field(at, end, False, &field):
            return None
        at += field.line_size
        if field.kind == KEEP:
            if not _keep(runs, &count, &field):
                return None
        elif field.kind == DROP_LINE:
            pass
        elif field.kind == DATE_LINE:
            if dates or not _keep(date, &dates, &field):
                return None
        elif field.kind == LENGTH_LINE:
            if has_length or chunked or not _number(&field, &number):
                return None
            has_length = True
        elif field.kind == CODING_LINE:
            if has_length or chunked or not _is(&field, b"chunked", 7):
                return None
            chunked = True
        elif field.kind == CONNECTION_LINE:
            if _is(&field, b"close", 5):
                close = True
            elif not _is(&field, b"keep-alive", 10):
                return None
        elif field.kind == VARY_LINE:
            if _mentions(&field, b"client-cert", 11) or _mentions(&field, b"x-institution-id", 16):
                return None
            if not _keep(runs, &count, &field):
                return None
        else:
            return None
    if has_length:
        digit_count = _digits(digits, number)
    total = PyBytes_GET_SIZE(begin) + _size(runs, count) + _size(date, dates)
    if has_length:
        total += 18 + digit_count
    result = PyBytes_FromStringAndSize(NULL, total)
    out = _put(PyBytes_AS_STRING(result), PyBytes_AS_STRING(begin), PyBytes_GET_SIZE(begin))
    out = _write(out, runs, count)
    out = _write(out, date, dates)
    if has_length:
        out = _put(out, b"Content-Length: ", 16)
        out = _put(out, digits, digit_count)
        out = _put(out, b"\r\n", 2)
    head.length = IS_CHUNKED if chunked else <Py_ssize_t>number if has_length else IS_UNTIL_CLOSE
    head.keep_alive = not close and head.length != IS_UNTIL_CLOSE
    head.dated = dates != 0
    head.head = result
    head.end = end + 4 - start
    return head


# ---- tables


def _fill():
    cdef int letter, at
    for letter in range(256):
        name = bytes([letter])
        FOLD[letter] = lookalikes.fold(name)[0] if re.fullmatch(TOKEN, name) else 0
        IN_TARGET[letter] = bool(target.PRINTABLE.fullmatch(name))
        IN_REQUEST_ID[letter] = lookalikes.sound_request_id(name)
    memset(REQUEST_NAMES, 0, sizeof(REQUEST_NAMES))
    memset(RESPONSE_NAMES, 0, sizeof(RESPONSE_NAMES))
    for name in lookalikes.IDENTITY:
        _enter(REQUEST_NAMES, name, DROP_LINE, True)
    for name in lookalikes.HOP_BY_HOP:
        _enter(REQUEST_NAMES, name, DROP_LINE, False)
        _enter(RESPONSE_NAMES, name, DROP_LINE, False)
    kinds = {
        b"host": HOST_LINE, b"content-length": LENGTH_LINE, b"transfer-encoding": CODING_LINE,
        b"connection": CONNECTION_LINE, b"x-request-id": REQUEST_ID_LINE,
    }
    for name in request_fields.RULES:
        _enter(REQUEST_NAMES, name, kinds.get(name, UNUSUAL), False)
    kinds = {
        b"content-length": LENGTH_LINE, b"transfer-encoding": CODING_LINE, b"connection": CONNECTION_LINE,
        b"date": DATE_LINE, b"vary": VARY_LINE, b"upgrade": DROP_LINE,
    }
    for name in response.RULES:
        _enter(RESPONSE_NAMES, name, kinds.get(name, UNUSUAL), False)
    _enter(RESPONSE_NAMES, b"host", UNUSUAL, False)
    prefixes = sorted(lookalikes.IDENTITY_PREFIXES)
    if len(prefixes) > PREFIXES:
        raise AssertionError("more prefixes than the table holds")
    for at, name in enumerate(prefixes):
        IDENTITY_PREFIXES[at].size = <unsigned char>len(name)
        memcpy(IDENTITY_PREFIXES[at].name, <const char *><bytes>name, len(name))
    for letter in range(257):
        PREFIX_FROM[letter] = sum(name[0] < letter for name in prefixes)


_fill()
