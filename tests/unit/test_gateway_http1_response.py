from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import NodeProtocolError
from gateway.http1 import CHUNKED, UNTIL_CLOSE, HeadLimits, parse_response
from tests.support.http1 import LIMITS, answer, field_lines, refused_response, response


def test_a_response_is_understood_and_written_anew() -> None:
    data = (
        b"HTTP/1.1 200 \xe5\xa5\xbd\r\n"
        b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        b"Set-Cookie: a=1\r\n"
        b"Connection: keep-alive, X-Hop\r\n"
        b"X-Hop: 1\r\n"
        b"content-length:003\r\n"
        b"set-cookie:  b=2\r\n"
        b"\r\nabc"
    )
    head = response(data)
    assert (head.status, head.length, head.keep_alive, head.dated) == (200, 3, True, True)
    assert data[head.end :] == b"abc"
    assert head.head == (
        b"HTTP/1.1 200 \xe5\xa5\xbd\r\n"
        b"Set-Cookie: a=1\r\n"
        b"set-cookie: b=2\r\n"
        b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        b"Content-Length: 3\r\n"
    )
    assert "a=1" not in repr(head)


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        (b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK"),
        (b"HTTP/1.0 404 Not Found", b"HTTP/1.1 404 Not Found"),
        (b"HTTP/1.1 200 ", b"HTTP/1.1 200 "),
        (b"HTTP/1.1 200", b"HTTP/1.1 200 "),
        (b"HTTP/1.1 599 a\tb ", b"HTTP/1.1 599 a\tb "),
    ],
    ids=repr,
)
def test_status_lines(line: bytes, sent: bytes) -> None:
    head = response(line + b"\r\nContent-Length: 0\r\n\r\n")
    assert head.head.split(b"\r\n")[0] == sent


BAD_LINES = {
    "empty": b"",
    "http09": b"<html>",
    "1.2": b"HTTP/1.2 200 OK",
    "2.0": b"HTTP/2.0 200 OK",
    "2": b"HTTP/2 200 OK",
    "icy": b"ICY 200 OK",
    "lower": b"http/1.1 200 OK",
    "leading-blank": b" HTTP/1.1 200 OK",
    "two-blanks": b"HTTP/1.1  200 OK",
    "tab": b"HTTP/1.1\t200 OK",
    "two-digits": b"HTTP/1.1 20 OK",
    "four-digits": b"HTTP/1.1 2000 OK",
    "099": b"HTTP/1.1 099 OK",
    "600": b"HTTP/1.1 600 OK",
    "sign": b"HTTP/1.1 +20 OK",
    "no-blank": b"HTTP/1.1 200OK",
    "nul": b"HTTP/1.1 200 O\x00K",
    "cr": b"HTTP/1.1 200 O\rK",
    "lf": b"HTTP/1.1 200 OK\nA: b",
    "delete": b"HTTP/1.1 200 \x7f",
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES)
def test_bad_status_lines(line: bytes) -> None:
    assert refused_response(line + b"\r\nContent-Length: 0\r\n\r\n") is NodeProtocolError


REFUSED = {
    "empty-line-first": b"\r\n" + answer(b"Content-Length: 0"),
    "bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n\r\n\r\n",
    "bare-lf-in-fields": answer(b"A: b\nContent-Length: 0"),
    "bare-cr": answer(b"A: b\rc"),
    "nul": answer(b"A: \x00"),
    "folded": answer(b"A: b", b" c"),
    "space-before-colon": answer(b"Content-Length : 5"),
    "empty-name": answer(b": 5"),
    "no-colon": answer(b"oops"),
    "length-differs": answer(b"Content-Length: 5", b"Content-Length: 6"),
    "length-list": answer(b"Content-Length: 5, 5"),
    "length-empty": answer(b"Content-Length:"),
    "length-sign": answer(b"Content-Length: +5"),
    "length-huge": answer(b"Content-Length: " + b"9" * 5000),
    "length-underscore": answer(b"Content_Length: 5"),
    "coding-underscore": answer(b"Transfer_Encoding: chunked"),
    "coding-and-length": answer(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "coding-and-length-head": answer(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "coding-gzip": answer(b"Transfer-Encoding: gzip, chunked"),
    "coding-identity": answer(b"Transfer-Encoding: identity"),
    "coding-twice": answer(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "coding-1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "connection-names-length": answer(b"Connection: content-length", b"Content-Length: 5"),
    "connection-not-tokens": answer(b"Connection: a b"),
    "101-unasked": answer(b"Connection: upgrade", b"Upgrade: websocket", status=b"101 Switching Protocols"),
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_refused(data: bytes) -> None:
    assert refused_response(data) is NodeProtocolError


@pytest.mark.parametrize(
    "data",
    [
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\n",
        b"HTTP/1.1 200 OK\n",
        b"HTTP/1.1 200 OK\r\n\n",
        b"HTTP/1.1 200 OK\r\nA: b\n",
    ],
    ids=repr,
)
def test_refused_before_the_head_is_complete(data: bytes) -> None:
    with pytest.raises(NodeProtocolError):
        parse_response(data, LIMITS, method=b"GET", upgrade=False)


def test_limits() -> None:
    data = answer(b"A: b", b"Content-Length: 0")
    assert response(data, HeadLimits(head=len(data) - 4, fields=2))
    assert refused_response(data, HeadLimits(head=len(data) - 5)) is NodeProtocolError
    assert refused_response(data, HeadLimits(fields=1)) is NodeProtocolError
    with pytest.raises(NodeProtocolError):
        parse_response(data[:-4] + b"xxxx", HeadLimits(head=len(data) - 4), method=b"GET", upgrade=False)


@pytest.mark.parametrize(
    ("data", "method", "length", "keep_alive", "framing"),
    [
        (answer(b"Content-Length: 5"), b"GET", 5, True, [b"Content-Length: 5"]),
        (answer(b"Content-Length: 5", b"Content-Length: 05"), b"GET", 5, True, [b"Content-Length: 5"]),
        (answer(b"Transfer-Encoding: Chunked"), b"GET", CHUNKED, True, []),
        (answer(), b"GET", UNTIL_CLOSE, False, []),
        (answer(b"Connection: keep-alive"), b"GET", UNTIL_CLOSE, False, []),
        (answer(b"Content-Length: 5"), b"HEAD", 0, True, [b"Content-Length: 5"]),
        (answer(b"Transfer-Encoding: chunked"), b"HEAD", 0, True, []),
        (answer(), b"HEAD", 0, True, []),
        (answer(b"Content-Length: 5", status=b"304 Not Modified"), b"GET", 0, True, [b"Content-Length: 5"]),
        (answer(status=b"304 Not Modified"), b"GET", 0, True, []),
        (answer(status=b"204 No Content"), b"GET", 0, True, []),
        (answer(b"Content-Length: 0", status=b"204 No Content"), b"GET", 0, True, []),
        (answer(b"Content-Length: 5", status=b"204 No Content"), b"GET", 0, False, []),
        (answer(b"Transfer-Encoding: chunked", status=b"204 No Content"), b"GET", 0, False, []),
        (answer(status=b"100 Continue"), b"POST", 0, True, []),
        (answer(b"Link: x", b"Content-Length: 5", status=b"103 Early Hints"), b"GET", 0, False, [b"Link: x"]),
        (answer(b"Content-Length: 5", status=b"205 Reset Content"), b"GET", 5, True, [b"Content-Length: 5"]),
        (answer(b"Content-Length: 5", status=b"500 Oops"), b"GET", 5, True, [b"Content-Length: 5"]),
    ],
)
def test_framing(data: bytes, method: bytes, length: int, keep_alive: bool, framing: list[bytes]) -> None:
    head = response(data, method=method)
    assert (head.length, head.keep_alive) == (length, keep_alive)
    assert field_lines(head.head) == framing


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"close", False),
        (b"1.1", b"keep-alive, Close", False),
        (b"1.0", b"", False),
        (b"1.0", b"Keep-Alive", True),
        (b"1.0", b"keep-alive, close", False),
    ],
)
def test_keep_alive(version: bytes, connection: bytes, keep_alive: bool) -> None:
    data = b"HTTP/%b 200 OK\r\nConnection: %b\r\nContent-Length: 1\r\n\r\n" % (version, connection)
    assert response(data).keep_alive is keep_alive


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: x",
        b"Proxy-Connection: x",
        b"Keep-Alive: timeout=5",
        b"TE: x",
        b"Upgrade: h2c",
        b"Proxy-Authenticate: Basic",
        b"keep_alive: x",
        b"Connection: Transfer-Encoding",
    ],
)
def test_dropped(line: bytes) -> None:
    assert field_lines(response(answer(b"A: b", line, b"Content-Length: 0")).head) == [b"A: b", b"Content-Length: 0"]


@pytest.mark.parametrize(
    "line", [b"Server: x", b"Trailer: X-Sum", b"X-Forwarded-For: 1", b"Max-Forwards: 1", b"WWW-Authenticate: Basic"]
)
def test_kept(line: bytes) -> None:
    assert line in field_lines(response(answer(line, b"Content-Length: 0")).head)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (b"Accept, Cookie", b"Accept, Cookie"),
        (b"Accept, client-cert", b"*"),
        (b"X-Institution-Id", b"*"),
        (b"*", b"*"),
    ],
)
def test_vary_by_what_the_client_did_not_send(value: bytes, sent: bytes) -> None:
    assert field_lines(response(answer(b"Vary: " + value, b"Content-Length: 0")).head)[0] == b"Vary: " + sent


def test_a_named_date_is_gone() -> None:
    head = response(answer(b"Date: x", b"Connection: date", b"Content-Length: 0"))
    assert not head.dated
    assert field_lines(head.head) == [b"Content-Length: 0"]


SWITCH = b"101 Switching Protocols"


def test_websocket_is_switched_to() -> None:
    data = answer(b"Connection: Upgrade", b"Upgrade: WebSocket", b"Content-Length: 9", b"A: b", status=SWITCH)
    head = response(data, upgrade=True)
    assert (head.status, head.length) == (101, 0)
    assert field_lines(head.head) == [b"A: b", b"Connection: upgrade", b"Upgrade: websocket"]


NOT_SWITCHED = {
    "other-protocol": answer(b"Connection: upgrade", b"Upgrade: h2c", status=SWITCH),
    "two-protocols": answer(b"Connection: upgrade", b"Upgrade: websocket, h2c", status=SWITCH),
    "no-upgrade": answer(b"Connection: upgrade", status=SWITCH),
    "no-connection": answer(b"Upgrade: websocket", status=SWITCH),
    "1.0": b"HTTP/1.0 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
}


@pytest.mark.parametrize("data", NOT_SWITCHED.values(), ids=NOT_SWITCHED)
def test_other_switches_are_refused(data: bytes) -> None:
    assert refused_response(data, upgrade=True) is NodeProtocolError


def test_an_upgrade_may_be_declined() -> None:
    assert response(answer(b"Content-Length: 0", status=b"426 Upgrade Required"), upgrade=True).status == 426


PIECES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 204\r\n",
        b"HTTP/1.1 101 x\r\n",
        b"HTTP/1.1 100 x\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close, x\r\n",
        b"Connection: upgrade\r\nUpgrade: websocket\r\n",
        b"X: y\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\xff",
    ]
)


@given(
    st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=8).map(lambda parts: b"".join(parts) + b"\r\n")),
    st.sampled_from([b"GET", b"HEAD"]),
    st.booleans(),
)
def test_what_is_sent_reads_the_same(data: bytes, method: bytes, upgrade: bool) -> None:
    try:
        first = parse_response(data, LIMITS, method=method, upgrade=upgrade)
    except NodeProtocolError:
        return
    if first is None:
        return
    framing = b"Transfer-Encoding: chunked\r\n" if first.length == CHUNKED else b""
    sent = first.head + framing + b"\r\n"
    assert sent.count(b"\r\n\r\n") == 1
    second = parse_response(sent, LIMITS, method=method, upgrade=upgrade)
    assert second is not None
    assert (second.status, second.length, second.end) == (first.status, first.length, len(sent))
    assert second.head == first.head
