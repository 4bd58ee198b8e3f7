"""Feeding heads whole and octet by octet: every prefix of a good head is incomplete, every prefix of a bad one
is incomplete or refused for the same reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gateway.errors import GatewayError
from gateway.http1 import HeadLimits, RequestHead, ResponseHead, parse_request, parse_response

LIMITS = HeadLimits()
_H = TypeVar("_H", RequestHead, ResponseHead)


def request(data: bytes, limits: HeadLimits = LIMITS) -> RequestHead:
    """The head of `data`, which must be good; what follows it must not matter."""
    return _whole_and_in_prefixes(lambda piece: parse_request(piece, limits), data)


def response(
    data: bytes, limits: HeadLimits = LIMITS, *, method: bytes = b"GET", upgrade: bool = False
) -> ResponseHead:
    return _whole_and_in_prefixes(lambda piece: parse_response(piece, limits, method=method, upgrade=upgrade), data)


def refused_request(data: bytes, limits: HeadLimits = LIMITS) -> type[GatewayError]:
    """The class of the error that `data` meets."""
    return _refusal(lambda piece: parse_request(piece, limits), data)


def refused_response(
    data: bytes, limits: HeadLimits = LIMITS, *, method: bytes = b"GET", upgrade: bool = False
) -> type[GatewayError]:
    return _refusal(lambda piece: parse_response(piece, limits, method=method, upgrade=upgrade), data)


def field_lines(head: bytes) -> list[bytes]:
    """The lines after the start line of an outgoing head."""
    lines = head.split(b"\r\n")
    assert lines.pop() == b"", "every line ends in CRLF"
    return lines[1:]


def post(*lines: bytes) -> bytes:
    """A sound POST with these field lines after Host."""
    return b"".join(line + b"\r\n" for line in (b"POST /claims/ HTTP/1.1", b"Host: h.example", *lines, b""))


def answer(*lines: bytes, status: bytes = b"200 OK") -> bytes:
    return b"".join(line + b"\r\n" for line in (b"HTTP/1.1 " + status, *lines, b""))


def _whole_and_in_prefixes(parse: Callable[[bytes], _H | None], data: bytes) -> _H:
    head = parse(data)
    assert head is not None
    for size in range(len(data)):
        assert parse(data[:size]) == (head if size >= head.end else None)
    return head


def _refusal(parse: Callable[[bytes], _H | None], data: bytes) -> type[GatewayError]:
    refusal = _outcome(parse, data)
    assert isinstance(refusal, type)
    assert {_outcome(parse, data[:size]) for size in range(len(data))} <= {None, refusal}
    return refusal


def _outcome(parse: Callable[[bytes], _H | None], data: bytes) -> type[GatewayError] | None:
    try:
        head = parse(data)
    except GatewayError as error:
        return type(error)
    assert head is None
    return None
