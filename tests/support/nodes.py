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
import hashlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
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
PIECE = 256 * 1024


@dataclass(slots=True)
class Recorded:
    """One request as it arrived."""

    head: bytes
    """Request line and field lines with the final empty line, verbatim."""
    connection: int
    """Ordinal of the node's connection it came on, from 0."""
    body: bytes = b""
    """The payload: chunk framing removed, trailers apart. Empty when the node does not store bodies."""
    wire_body: bytes = b""
    """The body verbatim, chunk framing included. Empty when the node does not store bodies."""
    trailers: bytes = b""
    size: int = 0
    """Octets of payload, also when they were not stored."""
    sha256: str = ""
    complete: bool = False
    """False while the body is still coming, and for ever if the gateway cut it."""

    @property
    def method(self) -> bytes:
        return self.head.split(b" ", 1)[0]

    @property
    def target(self) -> bytes:
        return self.head.split(b" ", 2)[1]

    def values(self, name: bytes) -> list[bytes]:
        """Values of every field line of that name (any case), in order."""
        lines = (line.partition(b":") for line in self.head.split(CRLF)[1:] if line)
        return [value.strip() for key, _, value in lines if key.lower() == name.lower()]

    def value(self, name: bytes) -> bytes | None:
        """The value of the only line of that name; None without one; two are an error of the test."""
        found = self.values(name)
        assert len(found) <= 1, f"{name!r} occurs {len(found)} times"
        return found[0] if found else None


class Call:
    """One request in the hands of a script."""

    def __init__(self, node: RecordingNode, link: _Link, request: Recorded) -> None:
        self.node = node
        self.request = request
        self.link = link

    @property
    def sock(self) -> socket.socket:
        """The connection itself, for tunnels; octets already read are in `link.buffer`."""
        return self.link.sock

    def send(self, data: bytes | memoryview) -> None:
        self.link.sock.sendall(data)

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the node lives."""
        self.node.stopping.wait(seconds)

    def hang(self) -> None:
        """Keep the connection open and silent until the node is stopped."""
        self.node.stopping.wait()
        self.close()

    def close(self) -> None:
        """End the connection in order (FIN) after this answer."""
        self.link.ends = True

    def abort(self) -> None:
        """Cut the connection with a reset, as a killed host would."""
        _reset(self.link.sock)
        self.link.ends = True


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
        self._links: dict[int, _Link] = {}
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
            link = self._links[number] = _Link(self, sock, number)
            self.changed()
            self._spawn(self._serve, link)

    def _serve(self, link: _Link) -> None:
        try:
            with contextlib.suppress(OSError, _Ended):
                link.serve()
        finally:
            link.sock.close()
            del self._links[link.number]
            self.changed()


class _Ended(Exception):  # noqa: N818 - an ordinary end of the connection
    """The peer closed."""


@dataclass(slots=True)
class _Link:
    """One accepted connection and the octets read ahead on it."""

    node: RecordingNode
    sock: socket.socket
    number: int
    buffer: bytearray = field(default_factory=bytearray)
    ends: bool = False

    def serve(self) -> None:
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.node.tls is not None:
            self.sock = self.node.tls.wrap_socket(self.sock, server_side=True)
        while not self.ends:
            request = Recorded(self._until(CRLF + CRLF), self.number)
            self.node.requests.append(request)
            self.node.changed()
            call = Call(self.node, self, request)
            if self.node.on_head is not None:
                self._say(self.node.on_head, call)
            if not self.ends and self.node.read_body:
                self._body(request)
                request.complete = True
                self.node.changed()
            if not self.ends:
                self._say(self.node.answer, call)

    def _say(self, script: Script, call: Call) -> None:
        data = script if isinstance(script, bytes) else script(call)
        if data is not None:
            self.sock.sendall(data)

    def cut(self, *, reset: bool) -> None:
        with contextlib.suppress(OSError):
            if reset:
                _linger_zero(self.sock)
            self.sock.shutdown(socket.SHUT_RDWR)

    def _body(self, request: Recorded) -> None:
        digest = hashlib.sha256()
        coding, length = request.value(b"transfer-encoding"), request.value(b"content-length")
        if coding is not None:
            assert coding == b"chunked", coding
            self._chunks(request, digest)
        elif length is not None:
            left = int(length)
            while left:
                left -= self._piece(request, digest, left)
            request.wire_body = request.body
        request.sha256 = digest.hexdigest()

    def _chunks(self, request: Recorded, digest: hashlib._Hash) -> None:
        while True:
            line = self._until(CRLF)
            request.wire_body += line
            size = int(line.partition(b";")[0], 16)
            if size == 0:
                break
            start = len(request.body)
            while size:
                size -= self._piece(request, digest, size)
            assert self._until(CRLF) == CRLF, "chunk data without CRLF"
            if self.node.store:
                request.wire_body += request.body[start:] + CRLF
            else:
                request.wire_body = b""
        while (line := self._until(CRLF)) != CRLF:
            request.trailers += line
        request.wire_body += request.trailers + CRLF

    def _piece(self, request: Recorded, digest: hashlib._Hash, most: int) -> int:
        if not self.buffer:
            self._read()
        piece = bytes(self.buffer[:most])
        del self.buffer[: len(piece)]
        digest.update(piece)
        request.size += len(piece)
        if self.node.store:
            request.body += piece
        return len(piece)

    def _until(self, mark: bytes) -> bytes:
        while (at := self.buffer.find(mark)) < 0:
            self._read()
        found = bytes(self.buffer[: at + len(mark)])
        del self.buffer[: at + len(mark)]
        return found

    def _read(self) -> None:
        data = self.sock.recv(PIECE)
        if not data:
            raise _Ended
        self.buffer += data


def _linger_zero(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _reset(sock: socket.socket) -> None:
    _linger_zero(sock)
    sock.close()


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
