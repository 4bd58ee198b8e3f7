"""One connection of a test node: what it read, octet by octet, and what its script says."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from typing import Protocol

from tests.support.answers import CRLF, Script

PIECE = 256 * 1024


class Host(Protocol):
    """What a connection needs of its node."""

    answer: Script
    on_head: Script | None
    store: bool
    read_body: bool
    tls: ssl.SSLContext | None
    requests: list[Recorded]
    stopping: threading.Event

    def changed(self) -> None: ...


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

    def __init__(self, node: Host, link: Link, request: Recorded) -> None:
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


class Ended(Exception):
    """The peer closed."""


@dataclass(slots=True)
class Link:
    """One accepted connection and the octets read ahead on it."""

    node: Host
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
            raise Ended
        self.buffer += data


def _linger_zero(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _reset(sock: socket.socket) -> None:
    _linger_zero(sock)
    sock.close()
