"""A connection to a node that begins with a PROXY header, in plain text."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from gateway.stream import Stream


def say(sock: socket.socket, header: bytes) -> str:
    """Send the header on a connection just made; what went wrong, or "".

    One short packet into an empty socket buffer: a kernel that does not take it whole has given the connection up.
    """
    try:
        sent = sock.send(header)
    except OSError as error:
        return error.strerror or str(error)
    return "" if sent == len(header) else "the PROXY header was not taken"


class AnnouncingStream(Stream):
    """`on_drained` tells success when connection and header have been made; nothing of a request is in it."""

    __slots__ = ("_header", "_ready")

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        """Use `announce`."""
        super().__init__(loop, sock)
        self._header = b""
        self._ready: Callable[[], object] = _nothing

    @classmethod
    def announce(cls, loop: asyncio.AbstractEventLoop, address: tuple[str, int], header: bytes) -> AnnouncingStream:
        """Begin to connect; see `Stream.connect`. Raises StreamError."""
        stream = cast("AnnouncingStream", cls.connect(loop, address))
        stream._header = header  # noqa: SLF001 - our own
        return stream

    def _connected(self) -> None:
        self._ready, self.on_drained = self.on_drained, self._begin
        super()._connected()

    def _begin(self) -> None:
        ready, self._ready = self._ready, _nothing
        self.on_drained = _nothing
        self.error = say(self.sock, self._header)
        if self.error:
            self.abort()
        else:
            ready()


def _nothing() -> None:
    """Nobody waits for this any more."""
