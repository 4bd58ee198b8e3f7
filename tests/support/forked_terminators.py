"""Workers for real: blank contexts made before the fork, configured after it, and a client that goes from one to
the next with its session. Run as a program, because a test process may have threads and must not fork.

Prints one JSON object per TLS version: step → [resumed, verified, certificate's subject].
"""

from __future__ import annotations

import json
import os
import socket
import traceback

from OpenSSL import SSL

from certs.contexts import blank_stock
from tests.support.pki import Pki
from tests.support.tls import VERSIONS, Client, terminator

WORKERS = {"first": (0, "settlement"), "second": (0, "settlement"), "rotated": (1, "settlement"), "other": (0, "other")}
"""Worker → (index in the stock, listener)."""


def serve(listening: socket.socket, pki: Pki, base: SSL.Context, listener: str) -> None:
    gate = terminator(pki, base=base, listener=listener)
    while True:
        sock, _ = listening.accept()
        connection = gate.accept(sock)
        connection.do_handshake()
        evidence = gate.finish(connection)
        subject = evidence.credential.subject if evidence.credential else ""
        connection.sendall(json.dumps([evidence.resumed, evidence.verified, subject]).encode())
        connection.shutdown()
        sock.close()


def visit(client: Client, port: int, session: SSL.Session | None) -> tuple[list[object], SSL.Session | None]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.settimeout(None)  # pyOpenSSL wants a blocking descriptor
        connection = SSL.Connection(client.context, sock)
        connection.set_connect_state()
        if session is not None:
            connection.set_session(session)
        connection.do_handshake()
        answer = json.loads(connection.recv(4096))
        kept = connection.get_session()
        connection.shutdown()
        return answer, kept


def main() -> None:
    pki = Pki()
    pki.issuing_crl  # noqa: B018 - all files before the fork
    stock = blank_stock(2)
    ports: dict[str, int] = {}
    children: list[int] = []
    for name, (index, listener) in WORKERS.items():
        listening = socket.create_server(("127.0.0.1", 0))
        ports[name] = listening.getsockname()[1]
        child = os.fork()
        if child == 0:
            try:
                serve(listening, pki, stock[index], listener)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
        listening.close()
    try:
        for version in VERSIONS:
            client, session = Client(pki.hospital, version), None
            steps: dict[str, list[object]] = {}
            steps["full"], first = visit(client, ports["first"], session)
            steps["same worker"], session = visit(client, ports["first"], first)
            steps["other worker"], session = visit(client, ports["second"], first)
            steps["rotated"], _ = visit(client, ports["rotated"], first)
            steps["other listener"], _ = visit(client, ports["other"], first)
            print(json.dumps(steps))
    finally:
        for child in children:
            os.kill(child, 9)
            os.waitpid(child, 0)


if __name__ == "__main__":
    main()
