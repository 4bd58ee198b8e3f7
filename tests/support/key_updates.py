"""A TLS 1.3 client that sends key updates without end, which neither Python's ssl nor pyOpenSSL can: OpenSSL by ctypes.

As a program of its own, because it neither reads nor rests: python -m tests.support.key_updates PORT CERTIFICATE ASKED
(CERTIFICATE may be -; ASKED is 1 to demand an answer to each). Prints how many it could send before it was cut off.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import socket
import sys
import time

LIBRARY = ctypes.util.find_library("ssl")
PATIENCE = 10.0


def flood(port: int, certificate: str, asked: int) -> int | None:
    """Updates sent until the gateway had enough; None if it never had."""
    ssl = ctypes.CDLL(LIBRARY)
    for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
        getattr(ssl, name).restype = ctypes.c_void_p
    context = ctypes.c_void_p(ssl.SSL_CTX_new(ctypes.c_void_p(ssl.TLS_client_method())))
    if certificate != "-":
        key = certificate.replace(".pem", ".key")
        assert ssl.SSL_CTX_use_certificate_file(context, certificate.encode(), 1) == 1
        assert ssl.SSL_CTX_use_PrivateKey_file(context, key.encode(), 1) == 1
    with socket.create_connection(("127.0.0.1", port)) as sock:
        connection = ctypes.c_void_p(ssl.SSL_new(context))
        ssl.SSL_set_fd(connection, sock.fileno())
        assert ssl.SSL_connect(connection) == 1
        sent, end = 0, time.monotonic() + PATIENCE
        while time.monotonic() < end:
            ssl.SSL_key_update(connection, asked)
            if ssl.SSL_do_handshake(connection) != 1:
                return sent
            sent += 1
    return None


if __name__ == "__main__":
    print(flood(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
