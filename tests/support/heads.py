"""What a head becomes, in a form in which readers can be compared; and that what is forwarded means the same again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.errors import (
    BadRequest,
    GatewayError,
    HeadTooLarge,
    MethodNotAllowed,
    NodeProtocolError,
    NotImplementedCoding,
    TargetTooLong,
    VersionNotSupported,
)
from gateway.http1 import CHUNKED, HeadLimits, request, response

LIMITS = HeadLimits()
WIDE = HeadLimits(1 << 20, 1 << 12, 1 << 20)

REQUEST_ERRORS = (
    BadRequest,
    HeadTooLarge,
    MethodNotAllowed,
    NotImplementedCoding,
    TargetTooLong,
    VersionNotSupported,
)
RESPONSE_ERRORS = (NodeProtocolError,)

Head = dict[str, Any]
Outcome = Head | type[GatewayError] | None
"""The members of a head, the class of the refusal, or None: not complete yet."""


def outcome(parse: Callable[..., Any], documented: tuple[type[GatewayError], ...], *arguments: object) -> Outcome:
    """Only errors that are `documented` become an outcome; any other goes through."""
    try:
        head = parse(*arguments)
    except documented as error:
        return type(error)
    return None if head is None else members(head)


def members(head: Any) -> Head:
    """By name; heads of both twins look the same."""
    twin = request.RequestHead if hasattr(head, "method") else response.ResponseHead
    return {name: getattr(head, name) for name in twin.__slots__}


def of_request(parse: Callable[..., Any], data: bytes, limits: HeadLimits = LIMITS) -> Outcome:
    return outcome(parse, REQUEST_ERRORS, data, limits)


def of_response(
    parse: Callable[..., Any],
    data: bytes,
    limits: HeadLimits = LIMITS,
    method: bytes = b"GET",
    upgrade: bool = False,
) -> Outcome:
    return outcome(parse, RESPONSE_ERRORS, data, limits, method, upgrade)


def check_request_again(parse: Callable[..., Any], head: Head) -> None:
    """What the node is sent must be the message that was authorised: read again it says the same, octet by octet."""
    if not head["host"]:
        return  # HTTP/1.0 without Host: what goes out has an empty one, as RFC 9112 section 3.2 wants it
    again = of_request(parse, head["head"] + b"\r\n", WIDE)
    assert isinstance(again, dict), again
    for name in ("method", "target", "path", "host", "length", "request_id", "upgrade", "expect_continue"):
        assert again[name] == head[name], name
    if not (head["method"] == b"OPTIONS" and b"\r\nmax-forwards:" in head["head"].lower()):  # counted down again
        assert again["head"] == head["head"]
    assert again["end"] == len(head["head"]) + 2


def check_response_again(parse: Callable[..., Any], head: Head, method: bytes, upgrade: bool) -> None:
    """The same for what the client is sent; the chunked coding is announced by whoever writes the body."""
    coding = b"Transfer-Encoding: chunked\r\n" if head["length"] == CHUNKED else b""
    again = of_response(parse, head["head"] + coding + b"\r\n", WIDE, method, upgrade)
    assert isinstance(again, dict), again
    for name in ("status", "length", "dated", "head"):
        assert again[name] == head[name], name
