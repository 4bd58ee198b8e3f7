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
from typing import Self

LIBRARY = ctypes.util.find_library("ssl")
PATIENCE = 10.0


def openssl(method: str) -> tuple[ctypes.CDLL, ctypes.c_void_p]:
    """The library, and a new context of this method."""
    ssl = ctypes.CDLL(LIBRARY)
    for name in (method, "SSL_CTX_new", "SSL_new"):
        getattr(ssl, name).restype = ctypes.c_void_p
    return ssl, ctypes.c_void_p(ssl.SSL_CTX_new(ctypes.c_void_p(getattr(ssl, method)())))


def update(ssl: ctypes.CDLL, connection: ctypes.c_void_p, asked: int) -> bool:
    """Send one key update; whether it could be sent."""
    ssl.SSL_key_update(connection, asked)
    return bool(ssl.SSL_do_handshake(connection) == 1)


class Updating:
    """One connection to the gateway on this port of the loopback; `certificate` is the PEM file or -."""

    def __init__(self, port: int, certificate: str, *, window: int = 0) -> None:
        """`window`: octets of the receive buffer, where it shall be small."""
        self._ssl, context = openssl("TLS_client_method")
        ssl = self._ssl
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

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def update(self, asked: int) -> bool:
        """Send one; whether it could be sent."""
        return update(self._ssl, self._connection, asked)

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
