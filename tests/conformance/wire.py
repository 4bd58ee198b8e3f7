"""The client's side of a case: octets out, whole or one TLS record per octet, and whatever comes back.

Nothing here waits for nothing to happen. A case ends when the connection is closed or when the answer to the marker, a
request behind the case's octets, has come.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import NamedTuple

from tests.support.lockstep import in_pieces
from tests.support.sealed import Sealed

PATIENCE = 20.0
"""Seconds without a single octet before a case has failed."""
QUIET = 0.7
HURRY = 5.0
"""For proxies that are only compared with: silence after which they are told that nothing more will come, and after
which they are given up."""
PIECE = 1 << 16


class Caught(NamedTuple):
    """What came back."""

    octets: bytes
    ended: bool
    """The other side has closed; else the awaited octets have come."""
    clean: bool
    """It said so by close_notify; always true without TLS."""


class Silence(Exception):
    """Neither an answer nor an end."""


def talk_plain(path: str, data: bytes, *, fin: bool, until: bytes) -> Caught:
    """Without TLS, through a Unix socket, all at once."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(HURRY if fin else QUIET)
        sock.connect(path)
        with contextlib.suppress(ConnectionError):
            sock.sendall(data)
            if fin:
                sock.shutdown(socket.SHUT_WR)
        got = b""
        while until not in got:
            try:
                piece = _take(sock, got)
            except Silence:
                if fin:
                    raise
                fin = True
                sock.settimeout(HURRY)
                sock.shutdown(socket.SHUT_WR)
                continue
            if not piece:
                return Caught(got, ended=True, clean=True)
            got += piece
        return Caught(got, ended=False, clean=True)


def talk_tls(port: int, context: ssl.SSLContext, data: bytes, *, singly: bool, fin: bool, until: bytes) -> Caught:
    """`singly`: every octet in a record of its own, so that the gateway reads it alone, however TCP joins them."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = Sealed(sock, context)
        records = tls.seal(in_pieces(data) if singly else [data])
        with contextlib.suppress(ConnectionError):
            sock.sendall(records)
            if fin:
                sock.shutdown(socket.SHUT_WR)
        got = b""
        while until not in got:
            try:
                piece = tls.recv(PIECE)
            except TimeoutError:
                raise Silence(f"no answer and no end; so far: {got!r}") from None
            if not piece:
                return Caught(got, ended=True, clean=tls.clean)
            got += piece
        return Caught(got, ended=False, clean=True)


def _take(sock: socket.socket, so_far: bytes) -> bytes:
    try:
        return sock.recv(PIECE)
    except ConnectionError:
        return b""
    except TimeoutError:
        raise Silence(f"no answer and no end; so far: {so_far!r}") from None
