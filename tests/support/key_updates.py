"""A TLS 1.3 client that sends key updates, which neither Python's ssl nor pyOpenSSL can: OpenSSL by ctypes.

As a program of its own it sends them without end, because it neither reads nor rests:
python -m tests.support.key_updates PORT CERTIFICATE ASKED (CERTIFICATE may be -; ASKED is 1 to demand an answer to
each). Prints how many it could send before it was cut off.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import socket
import sys
import time
from types import TracebackType
from typing import Self

LIBRARY = ctypes.util.find_library("ssl")
PATIENCE = 10.0


class Updating:
    """One connection to the gateway on this port of the loopback; `certificate` is the PEM file or -."""

    def __init__(self, port: int, certificate: str, *, window: int = 0) -> None:
        """`window`: octets of the receive buffer, where it shall be small."""
        self._ssl = ssl = ctypes.CDLL(LIBRARY)
        for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
            getattr(ssl, name).restype = ctypes.c_void_p
        context = ctypes.c_void_p(ssl.SSL_CTX_new(ctypes.c_void_p(ssl.TLS_client_method())))
        if certificate != "-":
            key = certificate.replace(".pem", ".key")
            assert ssl.SSL_CTX_use_certificate_file(context, certificate.encode(), 1) == 1
            assert ssl.SSL_CTX_use_PrivateKey_file(context, key.encode(), 1) == 1
        self.sock = socket.socket()
        if window:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.sock.connect(("127.0.0.1", port))
        self._connection = ctypes.c_void_p(ssl.SSL_new(context))
        ssl.SSL_set_fd(self._connection, self.sock.fileno())
        assert ssl.SSL_connect(self._connection) == 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()

    def update(self, asked: int) -> bool:
        """Send one; whether it could be sent."""
        self._ssl.SSL_key_update(self._connection, asked)
        return bool(self._ssl.SSL_do_handshake(self._connection) == 1)

    def send(self, data: bytes) -> None:
        assert self._ssl.SSL_write(self._connection, data, len(data)) == len(data)

    def recv(self, size: int) -> bytes:
        """b"" at the end, whatever it is."""
        room = ctypes.create_string_buffer(size)
        got = self._ssl.SSL_read(self._connection, room, size)
        return room.raw[: max(got, 0)]


def flood(port: int, certificate: str, asked: int) -> int | None:
    """Updates sent until the gateway had enough; None if it never had."""
    with Updating(port, certificate) as client:
        sent, end = 0, time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if not client.update(asked):
                return sent
            sent += 1
    return None


if __name__ == "__main__":
    print(flood(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
