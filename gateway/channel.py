"""Messages between the supervisor and its children: one JSON object each, with descriptors beside it.

Sequenced packets on a UNIX socket keep the messages apart. What is large (a configuration with its files) travels
as a memfd: written once, sealed, mapped by every child, so all of them run the very same octets. Children are
never unpickled: from them only JSON is taken.
"""

from __future__ import annotations

import array
import fcntl
import json
import os
import pickle
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gateway.snapshot import Bundle

LIMIT: Final = 65_536
"""Octets of one message."""
DESCRIPTORS: Final = 250
"""Below Linux's 253 for one message."""

Message = dict[str, Any]


class ChannelClosedError(Exception):
    """The other side is gone."""


class Channel:
    """One end. Blocking in the supervisor, non-blocking in the children's loops."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(left), cls(right)

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(self, kind: str, fds: Sequence[int] = (), **values: Any) -> None:
        """Raises ChannelClosedError. A message that does not fit the socket's buffer for 5 s counts as closed."""
        data = json.dumps({"kind": kind, **values}).encode()
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self.sock.sendmsg([data], ancillary, socket.MSG_NOSIGNAL)
        except OSError as error:
            raise ChannelClosedError(str(error)) from None

    def receive(self) -> tuple[Message, list[int]] | None:
        """The next message and its descriptors; None when none waits. Raises ChannelClosedError at the end."""
        fds = array.array("i")
        try:
            data, ancillary, _, _ = self.sock.recvmsg(
                LIMIT, socket.CMSG_SPACE(DESCRIPTORS * fds.itemsize), socket.MSG_CMSG_CLOEXEC
            )
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            raise ChannelClosedError(str(error)) from None
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
        if not data:
            raise ChannelClosedError("closed")
        return json.loads(data), list(fds)

    def close(self) -> None:
        self.sock.close()


def pack(bundle: Bundle) -> int:
    """A sealed memfd with the bundle; the caller closes it."""
    fd = os.memfd_create("settlegate-bundle", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(os.dup(fd), "wb") as file:
        pickle.dump(bundle, file, pickle.HIGHEST_PROTOCOL)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return fd


def unpack(fd: int) -> Bundle:
    """Only for descriptors that came from the supervisor."""
    # pread: all children share one file offset, and /proc/self is closed to a process that is not dumpable.
    bundle: Bundle = pickle.loads(os.pread(fd, os.fstat(fd).st_size, 0))  # noqa: S301 - our own supervisor wrote it
    return bundle
