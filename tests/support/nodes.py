"""Settlement nodes for tests: real sockets in threads, every request kept as it came, every fault on demand.

A node answers by script: bytes, or a function of the `Call`. What the gateway sent is in `node.requests`,
head and body octet by octet, so tests compare with what may be on the wire and not with a parser's view.

    with RecordingNode(answer=ok(b"settled")) as node:      # port 0, ends with the block
        ...
        assert node.wait_for(1)[0].head.startswith(b"POST /claims/ HTTP/1.1\\r\\n")

Not for load: one thread per connection.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.support.answers import (
    CRLF,
    Script,
    after,
    big,
    chunk,
    chunked,
    closes_mid_response,
    closes_without_answer,
    garbage,
    hangs,
    head,
    in_turn,
    interim,
    ok,
    pattern,
    pattern_sha256,
    slowly,
    until_close,
)
from tests.support.links import Call, Ended, Link, Recorded

__all__ = [
    "CRLF",
    "Call",
    "Recorded",
    "RecordingNode",
    "RefusingNode",
    "Script",
    "UnreachableNode",
    "after",
    "big",
    "chunk",
    "chunked",
    "closes_mid_response",
    "closes_without_answer",
    "garbage",
    "hangs",
    "head",
    "in_turn",
    "interim",
    "ok",
    "pattern",
    "pattern_sha256",
    "slowly",
    "until_close",
]

PATIENCE = 10.0
"""Seconds after which a node gives up waiting for its own threads, or a test for a request."""


class RecordingNode:
    """Listens on loopback, records, answers by script. Can be killed and started again on its port."""

    def __init__(
        self,
        answer: Script = ok(),  # noqa: B008 - bytes, immutable
        *,
        on_head: Script | None = None,
        store: bool = True,
        tls: ssl.SSLContext | None = None,
        read_body: bool = True,
        host: str = "127.0.0.1",
    ) -> None:
        """`answer` runs after the body; `on_head` before it (100-continue, early answers).

        An `on_head` that answers finally should call `call.close()`. `store=False` keeps size and digest of
        bodies only. `read_body=False` leaves the body unread: back-pressure.
        """
        self.answer = answer
        self.on_head = on_head
        self.store = store
        self.tls = tls
        self.read_body = read_body
        self.requests: list[Recorded] = []
        self.connections = 0
        """Accepted since the node was made, kills included."""
        self.stopping = threading.Event()
        self._changed = threading.Condition()
        self._links: dict[int, Link] = {}
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self._where = (host, 0)

    @property
    def port(self) -> int:
        return self._where[1]

    @property
    def address(self) -> str:
        return f"{self._where[0]}:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._links)

    def start(self) -> Self:
        self.stopping.clear()
        self._listener = socket.create_server(self._where, backlog=512)
        self._where = self._listener.getsockname()[:2]
        self._spawn(self._accept, self._listener)
        return self

    def stop(self, *, reset: bool = False) -> None:
        """Close the listener and every connection; with `reset` as a kill would. Harmless when repeated."""
        self.stopping.set()
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() alone does not
            self._listener.close()
            self._listener = None
        for link in list(self._links.values()):
            link.cut(reset=reset)
        deadline = time.monotonic() + PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            assert not thread.is_alive(), "a script of this node does not end"
        self._threads.clear()

    def kill(self) -> None:
        self.stop(reset=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_for(self, count: int, *, complete: bool = True, deadline: float = PATIENCE) -> list[Recorded]:
        """The requests so far, once there are `count` of them (with their bodies); else AssertionError."""

        def there() -> bool:
            return sum(1 for request in self.requests if request.complete or not complete) >= count

        with self._changed:
            if not self._changed.wait_for(there, deadline):
                raise AssertionError(f"{count} requests expected at {self.address}, seen {self.requests!r}")
            return list(self.requests)

    def wait_until(self, true: Callable[[RecordingNode], bool], *, deadline: float = PATIENCE) -> None:
        """For conditions on `open_connections` and the like."""
        with self._changed:
            assert self._changed.wait_for(lambda: true(self), deadline), f"never true of {self.address}"

    def changed(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            number, self.connections = self.connections, self.connections + 1
            link = self._links[number] = Link(self, sock, number)
            self.changed()
            self._spawn(self._serve, link)

    def _serve(self, link: Link) -> None:
        try:
            with contextlib.suppress(OSError, Ended):
                link.serve()
        finally:
            link.sock.close()
            del self._links[link.number]
            self.changed()


class RefusingNode:
    """An address that nobody listens on: connecting fails at once. The port stays reserved."""

    def __enter__(self) -> Self:
        self._sock = socket.socket()
        self._sock.bind(("127.0.0.1", 0))
        self.port: int = self._sock.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()


class UnreachableNode:
    """An address where connecting never ends: the listen queue is full and the kernel drops every SYN."""

    def __enter__(self) -> Self:
        self._sock = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port: int = self._sock.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._fillers = [socket.socket() for _ in range(4)]
        for filler in self._fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in [*self._fillers, self._sock]:
            sock.close()
