"""A node for comparisons: one thread, every octet of every connection kept, answers by script, whole or octet by octet.

`RecordingNode` is for tests of one story. Here a test asks between two cases "what exactly has come so far?", and the
answer must hold: `look` returns when the kernel has nothing unread for this node any more. What a sender on the same
machine wrote before `look` was called is in it.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.support.http1_strict import Malformed, Message, take_request
from tests.support.lockstep import send_in_octets
from tests.support.segments import wait_until_read

PATIENCE = 20.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BROKEN = b"HTTP/1.1 400 Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Reply(NamedTuple):
    """What the node says, and what it does then."""

    octets: bytes
    then: str = "keep"
    """`keep`, `close` (FIN) or `reset`."""
    singly: int = 0
    """So many octets at the beginning are sent one by one, each after the one before has been read."""


Script = Callable[[Message], Reply]


class Line(NamedTuple):
    """One connection as it was when looked at."""

    number: int
    octets: bytes
    ended: bool
    """Either side has closed it."""


@dataclass(eq=False)
class _Connection:
    number: int
    sock: socket.socket
    octets: bytearray = field(default_factory=bytearray)
    """Of the present case."""
    turn: int = 0
    """When the first octet of the present case came, as an ordinal."""
    at: int = 0
    """Behind the last complete request."""
    continued: int = -1
    """Beginning of the last request that was told to go on."""
    ended: bool = False
    deaf: bool = False
    """What came cannot be read: recorded, and not answered any more."""


class Desk:
    """Use it as a context; `address` is where it listens."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.setblocking(False)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._bell, self._wake = socket.socketpair()
        self._orders: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]]] = queue.SimpleQueue()
        self._connections: list[_Connection] = []
        self._numbers = itertools.count()
        self._turns = itertools.count(1)
        self._ending = False
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ask(self._end)
        self._thread.join(PATIENCE)

    def fresh(self, script: Script) -> None:
        """Begin a case: answer by `script`, forget what came before."""

        def begin() -> None:
            self.script = script
            self._connections = [connection for connection in self._connections if not connection.ended]
            for connection in self._connections:
                connection.octets.clear()
                connection.at, connection.continued = 0, -1

        self._ask(begin)

    def look(self) -> list[Line]:
        """The connections on which something has come since `fresh`, in the order of their first octet."""

        def now() -> list[Line]:
            return [
                Line(connection.number, bytes(connection.octets), connection.ended)
                for connection in sorted(self._connections, key=lambda connection: connection.turn)
                if connection.octets
            ]

        lines: list[Line] = self._ask(now)
        return lines

    def _ask(self, order: Callable[[], Any]) -> Any:
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._orders.put((order, answer))
        self._bell.send(b"!")
        outcome = answer.get(timeout=PATIENCE)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    # ---- its thread

    def _run(self) -> None:
        while not self._ending:
            self._serve(self._selector.select())
            while not self._orders.empty():
                order, answer = self._orders.get()
                while ready := self._selector.select(0):
                    if not self._serve(ready):
                        break
                try:
                    answer.put(order())
                except BaseException as error:
                    answer.put(error)

    def _serve(self, ready: list[tuple[selectors.SelectorKey, int]]) -> bool:
        """Take what has come; answers go out only when everything has been read. False: nothing but the bell rang."""
        came: list[_Connection] = []
        busy = False
        for key, _ in ready:
            if key.fileobj is self._wake:
                self._wake.recv(4096)
            elif key.fileobj is self._listener:
                busy = True
                with contextlib.suppress(OSError):
                    while True:
                        came.append(self._accept())
            else:
                busy = True
                came.append(key.data)
        for connection in came:
            self._read(connection)
        for connection in came:
            self._answer(connection)
        return busy

    def _accept(self) -> _Connection:
        sock, _ = self._listener.accept()
        sock.setblocking(True)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(PATIENCE), 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(next(self._numbers), sock)
        self._connections.append(connection)
        self._selector.register(sock, selectors.EVENT_READ, connection)
        return connection

    def _read(self, connection: _Connection) -> None:
        while not connection.ended:
            try:
                data = connection.sock.recv(1 << 18, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._hang_up(connection)
            elif not connection.octets:
                connection.turn = next(self._turns)
            connection.octets += data

    def _answer(self, connection: _Connection) -> None:
        while not (connection.ended or connection.deaf):
            data = bytes(connection.octets)
            try:
                found = take_request(data, connection.at)
            except Malformed:
                connection.deaf = True
                self._say(connection, Reply(BROKEN))
                return
            end = data.find(b"\r\n\r\n", connection.at)
            asks = end >= 0 and b"\nexpect: 100-continue\r\n" in data[connection.at : end + 2].lower()
            if asks and connection.continued < connection.at:
                connection.continued = connection.at
                self._say(connection, Reply(CONTINUE))
            if found is None:
                return
            message, connection.at = found
            self._say(connection, self.script(message))

    def _say(self, connection: _Connection, reply: Reply) -> None:
        try:
            send_in_octets(connection.sock, reply.octets[: reply.singly])
            # With MSG_MORE the FIN travels in the segment of the last octets: nobody can be between the two.
            connection.sock.sendall(reply.octets[reply.singly :], socket.MSG_MORE if reply.then == "close" else 0)
            if reply.then == "close":
                connection.sock.shutdown(socket.SHUT_WR)
            elif reply.then == "reset":
                wait_until_read(connection.sock)
        except OSError:
            self._hang_up(connection)
            return
        if reply.then != "keep":
            self._hang_up(connection, reset=reply.then == "reset")

    def _hang_up(self, connection: _Connection, *, reset: bool = False) -> None:
        if connection.ended:
            return
        connection.ended = True
        self._selector.unregister(connection.sock)
        if reset:
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sock.close()

    def _end(self) -> None:
        self._ending = True
        for connection in self._connections:
            self._hang_up(connection)
        for sock in (self._listener, self._bell, self._wake):
            sock.close()
        self._selector.close()
