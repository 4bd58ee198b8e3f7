"""A TLS 1.3 node that sends key updates for some seconds before it answers, as fast as it can: OpenSSL by ctypes.

python -m tests.support.updating_node CERTIFICATE KEY SECONDS prints its port and serves until it is ended.
"""

from __future__ import annotations

import ctypes
import socket
import sys
import time

from tests.support.key_updates import openssl, update

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsettled"


def serve(certificate: str, key: str, seconds: float) -> None:
    ssl, context = openssl("TLS_server_method")
    assert ssl.SSL_CTX_use_certificate_chain_file(context, certificate.encode()) == 1
    assert ssl.SSL_CTX_use_PrivateKey_file(context, key.encode(), 1) == 1
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    room = ctypes.create_string_buffer(65_536)
    while True:
        sock, _ = listener.accept()
        connection = ctypes.c_void_p(ssl.SSL_new(context))
        ssl.SSL_set_fd(connection, sock.fileno())
        if ssl.SSL_accept(connection) == 1 and ssl.SSL_read(connection, room, len(room)) > 0:
            end = time.monotonic() + seconds
            while time.monotonic() < end and update(ssl, connection, 0):
                pass
            ssl.SSL_write(connection, ANSWER, len(ANSWER))
        sock.close()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], float(sys.argv[3]))
