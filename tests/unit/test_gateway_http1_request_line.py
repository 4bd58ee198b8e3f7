from __future__ import annotations

import pytest

from gateway.errors import (
    BadRequest,
    GatewayError,
    MethodNotAllowed,
    NotImplementedCoding,
    TargetTooLong,
    VersionNotSupported,
)
from gateway.http1 import HeadLimits
from gateway.http1.request_line import read_line, refuse_unfinished_line
from tests.support.http1 import refused_request, request

LINES: dict[str, tuple[bytes, type[GatewayError]]] = {
    "empty": (b"", BadRequest),
    "http09": (b"GET /", BadRequest),
    "http09-blank": (b"GET / ", BadRequest),
    "two-blanks": (b"GET  / HTTP/1.1", BadRequest),
    "blank-in-target": (b"GET /a b HTTP/1.1", BadRequest),
    "leading-blank": (b" GET / HTTP/1.1", BadRequest),
    "trailing-blank": (b"GET / HTTP/1.1 ", BadRequest),
    "tab": (b"GET\t/ HTTP/1.1", BadRequest),
    "tab-before-version": (b"GET /\tHTTP/1.1", BadRequest),
    "no-target": (b"GET HTTP/1.1", BadRequest),
    "method-not-a-token": (b"G(T / HTTP/1.1", BadRequest),
    "method-with-colon": (b"GET: / HTTP/1.1", BadRequest),
    "method-non-ascii": (b"G\xcbT / HTTP/1.1", BadRequest),
    "nul": (b"GET /\x00 HTTP/1.1", BadRequest),
    "bare-cr": (b"GET /\r HTTP/1.1", BadRequest),
    "bare-cr-in-method": (b"G\rT / HTTP/1.1", BadRequest),
    "bare-lf": (b"GET / HTTP/1.1\nHost: h", BadRequest),
    "raw-utf8": ("GET /理 HTTP/1.1".encode(), BadRequest),
    "lower-case-version": (b"GET / http/1.1", BadRequest),
    "long-version": (b"GET / HTTP/1.10", BadRequest),
    "one-number-version": (b"GET / HTTP/1", BadRequest),
    "other-protocol": (b"GET / ICY/1.1", BadRequest),
    "version-9": (b"GET / HTTP/9.9", VersionNotSupported),
    "version-0.9": (b"GET / HTTP/0.9", VersionNotSupported),
    "version-1.2": (b"GET / HTTP/1.2", VersionNotSupported),
    "http2-preface": (b"PRI * HTTP/2.0", VersionNotSupported),
    "connect": (b"CONNECT h:443 HTTP/1.1", MethodNotAllowed),
    "trace": (b"TRACE / HTTP/1.1", MethodNotAllowed),
    "trace-for-a-careless-reader": (b"Trace / HTTP/1.1", MethodNotAllowed),
    "long-method": (b"M" * 33 + b" / HTTP/1.1", NotImplementedCoding),
    "target-4-dots": (b"GET /../ HTTP/1.1", BadRequest),
    "tls-client-hello": (bytes.fromhex("16030100c8010000c40303") + b"\x00" * 32, BadRequest),
    "socks": (b"\x05\x01\x00", BadRequest),
    "ssh": (b"SSH-2.0-OpenSSH_9.2p1", BadRequest),
}


@pytest.mark.parametrize(("line", "error"), LINES.values(), ids=LINES)
def test_refused(line: bytes, error: type[GatewayError]) -> None:
    assert refused_request(line + b"\r\nHost: h\r\n\r\n") is error
    with pytest.raises(error):
        read_line(line)


AT_ONCE = {
    "tls-client-hello": bytes.fromhex("16030100c8"),
    "bare-lf": b"GET / HTTP/1.1\n",
    "lf-after-method": b"GET\n",
    "lf-in-target": b"GET /\n",
    "cr-in-line": b"GET / HTTP/1.1\rX",
    "http09": b"GET /\r",
    "two-blanks": b"GET  ",
    "not-a-version": b"GET / FTP",
    "blank-first": b" ",
    "cr-only-line": b"\rG",
    "nul": b"\x00",
}


@pytest.mark.parametrize("piece", AT_ONCE.values(), ids=AT_ONCE)
def test_refused_before_the_line_is_complete(piece: bytes) -> None:
    with pytest.raises(BadRequest):
        refuse_unfinished_line(piece, 100)


def test_a_long_method_is_refused_before_its_end() -> None:
    refuse_unfinished_line(b"M" * 32, 100)
    with pytest.raises(NotImplementedCoding):
        refuse_unfinished_line(b"M" * 33, 100)


def test_a_long_target_is_refused_before_its_end() -> None:
    refuse_unfinished_line(b"GET /" + b"x" * 99, 100)
    with pytest.raises(TargetTooLong):
        refuse_unfinished_line(b"GET /" + b"x" * 100, 100)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 8, 12, 13, 14, 15])
def test_a_good_line_may_arrive_in_pieces(size: int) -> None:
    refuse_unfinished_line(b"GET / HTTP/1.0\r"[:size], 100)


@pytest.mark.parametrize("method", [b"GET", b"POST", b"get", b"PROPFIND", b"M-SEARCH", b"!#$%&'*+-.^_`|~09"])
def test_methods_pass_as_they_are(method: bytes) -> None:
    head = request(method + b" / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert head.method == method
    assert head.head.startswith(method + b" / HTTP/1.1\r\n")


def test_the_own_version_is_sent() -> None:
    head = request(b"GET /a?b HTTP/1.0\r\nHost: h\r\n\r\n")
    assert head.http10
    assert head.head == b"GET /a?b HTTP/1.1\r\nHost: h\r\n"


def test_the_target_has_a_limit() -> None:
    limits = HeadLimits(target=10)
    assert request(b"GET /123456789 HTTP/1.1\r\nHost: h\r\n\r\n", limits).target == b"/123456789"
    assert refused_request(b"GET /1234567890 HTTP/1.1\r\nHost: h\r\n\r\n", limits) is TargetTooLong
    assert refused_request(b"GET http://h/12 HTTP/1.1\r\nHost: h\r\n\r\n", limits) is TargetTooLong


def test_the_limit_holds_for_remembered_lines() -> None:
    data = b"GET /remembered HTTP/1.1\r\nHost: h\r\n\r\n"
    assert request(data).target == b"/remembered"
    assert refused_request(data, HeadLimits(target=4)) is TargetTooLong


def test_8000_octets_are_a_request_line() -> None:
    """RFC 9112 section 3 asks for at least as many."""
    assert len(request(b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n" % (b"x" * 8000)).target) == 8001


def test_a_target_longer_than_a_head_is_too_long_a_target() -> None:
    line = b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n" % (b"x" * 400)
    assert refused_request(line, HeadLimits(head=200, target=100)) is TargetTooLong
