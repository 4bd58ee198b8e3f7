"""A client that sends octets and reads responses strictly: what a test says is what goes over the wire."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self


@dataclass
class Response:
    """One response. `fields` are (lower-case name, value) in their order; `body` is decoded from its framing."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes
    complete: bool = True

    def value(self, name: str) -> str | None:
        return next((value for key, value in self.fields if key == name.lower()), None)

    @property
    def problem(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


class Client:
    """One connection, plain or TLS."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""
        self.ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def get(self, path: str = "/", *fields: str) -> Response:
        lines = "".join(f"{field}\r\n" for field in fields)
        return self.exchange(f"GET {path} HTTP/1.1\r\nHost: gateway.test\r\n{lines}\r\n".encode())

    def post(self, path: str, body: bytes, *fields: str) -> Response:
        lines = "".join(f"{field}\r\n" for field in fields)
        head = f"POST {path} HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
        return self.exchange(head.encode() + body)

    def exchange(self, data: bytes, *, method: str | None = None) -> Response:
        self.send(data)
        return self.response(method=method or data.split(b" ", 1)[0].decode())

    def response(self, *, method: str = "GET") -> Response:
        """The next final response; interim ones are skipped. EOFError if the connection ends before it begins."""
        while True:
            response = self.any_response(method=method)
            if response.status >= 200 or response.status == 101:
                return response

    def any_response(self, *, method: str = "GET") -> Response:
        head = self._until(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        version, status, *_ = first.split(" ", 2)
        assert version == "HTTP/1.1", first
        fields = []
        for line in lines:
            name, colon, value = line.partition(":")
            assert colon, line
            fields.append((name.lower(), value.strip()))
        response = Response(int(status), fields, b"")
        if method == "HEAD" or response.status < 200 or response.status in (204, 304):
            return response
        self._body(response)
        return response

    def _body(self, response: Response) -> None:
        codings = [value for name, value in response.fields if name == "transfer-encoding"]
        lengths = [value for name, value in response.fields if name == "content-length"]
        assert not (codings and lengths), response.fields
        try:
            if codings:
                assert codings == ["chunked"]
                response.body = self._chunks(response)
            elif lengths:
                assert len(lengths) == 1
                response.body = self._exactly(int(lengths[0]))
            else:
                response.body = self._rest()
        except EOFError as error:
            response.body = error.args[0]
            response.complete = False

    def _chunks(self, response: Response) -> bytes:
        body = b""
        while True:
            try:
                size = int(self._until(b"\r\n"), 16)
                if size:
                    body += self._exactly(size)
                    assert self._exactly(2) == b"\r\n"
                    continue
                while (line := self._until(b"\r\n")) != b"\r\n":
                    name, _, value = line.decode().partition(":")
                    response.fields.append((f"trailer:{name.lower()}", value.strip()))
            except EOFError:
                raise EOFError(body) from None
            return body

    def _until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            self._more()
        data, _, self.buffer = self.buffer.partition(mark)
        return data + mark

    def _exactly(self, size: int) -> bytes:
        pieces = [self.buffer]
        have = len(self.buffer)
        self.buffer = b""
        while have < size:
            try:
                self._more()
            except EOFError:
                raise EOFError(b"".join(pieces)) from None
            pieces.append(self.buffer)
            have += len(self.buffer)
            self.buffer = b""
        data = b"".join(pieces)
        data, self.buffer = data[:size], data[size:]
        return data

    def _rest(self) -> bytes:
        while True:
            try:
                self._more()
            except EOFError:
                data, self.buffer = self.buffer, b""
                return data

    def _more(self) -> None:
        data = b"" if self.ended else self.sock.recv(1 << 20)
        if not data:
            self.ended = True
            raise EOFError(self.buffer)
        self.buffer += data

    def send_and_read(self, pieces: Iterable[bytes], until: Callable[[bytes], bool]) -> None:
        """Send while reading, until what is unread pleases `until` or the other side has ended.

        In one thread: a TLS connection may not be read and written by two at once. What cannot be sent any more,
        because the other side has closed, is let go.
        """
        left = iter(pieces)
        piece = next(left, b"")
        self.sock.settimeout(0)
        moved = time.monotonic()
        try:
            while not until(self.buffer):
                readable, writable, _ = select.select([self.sock], [self.sock] if piece else [], [], 0.02)
                if readable or writable:
                    moved = time.monotonic()
                assert time.monotonic() - moved < 20, f"nothing moves; so far {self.buffer[-200:]!r}"
                with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    if readable:
                        self._more()
                with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    if writable:
                        piece = piece[self.sock.send(piece) :] or next(left, b"")
        except OSError:
            piece = b""
            self.sock.settimeout(20)
            while not until(self.buffer):
                self._more()
        except EOFError:
            pass
        finally:
            self.sock.settimeout(20)

    def closed(self) -> bool:
        """Whether the other side ends the connection, without another octet."""
        try:
            self._more()
        except (EOFError, ConnectionResetError):
            return True
        return False
