"""Octets that arrive one at a time: each is sent when the program at the other end has read the one before.

Plain TCP on loopback joins what is written in pieces; only the kernel knows what has been read.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

from tests.support.segments import wait_until_read

SINGLE = 2048
"""So many octets at either end always travel alone."""
ODD = 61


def in_pieces(data: bytes) -> Iterator[bytes]:
    """Octet by octet; only the middle of what is very long, in which one octet is like the other, in odd pieces."""
    at = 0
    while at < len(data):
        middle = len(data) - SINGLE - at
        size = min(ODD, middle) if at >= SINGLE and middle > 0 else 1
        yield data[at : at + size]
        at += size


def send_in_octets(sock: socket.socket, data: bytes) -> None:
    """Until all is read, or the reader has closed its end. TCP_NODELAY is the caller's affair."""
    for piece in in_pieces(data):
        sock.sendall(piece)
        if not wait_until_read(sock):
            return
