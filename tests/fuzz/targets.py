"""What must hold for every octet sequence; each target's docstring is its invariant.

An input is the message itself, so that the corpus can be read and written by hand. What else a run needs (limits,
splits) is drawn from the input's checksum.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from gateway import bodies, proxy_protocol
from gateway.errors import BadRequest
from gateway.http1 import CHUNKED, ChunkReader, HeadLimits, parse_request, parse_response
from gateway.http1.request import parse_request as pure_request
from gateway.http1.response import parse_response as pure_response
from settings.twins import COMPILED
from tests.support import heads, pure

_NARROW: Final = HeadLimits(300, 6, 60)
_BODIES: Final = [bodies, pure.load("gateway.bodies")] if COMPILED else [pure.load("gateway.bodies")]


def request_head(data: bytes) -> None:
    """Only documented errors escape; compiled and pure agree; what is forwarded re-parses to the same message; a head
    that is not complete yet is no head, and none is refused that would become a good one."""
    draw = random.Random(zlib.crc32(data))
    limits = draw.choice((heads.LIMITS, heads.LIMITS, _NARROW))
    read = heads.of_request(pure_request, data, limits)
    assert heads.of_request(parse_request, data, limits) == read
    if isinstance(read, dict):
        heads.check_request_again(pure_request, read)
        heads.check_request_again(parse_request, read)
        for size in _sizes(draw, read["end"]):
            assert heads.of_request(parse_request, data[:size], limits) is None, size


def response_head(data: bytes) -> None:
    """The same of a node's answer, to whatever method and whether or not WebSocket was asked for."""
    draw = random.Random(zlib.crc32(data))
    limits = draw.choice((heads.LIMITS, heads.LIMITS, _NARROW))
    method, upgrade = draw.choice((b"GET", b"GET", b"POST", b"HEAD")), draw.random() < 0.5
    read = heads.of_response(pure_response, data, limits, method, upgrade)
    assert heads.of_response(parse_response, data, limits, method, upgrade) == read
    if isinstance(read, dict):
        heads.check_response_again(pure_response, read, method, upgrade)
        heads.check_response_again(parse_response, read, method, upgrade)
        for size in _sizes(draw, read["end"]):
            assert heads.of_response(parse_response, data[:size], limits, method, upgrade) is None, size


def chunked_body(data: bytes) -> None:
    """Any split gives the same payload, trailers, end and rest, or the same refusal; what is forwarded decodes to the
    same payload and trailers; nothing but BadRequest escapes; compiled and pure agree."""
    draw = random.Random(zlib.crc32(data))
    whole = _decoded([data])
    splits = [list(_pieces(draw, data)) for _ in range(2)]
    if len(data) <= 400:
        splits.append([data[at : at + 1] for at in range(len(data))])
    for split in splits:
        assert _decoded(split) == whole, split
    for module in _BODIES:
        for split in ([data], splits[0]):
            assert _forwarded(module, split) == whole


def proxy_header(data: bytes) -> None:
    """Only ProxyHeaderError escapes; a header is the same whatever follows it, and whole only with its last octet; what
    is said to a node about the ends is read as the same ends."""
    draw = random.Random(zlib.crc32(data))
    header = _proxy(data)
    if header is None or isinstance(header, type):
        sizes = _sizes(draw, len(data))
        assert header is not None or all(_proxy(data[:size]) is None for size in sizes), "refused, and then not"
        return
    assert 0 < header.size <= len(data)
    assert _proxy(data[: header.size]) == _proxy(data + draw.randbytes(20)) == header
    for size in _sizes(draw, header.size):
        assert _proxy(data[:size]) is None, size
    if header.ends is not None:
        again = proxy_protocol.parse(proxy_protocol.build(header.ends))
        assert again is not None
        assert again.ends == header.ends


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__: target for target in (request_head, response_head, chunked_body, proxy_header)
}


def _sizes(draw: random.Random, end: int) -> set[int]:
    """A few places before the end."""
    return {end - 1, *(draw.randrange(end) for _ in range(3))} if end else set()


def _pieces(draw: random.Random, data: bytes) -> Iterator[bytes]:
    longest = draw.choice((1, 3, 20, 200))
    at = 0
    while at < len(data):
        size = draw.randint(1, longest)
        yield data[at : at + size]
        at += size


Body = tuple[bytes, bytes, bytes] | type[Exception] | None
"""Payload, trailers and what follows the end; the refusal; or None, not complete yet."""


def _decoded(pieces: list[bytes]) -> Body:
    reader = ChunkReader(BadRequest)
    out: list[bytes | memoryview] = []
    rest = b""
    try:
        for piece in pieces:
            rest += piece[reader.feed(piece, out) :] if not reader.done else piece
    except BadRequest:
        return BadRequest
    return (b"".join(out), reader.trailers, rest) if reader.done else None


def _forwarded(module: Any, pieces: list[bytes]) -> Body:
    """What the node would decode."""
    body = module.RequestBody(CHUNKED)
    sent = rest = b""
    try:
        for piece in pieces:
            if body.left:
                wire, behind = body.take(piece)
                sent += wire
                rest += behind
            else:
                rest += piece
    except BadRequest:
        return BadRequest
    if body.left:
        return None
    payload = _decoded([sent])
    assert isinstance(payload, tuple), "the node could not read it"
    assert payload[2] == b"", "octets behind the end that was announced"
    return payload[0], payload[1], rest


def _proxy(data: bytes) -> proxy_protocol.Header | type[Exception] | None:
    try:
        return proxy_protocol.parse(data)
    except proxy_protocol.ProxyHeaderError as error:
        return type(error)
