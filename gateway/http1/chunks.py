"""The chunked coding (RFC 9112 section 7.1): a strict decoder for any split, and how to write it again.

Chunk extensions and the sender's chunk sizes end here; trailers pass filtered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from gateway.errors import BadRequest, GatewayError
from gateway.http1.fields import canonical, split_field
from gateway.http1.framing import CRLF, LONGEST_BODY, TEXT
from gateway.http1.lookalikes import allowed_in_trailer, fold

LONGEST_SIZE_LINE: Final = 4096
TRAILERS: Final = 16384
LAST_CHUNK: Final = b"0\r\n\r\n"

# What lines around the payload may cost beyond a fair share of it, over the whole body: 4 KiB of extension
# on every one-octet chunk would make the gateway read thousands of octets per octet it delivers.
SPARE_OVERHEAD: Final = 16384
FAIR_OVERHEAD: Final = 16

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]{0,4096})?\r\n")
_HEX = re.compile(rb"[0-9A-Fa-f]")

Buffer = bytes | memoryview

_SIZE, _PAYLOAD, _PAYLOAD_END, _TRAILER, _DONE = range(5)


class ChunkReader:
    """Decodes one body. `feed` until `done`; what is left of the data then belongs to the next message."""

    __slots__ = ("_error", "_fields", "_left", "_line", "_room", "_spare", "_state", "done", "trailers")

    def __init__(self, error: type[GatewayError] = BadRequest, *, trailers: int = TRAILERS, fields: int = 128) -> None:
        """`error` is what a fault raises: BadRequest or NodeProtocolError. `trailers`: octets of all of them."""
        self._error = error
        self._state = _SIZE
        self._left = 0  # octets of payload this chunk still owes
        self._line = bytearray()  # a line that is not complete yet
        self._spare = SPARE_OVERHEAD
        self._room = trailers
        self._fields = fields
        self.done = False
        self.trailers = b""

    def __repr__(self) -> str:
        names = ("size", "payload", "payload end", "trailer", "done")
        return f"<ChunkReader {names[self._state]}, {self._left} left>"

    def feed(self, data: Buffer, out: list[Buffer]) -> int:
        """Append the payload in `data` to `out`, as slices of it; return how many octets were used."""
        at = 0
        end = len(data)
        while at < end and not self.done:
            state = self._state
            if state == _PAYLOAD:
                stop = min(end, at + self._left)
                out.append(data if stop - at == end else data[at:stop])
                self._left -= stop - at
                at = stop
                if not self._left:
                    self._state = _PAYLOAD_END
            elif state == _SIZE and not self._line and (match := _SIZE_LINE.match(data, at, at + LONGEST_SIZE_LINE)):
                self._begin(match[1], match.end() - at)
                at = match.end()
            elif state == _PAYLOAD_END and not self._line and data[at : at + 2] == CRLF:
                self._state = _SIZE
                at += 2
            else:
                at = self._take_line(data, at)
        return at

    def _begin(self, digits: bytes, overhead: int) -> None:
        size = int(digits, 16)
        if size > LONGEST_BODY:
            raise self._error("a chunk size beyond 63 bits")
        self._spare = min(SPARE_OVERHEAD, self._spare + FAIR_OVERHEAD + 2 * size - overhead)
        if self._spare < 0:
            raise self._error("far more chunk extensions than payload")
        self._left = size
        self._state = _PAYLOAD if size else _TRAILER

    def _take_line(self, data: Buffer, at: int) -> int:
        """Move up to one line from `data` to `_line`, and act on it when it is complete.

        Each octet is looked at once, whatever the split; only a line's own octets are copied.
        """
        line = self._line
        room = self._longest_line() - len(line)
        piece = bytes(data[at : at + room])
        cut = piece.find(b"\n")
        if cut >= 0:
            piece = piece[: cut + 1]
        line += piece
        self._check_begun(line, len(piece), complete=cut >= 0)
        if cut >= 0:
            self._act(bytes(line))
            line.clear()
        elif len(piece) == room:
            raise self._error("a line of the chunked coding is longer than the limit")
        return at + len(piece)

    def _longest_line(self) -> int:
        if self._state == _SIZE:
            return LONGEST_SIZE_LINE
        return len(CRLF) if self._state == _PAYLOAD_END else self._room + len(CRLF)

    def _check_begun(self, line: bytearray, new: int, *, complete: bool) -> None:
        """Refuse at once what no further octet can mend: bare CR, bare LF, controls, a size without digits."""
        end = len(line) - 2 if complete else len(line) - line.endswith(b"\r")
        start = max(len(line) - new - 1, 0)  # the last octet of before may have been a CR
        if (complete and not line.endswith(CRLF)) or line[start : max(end, 0)].translate(None, TEXT):
            raise self._error("a control character or half a line end in the chunked coding")
        if self._state == _PAYLOAD_END and not CRLF.startswith(line):
            raise self._error("a chunk is longer than its size")
        if self._state == _SIZE and not _HEX.match(line):
            raise self._error("a chunk size that is not hexadecimal")

    def _act(self, line: bytes) -> None:
        if self._state == _PAYLOAD_END:
            self._state = _SIZE
        elif self._state == _SIZE:
            match = _SIZE_LINE.fullmatch(line)
            if match is None:
                raise self._error("a chunk size that is not hexadecimal")
            self._begin(match[1], len(line))
        elif line == CRLF:
            self._state = _DONE
            self.done = True
        else:
            self._trailer(line)

    def _trailer(self, line: bytes) -> None:
        self._room -= len(line)
        self._fields -= 1
        if self._room < 0 or self._fields < 0:
            raise self._error("more trailers than the limit")
        name, value = split_field(line[: -len(CRLF)], self._error)
        if allowed_in_trailer(fold(name)):
            self.trailers += canonical(name, value)


def chunk_head(size: int) -> bytes:
    """What goes before `size` octets of payload, CRLF after them. Never with 0: that would end the body."""
    return b"%x\r\n" % size


def encode_chunk(pieces: Iterable[Buffer]) -> bytes:
    """All the pieces as one chunk; nothing at all if they are empty, since an empty chunk ends the body."""
    payload = b"".join(pieces)
    return b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""


def last_chunk(trailers: bytes = b"") -> bytes:
    """The end of a body; `trailers` as `ChunkReader.trailers` holds them."""
    return b"0\r\n%b\r\n" % trailers if trailers else LAST_CHUNK
