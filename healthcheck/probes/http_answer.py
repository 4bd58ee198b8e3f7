"""Is this answer what the check wants? Decided on the octets, as early as they allow.

A reader of one answer, not a parser for a proxy: it forwards nothing, so it need only be sure of the status and
find a text in the body. What is ambiguous fails the check. Core: no asyncio, sockets, files or clock.
"""

from __future__ import annotations

import re

from healthcheck import words
from healthcheck.config import HttpCheck
from healthcheck.target import Verdict

HEAD_LIMIT = 32 * 1024
BODY_LIMIT = 64 * 1024
"""Octets of the body that are searched."""

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r\n")
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r\n", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*\r\n", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
_PASSED = Verdict(True, words.passes("http"))
_NOT_HTTP = Verdict(False, words.not_http(), "protocol")
_CUT_OFF = Verdict(False, words.closed_early("http"), "protocol")


class HttpAnswer:
    """Feed it octets until it has a verdict; tell it of the end of the connection if it has none by then."""

    __slots__ = ("_body", "_buffer", "_check", "_chunk", "_chunked", "_in_body", "_left", "_searched", "_wanted")

    def __init__(self, check: HttpCheck) -> None:
        self._check = check
        self._wanted = (check.body_contains or "").encode()
        self._buffer = bytearray()  # not yet understood: the head, then chunk framing
        self._body = bytearray()
        self._searched = 0
        self._in_body = False
        self._chunked = False
        self._left: int | None = None  # octets of the body to come; None: until the connection ends
        self._chunk = 0  # octets of the current chunk to come, its line end included

    def feed(self, data: bytes) -> Verdict | None:
        self._buffer += data
        while not self._in_body:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                wrong = not b"HTTP/1.".startswith(self._buffer[:7]) or len(self._buffer) > HEAD_LIMIT
                return _NOT_HTTP if wrong else None
            head = bytes(self._buffer[: end + 4])
            del self._buffer[: end + 4]
            if (verdict := self._judge(head)) is not None:
                return verdict
        return self._search()

    def end(self) -> Verdict:
        """The connection ended. An answer without a length ends that way; any other has been cut off."""
        if self._in_body and not self._chunked and self._left is None:
            return self._lacks()
        return _CUT_OFF

    def _judge(self, head: bytes) -> Verdict | None:
        """None: go on, with the next head after an interim one (RFC 9110, 15.2), or with the body."""
        line = _STATUS_LINE.match(head)
        if line is None:
            return _NOT_HTTP
        status = int(line[1])
        if status < 200 and status != 101 and status not in self._check.status:
            return None
        if status not in self._check.status:
            return Verdict(False, words.status(status), "status")
        if not self._wanted:
            return _PASSED
        self._in_body = True
        self._chunked = _CHUNKED.search(head) is not None
        length = _LENGTH.search(head)
        if length is not None and not self._chunked:
            self._left = int(length[1])
        return None

    def _search(self) -> Verdict | None:
        ended = self._take_chunks() if self._chunked else self._take()
        if ended is None:
            return _NOT_HTTP
        start = max(0, self._searched - len(self._wanted) + 1)
        if self._body.find(self._wanted, start, BODY_LIMIT) >= 0:
            return _PASSED
        self._searched = len(self._body)
        return self._lacks() if ended or self._searched >= BODY_LIMIT else None

    def _take(self) -> bool:
        """Is the body whole?"""
        if self._left is not None:
            del self._buffer[self._left :]
            self._left -= len(self._buffer)
        self._body += self._buffer
        self._buffer.clear()
        return self._left == 0

    def _take_chunks(self) -> bool | None:
        """Is the body whole? None: that is no chunk."""
        while self._buffer:
            if not self._chunk:
                size = _CHUNK_SIZE.match(self._buffer)
                if size is None:
                    return None if b"\r\n" in self._buffer or len(self._buffer) > 1024 else False
                if (octets := int(size[1], 16)) == 0:
                    return True
                del self._buffer[: size.end()]
                self._chunk = octets + 2
            piece = min(self._chunk, len(self._buffer))
            self._body += self._buffer[: min(piece, max(0, self._chunk - 2))]
            del self._buffer[:piece]
            self._chunk -= piece
        return False

    def _lacks(self) -> Verdict:
        return Verdict(False, words.body(self._check.body_contains or ""), "body")
