"""Octets that arrive one at a time: each is sent when the program at the other end has read the one before.

Plain TCP on loopback joins what is written in pieces; only the kernel knows what has been read. It is asked through
sock_diag.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLMSG_ERROR = 2
ESTABLISHED, CLOSE_WAIT = 1, 8
PATIENCE = 20.0
SINGLE = 2048
"""So many octets at either end always travel alone."""
ODD = 61


def in_pieces(data: bytes) -> Iterator[bytes]:
    """Octet by octet; only the middle of what is very long, in which one octet is like the other, in odd pieces."""
    at = 0
    while at < len(data):
        size = ODD if SINGLE <= at < len(data) - SINGLE else 1
        yield data[at : at + size]
        at += size


def send_in_octets(sock: socket.socket, data: bytes) -> None:
    """Until all is read, or the reader has closed its end. TCP_NODELAY is the caller's affair."""
    for piece in in_pieces(data):
        sock.sendall(piece)
        if not wait_until_read(sock):
            return


def wait_until_read(sock: socket.socket) -> bool:
    """False if the reader has closed its end."""
    deadline = time.monotonic() + PATIENCE
    question = _question(sock.getpeername(), sock.getsockname())
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        while (waiting := _unread(kernel, question)) > 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{waiting} octets are not read")
            os.sched_yield()
    return waiting == 0


def _question(local: tuple[str, int], remote: tuple[str, int]) -> bytes:
    ports = struct.pack("!HH", local[1], remote[1])
    addresses = b"".join(socket.inet_aton(host).ljust(16, b"\0") for host in (local[0], remote[0]))
    asked = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
    asked += ports + addresses + struct.pack("=I8s", 0, b"\xff" * 8)
    return struct.pack("=IHHII", 16 + len(asked), SOCK_DIAG_BY_FAMILY, 1, 1, 0) + asked


def _unread(kernel: socket.socket, question: bytes) -> int:
    """Octets that wait in the receive queue of that socket, -1 if it is not open any more."""
    kernel.send(question)
    answer = kernel.recv(8192)
    kind = struct.unpack_from("=H", answer, 4)[0]
    if kind == NLMSG_ERROR or answer[17] not in (ESTABLISHED, CLOSE_WAIT):
        return -1
    return int(struct.unpack_from("=I", answer, 16 + 4 + 48 + 4)[0])
