# cython: language_level=3, annotation_typing=False
"""Bodies on their way through: where one ends, and how it is framed on the other side. Core.

Both classes take octets as they arrive and return octets to pass on. A chunked body is decoded strictly and encoded
anew, so that no reader behind the gateway sees the sender's spelling of the framing.
"""

from __future__ import annotations

from gateway.errors import BadRequest, NodeProtocolError
from gateway.http1 import CHUNKED, ChunkReader


class RequestBody:
    """The body of one request, from the client to the node."""

    __slots__ = ("_chunks", "left", "octets")

    def __init__(self, length: int) -> None:
        """`length` in octets, or CHUNKED."""
        self.left = length
        """Octets still to come; CHUNKED while the end is unknown, 0 once it has been seen."""
        self.octets = 0
        """Received so far, framing included."""
        self._chunks = ChunkReader(BadRequest) if length == CHUNKED else None

    def __repr__(self) -> str:
        return f"<RequestBody left={self.left} octets={self.octets}>"

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """(for the node, behind the end of the body). Raises BadRequest."""
        left = self.left
        if left >= 0:
            size = len(data)
            if size <= left:
                self.left = left - size
                self.octets += size
                return data, b""
            self.left = 0
            self.octets += left
            return data[:left], data[left:]
        reader = self._chunks
        if reader is None:
            return b"", data
        pieces: list[bytes | memoryview] = []
        used = reader.feed(data, pieces)
        self.octets += used
        if not reader.done:
            return chunk(pieces), b""
        self.left = 0
        return chunk(pieces) + last_chunk(reader), data[used:]


class ResponseBody:
    """The body of one response, from the node to the client."""

    __slots__ = ("_chunks", "_left", "_plain", "ended", "surplus")

    def __init__(self, length: int, *, http10: bool) -> None:
        """`length` in octets, CHUNKED or UNTIL_CLOSE. An HTTP/1.0 client gets octets and the end of the connection."""
        self._left = length
        self._plain = http10
        self._chunks = ChunkReader(NodeProtocolError) if length == CHUNKED else None
        self.ended = length == 0
        self.surplus = False
        """The node sent more than it announced: nothing on that connection can be believed any more."""

    def __repr__(self) -> str:
        return f"<ResponseBody left={self._left} ended={self.ended}>"

    def take(self, data: bytes) -> bytes:
        """For the client. Raises NodeProtocolError."""
        left = self._left
        if left >= 0:
            size = len(data)
            if size > left:
                # Octets behind the end would be read as the next response (RFC 9112 6.3).
                self.surplus = True
                data = data[:left]
                size = left
            self._left = left - size
            self.ended = size == left
            return data
        reader = self._chunks
        if reader is None:
            return data if self._plain else chunk([data]) if data else b""
        pieces: list[bytes | memoryview] = []
        used = reader.feed(data, pieces)
        wire = b"".join(pieces) if self._plain else chunk(pieces)
        if reader.done:
            self.ended = True
            self.surplus = used < len(data)
            if not self._plain:
                wire += last_chunk(reader)
        return wire

    def node_closed(self) -> bytes | None:
        """The node has closed: the last octets for the client, or None if the body is incomplete."""
        if self._left >= 0 or self._chunks is not None:
            return None
        self.ended = True
        return b"" if self._plain else b"0\r\n\r\n"


def chunk(pieces: list[bytes | memoryview]) -> bytes:
    size = sum(map(len, pieces))
    return b"".join((b"%x\r\n" % size, *pieces, b"\r\n")) if size else b""


def last_chunk(reader: ChunkReader) -> bytes:
    return b"0\r\n%s\r\n" % reader.trailers
