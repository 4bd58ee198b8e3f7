"""Request targets and authorities (RFC 9112 section 3.2, RFC 3986).

Refuses every path that a reader could resolve to another one: the route was authorised by the path as
the gateway reads it.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from gateway.errors import BadRequest

PRINTABLE = re.compile(rb"[\x21\x22\x24-\x7e]+")  # no '#': a fragment never travels
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]*)(/[^?]*)?(\?.*)?")

# Stricter than RFC 3986: no percent escapes and no sub-delims. A comma would be two Hosts merged by someone,
# and no name in DNS needs the others.
_AUTHORITY = re.compile(rb"(?:[A-Za-z0-9._~\-]+|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{0,5}))?")

_UNUSUAL = re.compile(rb"[%\\]|/\.")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_UNSAFE = re.compile(rb"[\x00-\x1f\x7f\\]")
_DOT_SEGMENT = re.compile(rb"(?:\A|[/\\])\.\.?(?:[/\\;]|\Z)")
_DECODINGS = 3
"""Nodes behind nodes may decode again: `%252e` is looked through, up to so many times."""


class Target(NamedTuple):
    target: bytes
    """Origin form (or `*`), as it is forwarded: never altered, only freed of scheme and authority."""
    path: bytes
    authority: bytes | None
    """Only from the absolute form: it then replaces Host."""


def parse_target(method: bytes, raw: bytes) -> Target:
    """Read a request target; CONNECT's authority form is refused before this is called."""
    if not PRINTABLE.fullmatch(raw):
        raise BadRequest("the request target holds an octet that must be escaped")
    if raw == b"*":
        if method != b"OPTIONS":
            raise BadRequest("only OPTIONS may ask for *")
        return Target(raw, raw, None)
    authority = None
    if not raw.startswith(b"/"):
        absolute = _ABSOLUTE.fullmatch(raw)
        if absolute is None:
            raise BadRequest("the request target is neither a path nor an http URI")
        authority = parse_authority(absolute[1])
        if absolute[2] is None and absolute[3] is None and method == b"OPTIONS":
            return Target(b"*", b"*", authority)  # RFC 9112 section 3.2.4
        raw = (absolute[2] or b"/") + (absolute[3] or b"")
    if raw.startswith(b"//"):
        # Whoever parses it as a URI reference reads a host where we read a path (RFC 3986 4.2).
        raise BadRequest("two slashes at the beginning of the path")
    path = raw.partition(b"?")[0]
    if _UNUSUAL.search(path):
        _check_path(path)
    return Target(raw, path, authority)


def parse_authority(value: bytes) -> bytes:
    """`uri-host [":" port]` in lower case; the port stays."""
    match = _AUTHORITY.fullmatch(value)
    if match is None or (match[2] and int(match[2]) > 65535):
        raise BadRequest("not a host and port")
    if match[1] is not None:
        try:
            IPv6Address(match[1].decode("ascii"))
        except AddressValueError:
            raise BadRequest("not an IPv6 address") from None
    return value.lower()


def _check_path(path: bytes) -> None:
    if _BAD_ESCAPE.search(path):
        raise BadRequest("a percent sign in the path that escapes nothing")
    if _UNSAFE.search(unquote_to_bytes(path)):
        raise BadRequest("a back slash or a control character in the path")
    reading = path
    for _ in range(_DECODINGS):
        reading = unquote_to_bytes(reading)
        if _DOT_SEGMENT.search(_as_careless_decoders_see(reading)):
            raise BadRequest("a dot segment in the path")
        if b"%" not in reading:
            return


def _as_careless_decoders_see(path: bytes) -> bytes:
    """Overlong UTF-8 for dot, slash and back slash. Not refused as such: in GBK they are ordinary characters."""
    return path.replace(b"\xc0\xae", b".").replace(b"\xc0\xaf", b"/").replace(b"\xc1\x9c", b"\\")
