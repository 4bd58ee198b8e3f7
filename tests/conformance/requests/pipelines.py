"""Several requests at once on one connection: each is one, in its order; none is read behind one that is refused."""

from __future__ import annotations

from tests.conformance.case import HOST, RequestTable, chunked, get, head, post

PIPELINES = RequestTable(
    "pipelining",
    "9112 §9.3.2",
    "Requests are sent to the node one after the other, whatever the client does. Behind a refused request nothing is"
    " read: nobody knows where the next one begins.",
)
_T = PIPELINES
_GETS = [get(target=b"/%d" % n) for n in range(20)]
_POST = post(b"Content-Length: 5", body=b"hello", target=b"/post")
_CHUNKS = chunked(b"5\r\nhello\r\n0\r\n\r\n")
_BAD = get(b"X : 1")
_T.passed("two", get() + get(target=b"/b"))
_T.passed("twenty", b"".join(_GETS))
_T.passed("bodies of both kinds between", get() + _POST + _CHUNKS + _POST + get(target=b"/last"))
_T.passed("empty lines between", get() + b"\r\n" + get() + b"\r\n\r\n" + _POST, get(), get(), _POST, rfc="9112 §2.2")
_T.passed("an empty line behind a body", _POST + b"\r\n" + get(), _POST, get(), rfc="9112 §2.2")
_T.passed("HEAD first", get(method=b"HEAD") + get(target=b"/b"), rfc="9110 §9.3.2")
_T.passed("HEAD with a body first", get(b"Content-Length: 5", method=b"HEAD") + b"hello" + get(target=b"/b"))
_T.passed(
    "Expect between", post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello") + get(), told=(100, 200, 200)
)
_T.passed(
    "close in the middle",
    get() + get(b"Connection: close") + get(target=b"/never"),
    get(),
    get(),
    stays=False,
    rfc="9112 §9.6",
)
_T.passed(
    "HTTP/1.0 in the middle",
    get() + head(b"GET /case HTTP/1.0", HOST) + get(target=b"/never"),
    get(),
    get(),
    stays=False,
)
_T.passed(
    "websocket refused by the node, requests behind",
    get(b"Connection: upgrade", b"Upgrade: websocket") + get(target=b"/b"),
    rfc="9110 §7.8",
)
_T.refused("an error first", _BAD + get())
_T.refused("an error second", get() + _BAD + get(), 400, get())
_T.refused("an error among twenty", b"".join(_GETS[:10]) + _BAD + b"".join(_GETS[10:]), 400, *_GETS[:10])
_T.refused("an error behind bodies", _POST + _CHUNKS + _BAD, 400, _POST, _CHUNKS)
_T.refused("a chunk error behind a request", get() + chunked(b"zz\r\n") + get(), 400, get(), begun=True)
_T.refused("three empty lines between", get() + b"\r\n\r\n\r\n" + get(), 400, get(), rfc="9112 §2.2")
_T.refused("a bare LF between", get() + b"\n" + get(), 400, get(), rfc="9112 §2.2")
_T.refused("an octet too much behind a body", _POST + b"(" + get(), 400, _POST, rfc="9112 §6.3")
_T.refused("a blank behind a body", _POST + b" " + get(), 400, _POST, rfc="9112 §6.3")
_T.refused(
    "CONNECT second", get() + head(b"CONNECT h.example:443 HTTP/1.1", HOST) + get(), 405, get(), rfc="9110 §9.3.6"
)
_T.refused("TRACE second", get() + get(method=b"TRACE") + get(), 405, get(), rfc="9110 §9.3.8")
