"""Request smuggling as it has been published, by the names it was published under."""

from __future__ import annotations

from tests.conformance.case import HOST, SMUGGLED, RequestTable, chunked, get, head, post

END = b"0\r\n\r\n"
DESYNC = RequestTable(
    "request smuggling",
    "9112 §11.2",
    "What cannot be refused because it is correct is passed on so that it can be read in one way only.",
)
_T = DESYNC
_LENGTH = b"Content-Length: %d" % len(SMUGGLED)

_T.refused(
    "CL.TE", post(b"Content-Length: %d" % len(END + SMUGGLED), b"Transfer-Encoding: chunked", body=END + SMUGGLED)
)
_T.refused(
    "TE.CL",
    post(
        b"Content-Length: 4",
        b"Transfer-Encoding: chunked",
        body=b"%x\r\n%b\r\n" % (len(SMUGGLED), SMUGGLED) + END,
    ),
)
_T.refused("CL.CL", post(b"Content-Length: 0", _LENGTH, body=SMUGGLED))
_T.refused(
    "TE.TE", post(b"Content-Length: 4", b"Transfer-Encoding: chunked", b"Transfer-encoding: cow", body=b"5c\r\n" + END)
)
_T.passed("CL.0: a length that a node might ignore", post(_LENGTH, body=SMUGGLED))
_T.passed("CL.0 with GET", get(_LENGTH) + SMUGGLED)
_T.passed("0.CL: a length that the gateway might ignore", get(_LENGTH) + SMUGGLED + get(target=b"/next"))
_T.passed("TE.0", chunked(b"%x\r\n%b\r\n" % (len(SMUGGLED), SMUGGLED) + END))
_T.passed(
    "TE.0 with OPTIONS",
    get(b"Transfer-Encoding: chunked", method=b"OPTIONS") + b"%x\r\n%b\r\n" % (len(SMUGGLED), SMUGGLED) + END,
)
_T.passed("a request behind an empty body is one", post(b"Content-Length: 0") + SMUGGLED)
_T.passed("a request behind a GET is one", get() + SMUGGLED)
_T.passed("a request behind the announced length is one", post(b"Content-Length: 5", body=b"hello") + SMUGGLED)
_T.passed("a request behind the last chunk is one", chunked(b"5\r\nhello\r\n" + END) + SMUGGLED)
_T.refused("0.CL by obs-fold", get(b"Content-Length:", b" %d" % len(SMUGGLED)) + SMUGGLED)
_T.refused("0.CL by a blank before the colon", get(b"Content-Length : %d" % len(SMUGGLED)) + SMUGGLED)
_T.refused("0.CL by a masked Expect", post(b"Expect: y 100-continue", _LENGTH, body=SMUGGLED), rfc="9110 §10.1.1")
_T.refused("0.CL by a masked Expect, VT", post(b"Expect: \x0b100-continue", _LENGTH, body=SMUGGLED), rfc="9110 §10.1.1")
_T.passed("CL.0 by Expect", post(b"Expect: 100-continue", _LENGTH, body=SMUGGLED), told=(100, 200), rfc="9110 §10.1.1")
_T.refused("CL.0 by Connection", post(b"Connection: Content-Length", _LENGTH, body=SMUGGLED), rfc="9110 §7.6.1")
_T.refused(
    "TE hidden from the node by Connection",
    post(b"Connection: close, transfer-encoding", b"Transfer-Encoding: chunked", body=END),
    rfc="9110 §7.6.1",
)
_T.refused(
    "TE hidden from the node by Connection, other spelling",
    post(b"Connection: transfer_encoding", b"Transfer-Encoding: chunked", body=END), rfc="9110 §7.6.1",
)  # fmt: skip
_T.refused("a head that a bare LF ends early", get(b"X: 1\n\nGET /smuggled HTTP/1.1", HOST), rfc="9112 §2.2")
_T.refused("a head that a bare CR ends early", get(b"X: 1\r\rGET /smuggled HTTP/1.1", HOST), rfc="9112 §2.2")
_T.refused("a head that CR CR LF ends early", head(b"GET /case HTTP/1.1", HOST, b"\r") + SMUGGLED, rfc="9112 §2.2")
_T.passed(
    "a request in the value of a field",
    get(b"X: GET /smuggled HTTP/1.1"), rfc="9110 §5.5",
)  # fmt: skip
_T.refused("HTTP/0.9 behind a request", get() + b"GET /smuggled\r\n\r\n", 400, get(), rfc="9112 §2.3")
_T.refused(
    "a request without Host behind a request", get() + b"GET /smuggled HTTP/1.1\r\n\r\n", 400, get(), rfc="9112 §3.2"
)
_T.refused("a chunk behind a request", get() + b"5\r\nhello\r\n" + END, 400, get(), rfc="9112 §3")
_T.passed("TE that the gateway ends", post(b"TE: trailers, chunked", b"Content-Length: 0"), post(b"Content-Length: 0"))
_T.refused(
    "an upgrade with a body",
    get(b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"hello",
)
_T.refused(
    "a request line in the target, by a tab", b"GET /case\tHTTP/1.1 HTTP/1.1\r\nHost: h.example\r\n\r\n", rfc="9112 §3"
)
_T.refused(
    "two request lines", b"GET /case HTTP/1.1\r\nGET /smuggled HTTP/1.1\r\nHost: h.example\r\n\r\n", rfc="9112 §5"
)
