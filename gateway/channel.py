"""Messages between the supervisor and its children: one JSON object each, with descriptors beside it.

Sequenced packets on a UNIX socket keep the messages apart. No end ever waits: a child that has stopped reading must
not stop the supervisor, so what no longer fits counts as a closed channel. What is large (a configuration with its
files) travels as a memfd: written once, sealed, read by every child, so all of them run the very same octets. From
workers and `control` the supervisor takes JSON and nothing else, no pickle and no descriptor.
"""

from __future__ import annotations

import array
import fcntl
import json
import os
import pickle
import socket
from collections.abc import Sequence
from typing import Any, Final

LIMIT: Final = 65_536
"""Octets of one message."""
DESCRIPTORS: Final = 250
"""Beside one message: below Linux's 253."""

Message = dict[str, Any]


class ChannelClosedError(Exception):
    """The other side is gone, has stopped reading, or says what is no message."""


class DescriptorsLostError(Exception):
    """A message has arrived without its descriptors: this process may open no more. `message` is the rest of it."""

    def __init__(self, message: Message) -> None:
        super().__init__(f"{message['kind']}: too many open files to take what came with it")
        self.message = message


class Channel:
    """One end."""

    def __init__(self, sock: socket.socket, *, takes_descriptors: bool = True) -> None:
        sock.setblocking(False)
        self.sock = sock
        size = array.array("i").itemsize
        self._ancillary = socket.CMSG_SPACE(DESCRIPTORS * size) if takes_descriptors else 0

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """The supervisor's end and the child's. From a child no descriptor is taken."""
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(left, takes_descriptors=False), cls(right)

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(self, kind: str, fds: Sequence[int] = (), **values: Any) -> None:
        """Raises ChannelClosedError, and ValueError for what is too large for one message."""
        data = json.dumps({"kind": kind, "fds": len(fds), **values}).encode()
        if len(data) > LIMIT or len(fds) > DESCRIPTORS:
            raise ValueError(f"{kind}: {len(data)} octets and {len(fds)} descriptors are too much for one message")
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self.sock.sendmsg([data], ancillary, socket.MSG_NOSIGNAL)
        except OSError as error:
            raise ChannelClosedError(str(error)) from None

    def receive(self) -> tuple[Message, list[int]] | None:
        """The next message and its descriptors; None when none waits.

        Raises ChannelClosedError at the end, and DescriptorsLostError.
        """
        try:
            data, ancillary, flags, _ = self.sock.recvmsg(LIMIT, self._ancillary, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            raise ChannelClosedError(str(error)) from None
        fds = array.array("i")
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
        try:
            message = _decoded(data, truncated=bool(flags & socket.MSG_TRUNC))
            if self._ancillary and len(fds) != message.get("fds", 0):
                raise DescriptorsLostError(message)
        except (ChannelClosedError, DescriptorsLostError):
            for fd in fds:
                os.close(fd)
            raise
        return message, list(fds)

    def close(self) -> None:
        self.sock.close()


def _decoded(data: bytes, *, truncated: bool) -> Message:
    if not data:
        raise ChannelClosedError("closed")
    if truncated:
        raise ChannelClosedError("a message is too long")
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        raise ChannelClosedError("a message is not JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
        raise ChannelClosedError("a message has no kind")
    return message


def pack(what: object) -> int:
    """A sealed memfd with a pickle; the caller closes it."""
    fd = os.memfd_create("settlegate-bundle", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with os.fdopen(os.dup(fd), "wb") as file:
            pickle.dump(what, file, pickle.HIGHEST_PROTOCOL)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        os.close(fd)
        raise
    return fd


def unpack(fd: int) -> Any:
    """What was packed. Only for descriptors that came from the supervisor, or from a fork of it."""
    # pread, because all children share one file offset.
    return pickle.loads(os.pread(fd, os.fstat(fd).st_size, 0))  # noqa: S301 - our own supervisor wrote it
