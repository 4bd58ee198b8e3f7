"""What the kernel knows of two sockets of this machine, and what it does to them that else only a bad network does."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import time
from typing import NamedTuple

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLMSG_ERROR = 2
ESTABLISHED, CLOSE_WAIT = 1, 8
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
TCP_REPAIR = 19
PATIENCE = 20.0


class Queues(NamedTuple):
    """Octets that a socket holds."""

    unread: int
    unacknowledged: int
    """Written, and not yet known to have arrived at the other kernel."""


def queues(local: tuple[str, int], remote: tuple[str, int]) -> Queues | None:
    """Those of an open socket on loopback, whoever owns it; None if it is closed, or half closed by its owner."""
    ports = struct.pack("!HH", local[1], remote[1])
    addresses = b"".join(socket.inet_aton(host).ljust(16, b"\0") for host in (local[0], remote[0]))
    asked = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
    asked += ports + addresses + struct.pack("=I8s", 0, b"\xff" * 8)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.send(struct.pack("=IHHII", 16 + len(asked), SOCK_DIAG_BY_FAMILY, 1, 1, 0) + asked)
        answer = kernel.recv(8192)
    if struct.unpack_from("=H", answer, 4)[0] == NLMSG_ERROR or answer[17] not in (ESTABLISHED, CLOSE_WAIT):
        return None
    return Queues(*struct.unpack_from("=II", answer, 16 + 4 + 48 + 4))


def wait_until_read(sock: socket.socket) -> bool:
    """Until the program at the other end has read everything; False if it has closed."""
    deadline = time.monotonic() + PATIENCE
    there, here = sock.getpeername(), sock.getsockname()
    while (found := queues(there, here)) is not None and found.unread:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{found.unread} octets are not read")
        os.sched_yield()
    return found is not None


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


_DROP = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))  # one instruction: keep 0 octets


def deafen(sock: socket.socket) -> None:
    """From now on every segment to this socket is lost, and so never acknowledged; what it sends still arrives."""
    program = _Program(1, ctypes.addressof(_DROP))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(program))


def hear(sock: socket.socket) -> None:
    """The end of `deafen`; what was lost is sent again by its sender."""
    sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def can_vanish() -> bool:
    with socket.socket() as sock:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        except OSError:
            return False
    return True


def vanish(sock: socket.socket) -> None:
    """Close without telling the other side, as if the FIN were still on its way: the next segment meets a reset."""
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    sock.close()
