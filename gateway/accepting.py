"""The listening sockets of one worker: which it accepts on, and what happens when that fails.

Every worker holds the sockets of all, but accepts on its own, and on those of a dead neighbour while it stands in.
"""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Final

from gateway.listening import BACKLOG

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

    from gateway.listening import Sockets

log = logging.getLogger("settlegate.worker")

ACCEPTS_PER_TURN: Final = 16
PAUSE: Final = 0.5
"""Seconds without accepting when descriptors have run out."""
_OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Accepting:
    """Hands each connection to `begin` with the name of its listener and the client's address."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        index: int,
        sockets: Sockets,
        begin: Callable[[str, socket.socket, str], None],
    ) -> None:
        self._loop = loop
        self._sockets = sockets
        self._begin = begin
        self._indices = {index}
        """Own, and those stood in for."""
        self._open = False
        self._watched: dict[int, tuple[str, socket.socket]] = {}
        self._paused = False
        self._starved = False
        """Nothing could be accepted at the last attempt: said once, not twice a second."""

    def __repr__(self) -> str:
        state = "paused" if self._paused else "open" if self._open else "closed"
        return f"<Accepting {state} on {len(self._watched)} of {len(self._sockets)} addresses>"

    def open(self) -> None:
        """From now on clients are let in."""
        self._open = True
        self._watch()

    def adopt(self, index: int) -> None:
        """Accept on the sockets of another worker, too: it is dead, and what waits there would wait for ever."""
        self._indices.add(index)
        self._watch()

    def release(self, index: int) -> None:
        """It has been replaced."""
        self._indices.discard(index)
        self._watch()

    def renew(self, opened: Sockets, wanted: Callable[[tuple[str, str]], bool], known: Callable[[str], bool]) -> None:
        """After a reload. `wanted`: addresses that are kept; `known`: names of listeners there still are."""
        self._sockets = self._sockets | opened
        for key in [key for key in self._sockets if not wanted(key)]:
            self._close(key, promised=known(key[0]))
        self._watch()

    def close(self) -> None:
        """Nobody is let in any more."""
        for key in list(self._sockets):
            self._close(key, promised=True)
        self._open = False

    def _close(self, key: tuple[str, str], *, promised: bool) -> None:
        """Whoever waits in the queue of an address has been promised a connection: take them before it goes."""
        for sock in self._sockets.pop(key):
            if self._open and promised:
                self._accept(key[0], sock, BACKLOG)
            if self._watched.pop(sock.fileno(), None):
                self._loop.remove_reader(sock.fileno())
            sock.close()

    def _watch(self) -> None:
        wanted: dict[int, tuple[str, socket.socket]] = {}
        if self._open:
            for (name, _), several in self._sockets.items():
                for index in self._indices:
                    if index < len(several):
                        wanted[several[index].fileno()] = (name, several[index])
        for fd in [fd for fd in self._watched if fd not in wanted]:
            self._loop.remove_reader(fd)
            del self._watched[fd]
        for fd, (name, sock) in wanted.items():
            if fd not in self._watched:
                self._watched[fd] = (name, sock)
                if not self._paused:
                    self._loop.add_reader(fd, self._accept, name, sock)

    def _accept(self, name: str, sock: socket.socket, most: int = ACCEPTS_PER_TURN) -> None:
        for _ in range(most):
            try:
                connection, address = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in _OUT_OF_DESCRIPTORS:
                    self._pause(error)
                else:
                    log.warning("accept on %s: %s", name, error)
                return
            if self._starved:
                self._starved = False
                log.info("accepting again")
            self._begin(name, connection, address[0])

    def _pause(self, error: OSError) -> None:
        if self._paused:
            return
        self._paused = True
        if not self._starved:
            self._starved = True
            log.error("cannot accept: %s; trying again every %g s", error.strerror, PAUSE)
        for fd in self._watched:
            self._loop.remove_reader(fd)
        self._loop.call_later(PAUSE, self._resume)

    def _resume(self) -> None:
        self._paused = False
        for fd, (name, sock) in self._watched.items():
            self._loop.add_reader(fd, self._accept, name, sock)
