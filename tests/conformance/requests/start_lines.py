"""Request lines: three parts, one blank between them, a version we know."""

from __future__ import annotations

from tests.conformance.case import HOST, RequestTable, get, head

LINES = (HOST,)
REQUEST_LINES = RequestTable(
    "request line",
    "9112 §3",
    "RFC 9112 lets a recipient split the line at any white space. A target that holds a blank for one reader and ends"
    " there for another is refused.",
)
_T = REQUEST_LINES
_T.passed("as the grammar has it", get())
for _name, _line in {
    "two blanks before the target": b"GET  /case HTTP/1.1",
    "two blanks before the version": b"GET /case  HTTP/1.1",
    "a tab before the target": b"GET\t/case HTTP/1.1",
    "a tab before the version": b"GET /case\tHTTP/1.1",
    "VT before the target": b"GET\x0b/case HTTP/1.1",
    "FF before the version": b"GET /case\x0cHTTP/1.1",
    "CR before the version": b"GET /case\rHTTP/1.1",
    "a bare CR inside": b"GET /case\r HTTP/1.1",
    "a blank behind it": b"GET /case HTTP/1.1 ",
    "a tab behind it": b"GET /case HTTP/1.1\t",
    "a blank before it": b" GET /case HTTP/1.1",
    "a fourth part": b"GET /case HTTP/1.1 HTTP/1.1",
    "a blank in the target": b"GET /case a HTTP/1.1",
    "no target": b"GET HTTP/1.1",
    "an empty target": b"GET  HTTP/1.1",
    "no version": b"GET /case",
    "an empty version": b"GET /case ",
    "the method alone": b"GET",
    "no method": b"/case HTTP/1.1",
    "an empty method": b" /case HTTP/1.1",
    "NUL in the method": b"GE\x00T /case HTTP/1.1",
    "a control octet in the method": b"GE\x01T /case HTTP/1.1",
    "a bracket in the method": b"GE(T /case HTTP/1.1",
    "a colon in the method": b"GET: /case HTTP/1.1",
    "an at sign in the method": b"G@T /case HTTP/1.1",
    "an octet beyond ASCII in the method": b"G\xc9T /case HTTP/1.1",
    "quotes around the method": b'"GET" /case HTTP/1.1',
    "a byte order mark": b"\xef\xbb\xbfGET /case HTTP/1.1",
    "a status line": b"HTTP/1.1 200 OK",
    "a TLS record": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a field line": b"X: 1",
}.items():
    _T.refused(_name, head(_line, *LINES))
_T.refused("ended by a bare LF", b"GET /case HTTP/1.1\nHost: h.example\r\n\r\n", rfc="9112 §2.2")
_T.refused("ended by a bare CR", b"GET /case HTTP/1.1\rHost: h.example\r\n\r\n", rfc="9112 §2.2")
_T.refused("ended by CR CR LF", b"GET /case HTTP/1.1\r\r\nHost: h.example\r\n\r\n", rfc="9112 §2.2")
_T.refused("ended by LF CR", b"GET /case HTTP/1.1\n\rHost: h.example\r\n\r\n", rfc="9112 §2.2")

VERSIONS = RequestTable(
    "version",
    "9112 §2.3",
    "HTTP/1.0 and HTTP/1.1, spelled so. The gateway always speaks HTTP/1.1 to a node and keeps no connection of an "
    "HTTP/1.0 client. HTTP/1.2 could be answered as 1.1 (RFC 9110 §2.5); nobody speaks it.",
)
_T = VERSIONS
_T.passed("HTTP/1.0", head(b"GET /case HTTP/1.0", *LINES), get(), stays=False)
_T.passed(
    "HTTP/1.0 asks to be kept",
    head(b"GET /case HTTP/1.0", *LINES, b"Connection: keep-alive"),
    get(),
    stays=False,
    rfc="9112 §9.3",
)
_T.passed("HTTP/1.0 with a length", head(b"POST /case HTTP/1.0", *LINES, b"Content-Length: 5") + b"hello",
          head(b"POST /case HTTP/1.1", *LINES, b"Content-Length: 5") + b"hello", stays=False)  # fmt: skip
for _name, _version, _status in (
    ("in lower case", b"http/1.1", 400),
    ("in mixed case", b"Http/1.1", 400),
    ("HTTP/1.10", b"HTTP/1.10", 400),
    ("HTTP/1.01", b"HTTP/1.01", 400),
    ("HTTP/01.1", b"HTTP/01.1", 400),
    ("HTTP/11.1", b"HTTP/11.1", 400),
    ("HTTP/1", b"HTTP/1", 400),
    ("HTTP/1.", b"HTTP/1.", 400),
    ("HTTP/.1", b"HTTP/.1", 400),
    ("HTTP/1,1", b"HTTP/1,1", 400),
    ("HTTP/1.1.1", b"HTTP/1.1.1", 400),
    ("HTTP/+1.1", b"HTTP/+1.1", 400),
    ("HTTP/1.-1", b"HTTP/1.-1", 400),
    ("HTTP/1.x", b"HTTP/1.x", 400),
    ("a blank inside", b"HTTP/1. 1", 400),
    ("a full-width digit", "HTTP/1.１".encode(), 400),
    ("no slash", b"HTTP1.1", 400),
    ("a backslash", b"HTTP\\1.1", 400),
    ("another name", b"ICAP/1.0", 400),
    ("HTTPS", b"HTTPS/1.1", 400),
    ("a letter behind", b"HTTP/1.1x", 400),
    ("NUL behind", b"HTTP/1.1\x00", 400),
    ("HTTP/0.9", b"HTTP/0.9", 505),
    ("HTTP/1.2", b"HTTP/1.2", 505),
    ("HTTP/1.9", b"HTTP/1.9", 505),
    ("HTTP/2.0", b"HTTP/2.0", 505),
    ("HTTP/3.0", b"HTTP/3.0", 505),
    ("HTTP/9.9", b"HTTP/9.9", 505),
):
    _T.refused(_name, head(b"GET /case " + _version, *LINES), _status)
_T.refused("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, rfc="9113 §3.4")
_T.refused("HTTP/0.9 without any version", b"GET /case\r\n")
_T.refused("HTTP/0.9 with an empty line", b"GET /case\r\n\r\n")

METHODS = RequestTable(
    "method",
    "9110 §9.1",
    "Methods are the clients' affair and pass as they are, with two exceptions: TRACE would show a client what the "
    "gateway adds, CONNECT asks for what this is not.",
)
_T = METHODS
for _method in (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"PROPFIND", b"M-SEARCH", b"SETTLE"):
    _T.passed(_method.decode(), get(method=_method))
_T.passed("in lower case it is another one", get(method=b"get"))
_T.passed("every octet of a token", get(method=b"!#$%&'*+-.^_`|~09azAZ"))
_T.passed("32 octets", get(method=b"M" * 32))
_T.refused("33 octets", get(method=b"M" * 33), 501, rfc="9112 §3")
_T.refused("without end", b"M" * 5000, 501, rfc="9112 §3")
_T.refused("CONNECT", head(b"CONNECT h.example:443 HTTP/1.1", *LINES), 405, rfc="9110 §9.3.6")
_T.refused("CONNECT with a path", head(b"CONNECT /case HTTP/1.1", *LINES), 405, rfc="9110 §9.3.6")
_T.refused("CONNECT in lower case", head(b"connect h.example:443 HTTP/1.1", *LINES), 405, rfc="9110 §9.3.6")
_T.refused("TRACE", get(method=b"TRACE"), 405, rfc="9110 §9.3.8")
_T.refused("TRACE in lower case", get(method=b"trace"), 405, rfc="9110 §9.3.8")
_T.refused("TRACE with Max-Forwards: 0", get(b"Max-Forwards: 0", method=b"TRACE"), 405, rfc="9110 §9.3.8")

EMPTY_LINES = RequestTable(
    "before the request line and the first field",
    "9112 §2.2",
    "Two empty lines are tolerated before a request, since old clients send one behind a body. Nothing else is "
    "skipped.",
)
_T = EMPTY_LINES
_T.passed("one empty line", b"\r\n" + get(), get())
_T.passed("two empty lines", b"\r\n\r\n" + get(), get())
_T.refused("three empty lines", b"\r\n\r\n\r\n" + get())
_T.refused("a thousand empty lines", b"\r\n" * 1000 + get())
_T.refused("a bare LF", b"\n" + get())
_T.refused("a bare CR", b"\r" + get())
_T.refused("LF CR", b"\n\r" + get())
_T.refused("CR CR LF", b"\r\r\n" + get())
_T.refused("a blank", b" \r\n" + get())
_T.refused("a tab", b"\t\r\n" + get())
_T.refused("NUL", b"\x00\r\n" + get())
_T.refused("a blank before the first field", head(b"GET /case HTTP/1.1", b" X: 1", HOST))
_T.refused("a tab before the first field", head(b"GET /case HTTP/1.1", b"\tX: 1", HOST))
_T.refused("a line of a blank before the first field", head(b"GET /case HTTP/1.1", b" ", HOST))
_T.refused("a blank before Host", head(b"GET /case HTTP/1.1", b" Host: h.example", HOST))
