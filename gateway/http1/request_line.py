"""The request line: `METHOD SP target SP HTTP/1.x`, nothing more and nothing less (RFC 9112 section 3)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from gateway.errors import (
    BadRequest,
    MethodNotAllowed,
    NotImplementedCoding,
    TargetTooLong,
    VersionNotSupported,
)
from gateway.http1.fields import TOKEN, remember
from gateway.http1.target import parse_target

LONGEST_METHOD: Final = 32

_METHOD = re.compile(TOKEN)
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
_VERSION_BEGUN = re.compile(rb"(?:H(?:T(?:T(?:P(?:/(?:[0-9](?:\.(?:[0-9]\r?)?)?)?)?)?)?)?)?")
_TARGET_BEGUN = re.compile(rb"[\x21-\x7e]*")


class RequestLine(NamedTuple):
    method: bytes
    target: bytes
    path: bytes
    authority: bytes | None
    http10: bool
    asked: int
    """Octets of the target as the client wrote it."""
    start: bytes


remembered: dict[bytes, RequestLine] = {}
"""Request lines read before; bounded by `remember`."""


def read_line(line: bytes) -> RequestLine:
    """`METHOD SP target SP HTTP/1.x`, nothing more and nothing less."""
    method, _, rest = line.partition(b" ")
    _check_method(method)
    raw, _, version = rest.partition(b" ")
    if not _VERSION.fullmatch(version):
        raise BadRequest("not a request line")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise VersionNotSupported("only HTTP/1.0 and HTTP/1.1 are spoken here")
    if method.upper() in (b"CONNECT", b"TRACE"):
        raise MethodNotAllowed("CONNECT and TRACE are not for a gateway")
    target, path, authority = parse_target(method, raw)
    start = b"%b %b HTTP/1.1\r\n" % (method, target)
    read = RequestLine(method, target, path, authority, version == b"HTTP/1.0", len(raw), start)
    return remember(remembered, line, read)


def _check_method(method: bytes) -> None:
    if not _METHOD.fullmatch(method):
        raise BadRequest("not a request line")
    if len(method) > LONGEST_METHOD:
        raise NotImplementedCoding("no method has so long a name")


def refuse_unfinished_line(line: bytes, longest: int) -> None:
    """Refuse what can no longer become a request line with a target of at most `longest` octets: a TLS
    handshake sent in clear, lines ended by a bare LF, a target without end."""
    if not line or line == b"\r":
        return
    method, _, rest = line.partition(b" ")
    _check_method(method)
    raw, second, version = rest.partition(b" ")
    if not _TARGET_BEGUN.fullmatch(raw):
        raise BadRequest("the request target holds an octet that must be escaped")
    if len(raw) > longest:
        raise TargetTooLong("the request target is longer than the limit")
    if second and (not raw or not _VERSION_BEGUN.fullmatch(version)):
        raise BadRequest("not a request line")
