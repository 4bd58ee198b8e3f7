"""HTTP/1.1 on octets (RFC 9112): heads, body framing, what may pass the gateway. No I/O, no clock.

Two rules stand above all others. A message that two readers could frame differently is refused, never
repaired. And what leaves here is written anew from what was understood: no octet of a start line, a Host,
a Content-Length or a Transfer-Encoding is passed on as it came.

`request` and `response` are chosen here, so that a compiled twin of the same interface can take their place.
"""

from __future__ import annotations

from gateway.http1.chunks import LAST_CHUNK, ChunkReader, chunk_head, encode_chunk, last_chunk
from gateway.http1.framing import CHUNKED, UNTIL_CLOSE, HeadLimits
from gateway.http1.request import RequestHead, parse_request
from gateway.http1.response import ResponseHead, parse_response

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
    "parse_request",
    "parse_response",
]
