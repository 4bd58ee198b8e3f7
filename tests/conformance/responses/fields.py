"""Fields of answers, interim answers, switching protocols, sizes."""

from __future__ import annotations

from tests.conformance.case import ResponseTable, answer, get, head

OK = answer(b"Content-Length: 2", body=b"ok")
BODY = b"Content-Length: 2"

FIELDS = ResponseTable(
    "fields of an answer",
    "9112 §5",
    "As strict as for requests: an answer reaches an institution. RFC 9112 would have white space before a colon "
    "removed; it is refused, because no server writes it.",
)
_T = FIELDS


def _with(*lines: bytes) -> bytes:
    return answer(*lines, BODY, body=b"ok")


_T.passed("unknown ones pass", _with(b"X-Anything: 1"))
_T.passed("cookies are not joined", _with(b"Set-Cookie: a=1, x", b"Set-Cookie: b=2"), rfc="9110 §5.3")
_T.passed("order within a name", _with(b"X: 1", b"Y: 2", b"X: 3"), rfc="9110 §5.3")
_T.passed("octets beyond ASCII", _with("X: 医院".encode()))
_T.passed("no value", _with(b"X:"))
_T.passed("blanks around a value", _with(b"X: \t a \t"), _with(b"X: a"))
_T.passed("an underscore in a name", _with(b"X_A: 1"))
_T.passed(
    "private to the hop", _with(b"Connection: X-Private", b"X-Private: 1", b"X: 1"), _with(b"X: 1"), rfc="9110 §7.6.1"
)
_T.passed("Keep-Alive", _with(b"Keep-Alive: timeout=5"), OK, rfc="9110 §7.6.1")
_T.passed("Proxy-Connection", _with(b"Proxy-Connection: close"), OK, rfc="9110 §7.6.1")
_T.passed("Upgrade as an offer", _with(b"Upgrade: h2c", b"Connection: upgrade"), OK, rfc="9110 §7.8")
_T.passed("Upgrade: h2 as Apache offers it", _with(b"Upgrade: h2,h2c"), OK, rfc="9110 §7.8")
_T.passed("Vary: Client-Cert", _with(b"Vary: Client-Cert"), _with(b"Vary: *"), rfc="9440 §2.4")
_T.passed("Alt-Svc", _with(b"Alt-Svc: clear"), rfc="7838 §3")
_T.passed("no Date: one is added", head(b"HTTP/1.1 200 OK", BODY) + b"ok", rfc="9110 §6.6.1")
_TE = b"Transfer-Encoding: chunked"
_T.passed("no Date, chunked", head(b"HTTP/1.1 200 OK", _TE) + b"0\r\n\r\n", rfc="9110 §6.6.1")
_T.passed(
    "no Date, until the connection ends",
    head(b"HTTP/1.1 200 OK") + b"ok",
    head(b"HTTP/1.1 200 OK", _TE) + b"2\r\nok\r\n0\r\n\r\n",
    then="close",
    rfc="9110 §6.6.1",
)
_T.passed("no Date, 304", head(b"HTTP/1.1 304 Not Modified", b"ETag: x"), rfc="9110 §6.6.1", reused=False)
_T.passed("no Date, an error", head(b"HTTP/1.1 500 X", b"Content-Length: 0"), rfc="9110 §6.6.1")
_T.passed("a Date that is none stays", head(b"HTTP/1.1 200 OK", b"Date: today", BODY) + b"ok", rfc="9110 §6.6.1")
_T.passed(
    "a Date named by Connection",
    answer(b"Connection: Date", b"Content-Length: 0"),
    head(b"HTTP/1.1 200 OK", b"Content-Length: 0"),
    rfc="9110 §7.6.1",
)
for _name, _line in {
    "blank before the colon": b"X : 1",
    "tab before the colon": b"X\t: 1",
    "no name": b": 1",
    "no colon": b"nonsense",
    "a name that is no token": b"X(A: 1",
    "NUL in a name": b"X\x00: 1",
    "NUL in a value": b"X: \x00",
    "a control octet in a value": b"X: \x01",
    "VT in a value": b"X: a\x0bb",
    "DEL in a value": b"X: \x7f",
    "a bare CR in a value": b"X: a\rSet-Cookie: b=c",
    "a bare LF in a value": b"X: a\nSet-Cookie: b=c",
    "a blank before the name": b" X: 1",
}.items():
    _T.refused(_name, _with(_line))
_T.refused("folded", _with(b"X: 1", b" 2"), rfc="9112 §5.2")
_T.refused("folded by a tab", _with(b"X: 1", b"\t2"), rfc="9112 §5.2")
_T.refused("a blank line that is none", _with(b" "), rfc="9112 §5.2")
_T.refused("bare LFs throughout", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", rfc="9112 §2.2")
_T.refused("a head ended by bare LFs", b"HTTP/1.1 200 OK\r\nContent-Length: 2\n\nok", rfc="9112 §2.2")
_T.refused("a head ended by CRLF and LF", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok", rfc="9112 §2.2")
_T.refused("CR CR LF", b"HTTP/1.1 200 OK\r\r\nContent-Length: 2\r\r\n\r\r\nok", rfc="9112 §2.2")

INTERIM = ResponseTable(
    "interim answers",
    "9110 §15.2",
    "Passed on as they come. They have no body; one that claims to have one is an answer nobody can frame.",
)
_T = INTERIM
_100, _102, _103 = (
    head(b"HTTP/1.1 100 Continue"),
    head(b"HTTP/1.1 102 Processing"),
    head(b"HTTP/1.1 103 Early Hints", b"Link: </x>"),
)
_T.passed("103 before 200", _103 + OK, _103, OK)
_T.passed("102, 103, 200", _102 + _103 + OK, _102, _103, OK)
_T.passed("100 unasked", _100 + OK, _100, OK)
_T.passed("an unknown one", head(b"HTTP/1.1 199 Odd") + OK, head(b"HTTP/1.1 199 Odd"), OK)
_T.passed("a hundred of them", _103 * 100 + OK, *([_103] * 100), OK)
_T.passed("103 with Connection: close", head(b"HTTP/1.1 103 X", b"Connection: close") + OK, head(b"HTTP/1.1 103 X"), OK)
_T.refused("103 and nothing more", _103, _103, then="close", rfc="9112 §8")
_T.refused("garbage behind 103", _103 + b"nonsense\r\n\r\n", _103, rfc="9112 §4")

SWITCHING = ResponseTable(
    "101 Switching Protocols",
    "9110 §15.2.2",
    "Only where a websocket was asked for, and only to it: everything behind a 101 is a tunnel that nobody reads any "
    "more.",
)
_T = SWITCHING
_101 = head(b"HTTP/1.1 101 Switching Protocols", b"Connection: upgrade", b"Upgrade: websocket")
_T.refused("unasked", _101)
_T.refused("h2c unasked", head(b"HTTP/1.1 101 X", b"Connection: upgrade", b"Upgrade: h2c"))
_T.refused("h2c, and the client asked for it", head(b"HTTP/1.1 101 X", b"Connection: upgrade", b"Upgrade: h2c"),
           asked=get(b"Connection: upgrade", b"Upgrade: h2c"))  # fmt: skip
_WS = get(b"Connection: upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: eA==", b"Sec-WebSocket-Version: 13")
_T.refused(
    "another protocol than asked for", head(b"HTTP/1.1 101 X", b"Connection: upgrade", b"Upgrade: h2c"), asked=_WS
)
_T.refused("without Upgrade", head(b"HTTP/1.1 101 X", b"Connection: upgrade"), asked=_WS)
_T.refused("without Connection", head(b"HTTP/1.1 101 X", b"Upgrade: websocket"), asked=_WS)
_T.refused("in HTTP/1.0", head(b"HTTP/1.0 101 X", b"Connection: upgrade", b"Upgrade: websocket"), asked=_WS)
_T.passed("a final answer in its place", OK, asked=_WS)

LIMITS = ResponseTable(
    "size of an answer's head",
    "9110 §5.4",
    "64 KiB and 256 field lines; more than that is a node out of control.",
)
_T = LIMITS
_T.passed("30,000 octets", _with(b"X: " + b"a" * 30_000))
_T.passed("200 field lines", _with(*[b"X: 1"] * 200))
_T.refused("70,000 octets", _with(b"X: " + b"a" * 70_000))
_T.refused("70,000 octets without end", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000)
_T.refused("300 field lines", _with(*[b"X: 1"] * 300))
_T.refused("300 field lines without end", b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 300)
