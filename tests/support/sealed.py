"""TLS whose records are made in memory: how octets are spread over records, and when one is read, is the test's."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterable

PIECE = 1 << 16


class Sealed:
    """The client's end of a TLS connection, with the methods of a socket that `client.Client` uses."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        """Shakes hands."""
        self.sock = sock
        self.clean = False
        """The other side has said by close_notify that it has ended."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="127.0.0.1")
        while True:
            try:
                self._tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                self._flush()
                if not self._take():
                    raise ConnectionError("the handshake was broken off") from None

    def seal(self, pieces: Iterable[bytes]) -> bytes:
        """The records that hold these pieces, at least one for each."""
        for piece in pieces:
            self._tls.write(piece)
        return self._outgoing.read()

    def sendall(self, data: bytes) -> None:
        self.sock.sendall(self.seal([data] if data else []))

    def recv(self, size: int) -> bytes:
        """b"" when the other side has ended; `clean` says how."""
        while True:
            try:
                data = self._tls.read(size)
            except ssl.SSLWantReadError:
                if not self._take():
                    return b""
                continue
            except ssl.SSLZeroReturnError:  # instead of b"" once our own close_notify has gone out
                data = b""
            self.clean = self.clean or not data
            return data

    def end_side(self) -> None:
        """Send close_notify and a FIN, and go on reading."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._flush()
        self.sock.shutdown(socket.SHUT_WR)

    def settimeout(self, seconds: float | None) -> None:
        self.sock.settimeout(seconds)

    def close(self) -> None:
        self.sock.close()

    def _flush(self) -> None:
        self.sock.sendall(self._outgoing.read())

    def _take(self) -> bool:
        try:
            data = self.sock.recv(PIECE)
        except ConnectionError:
            return False
        self._incoming.write(data)
        return bool(data)
