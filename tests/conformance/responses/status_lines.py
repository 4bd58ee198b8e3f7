"""Status lines: a version we know, three digits, a reason."""

from __future__ import annotations

from tests.conformance.case import ResponseTable, answer

DATE = b"Date: Wed, 25 Nov 2026 08:00:00 GMT\r\n"
LENGTH = b"Content-Length: 2\r\n"
STATUS_LINES = ResponseTable(
    "status line",
    "9112 §4",
    "A node whose status line is none is not speaking HTTP; what it says must not reach a client as an answer.",
)
_T = STATUS_LINES


def _line(line: bytes) -> bytes:
    return line + b"\r\n" + DATE + LENGTH + b"\r\nok"


_T.passed("200", answer(b"Content-Length: 2", body=b"ok"))
for _status in (
    b"201 Created",
    b"299 Whatever",
    b"302 Found",
    b"404 Not Found",
    b"429 Slow Down",
    b"500 Oh",
    b"503 Later",
    b"599 Last",
):
    _T.passed(_status.decode(), answer(b"Content-Length: 2", body=b"ok", status=_status))
_T.passed("an empty reason", _line(b"HTTP/1.1 200 "))
_T.passed("no reason and no blank", _line(b"HTTP/1.1 200"), _line(b"HTTP/1.1 200 "))
_T.passed("a reason beyond ASCII", _line("HTTP/1.1 200 好".encode()))
_T.passed("blanks and tabs in the reason", _line(b"HTTP/1.1 200 a \t b"))
for _name, _octets in {
    "two digits": b"HTTP/1.1 99 OK",
    "four digits": b"HTTP/1.1 2000 OK",
    "no digits": b"HTTP/1.1 OK",
    "a letter in it": b"HTTP/1.1 2x0 OK",
    "a sign": b"HTTP/1.1 +200 OK",
    "status 000": b"HTTP/1.1 000 OK",
    "status 600": b"HTTP/1.1 600 OK",
    "status 999": b"HTTP/1.1 999 OK",
    "a full-width digit": "HTTP/1.1 20０ OK".encode(),
    "two blanks before the status": b"HTTP/1.1  200 OK",
    "a tab before the status": b"HTTP/1.1\t200 OK",
    "a tab behind the status": b"HTTP/1.1 200\tOK",
    "a blank before the line": b" HTTP/1.1 200 OK",
    "NUL in the reason": b"HTTP/1.1 200 O\x00K",
    "a control octet in the reason": b"HTTP/1.1 200 O\x01K",
    "DEL in the reason": b"HTTP/1.1 200 O\x7fK",
    "a bare CR in the reason": b"HTTP/1.1 200 O\rK",
    "a bare LF behind it": b"HTTP/1.1 200 OK\nX: 1",
    "a bare CR behind it": b"HTTP/1.1 200 OK\rX: 1",
    "CR CR LF behind it": b"HTTP/1.1 200 OK\r",
    "a request line": b"GET / HTTP/1.1",
    "a field line": b"Status: 200 OK",
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "text": b"Service ready",
    "an empty line before it": b"\r\nHTTP/1.1 200 OK",
    "a bare LF before it": b"\nHTTP/1.1 200 OK",
    "a byte order mark": b"\xef\xbb\xbfHTTP/1.1 200 OK",
}.items():
    _T.refused(_name, _line(_octets))
_T.refused("ended by a bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", rfc="9112 §2.2")
_T.refused("HTTP/0.9: a body alone", b"<html>ok</html>", then="close", rfc="9112 §2.3")
_T.refused("nothing at all", b"", then="close", rfc="9112 §8")
_T.refused("nothing but a reset", b"", then="reset", rfc="9112 §8")
_T.refused("half a line", b"HTTP/1.1 20", then="close", rfc="9112 §8")
_T.refused("half a head", b"HTTP/1.1 200 OK\r\nContent-Le", then="close", rfc="9112 §8")
_T.refused("half a head and a reset", b"HTTP/1.1 200 OK\r\nContent-Le", then="reset", rfc="9112 §8")

VERSIONS = ResponseTable(
    "version of an answer",
    "9112 §2.3",
    "HTTP/1.0 and HTTP/1.1. The client is always answered in HTTP/1.1, and a connection to an HTTP/1.0 node is kept "
    "only if the node says so.",
)
_T = VERSIONS
_OLD = b"HTTP/1.0 200 OK\r\n" + DATE
_OK = answer(b"Content-Length: 2", body=b"ok")
_T.passed("HTTP/1.0 with a length", _OLD + LENGTH + b"\r\nok", _OK, reused=False)
_T.passed("HTTP/1.0, to be kept", _OLD + LENGTH + b"Connection: keep-alive\r\n\r\nok", _OK)
_T.passed(
    "HTTP/1.0 without a length",
    _OLD + b"\r\nok",
    answer(b"Transfer-Encoding: chunked", body=b"2\r\nok\r\n0\r\n\r\n"),
    then="close",
)
for _name, _version in {
    "in lower case": b"http/1.1",
    "HTTP/2": b"HTTP/2",
    "HTTP/2.0": b"HTTP/2.0",
    "HTTP/1.2": b"HTTP/1.2",
    "HTTP/1.10": b"HTTP/1.10",
    "HTTP/0.9": b"HTTP/0.9",
    "HTTP/1": b"HTTP/1",
    "HTTP/01.1": b"HTTP/01.1",
    "ICY": b"ICY",
    "RTSP/1.0": b"RTSP/1.0",
}.items():
    _T.refused(_name, _line(_version + b" 200 OK"))
_T.refused(
    "Transfer-Encoding in HTTP/1.0", _OLD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", rfc="9112 §6.1"
)
