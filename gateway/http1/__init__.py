"""HTTP/1.1 on octets (RFC 9112): heads, body framing, what may pass the gateway. No I/O, no clock.

Two rules stand above all others. A message that two readers could frame differently is refused, never
repaired. And what leaves here is written anew from what was understood: no octet of a start line, a Host,
a Content-Length or a Transfer-Encoding is passed on as it came.

`request` and `response` read heads; where it has been compiled, their twin `_scan` of the same interface takes their
place, and hands back to them whatever is not perfectly ordinary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.http1.chunks import LAST_CHUNK, ChunkReader, chunk_head, encode_chunk, last_chunk
from gateway.http1.framing import CHUNKED, UNTIL_CLOSE, HeadLimits, may_decide
from gateway.http1.request import RequestHead, parse_request
from gateway.http1.response import ResponseHead, parse_response
from settings.twins import COMPILED

__all__ = [
    "CHUNKED",
    "LAST_CHUNK",
    "UNTIL_CLOSE",
    "ChunkReader",
    "HeadLimits",
    "RequestHead",
    "ResponseHead",
    "chunk_head",
    "encode_chunk",
    "last_chunk",
    "may_decide",
    "parse_request",
    "parse_response",
]

if COMPILED and not TYPE_CHECKING:
    from gateway.http1._scan import RequestHead, ResponseHead, parse_request, parse_response
