"""Where access-log lines go: a file, standard output, or nowhere. Writes never wait and never raise.

Standard output is shared with the parent process, perhaps with a shell or a service manager. Making *it*
non-blocking would change it for all of them, so a description of our own is opened on the same pipe or terminal.
A socket cannot be opened that way; there each send says MSG_DONTWAIT.
"""

from __future__ import annotations

import os
import select
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, Protocol

PIPE_ATOMIC: Final = select.PIPE_BUF
"""A write up to this size into a pipe is never mixed with another process's (POSIX write(2)): 4,096 on Linux."""
_OPEN: Final = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Sink(Protocol):
    """Takes whole lines."""

    @property
    def silent(self) -> bool:
        """Nothing is ever written: lines need not be made."""

    @property
    def atomic(self) -> bool:
        """Only writes up to PIPE_ATOMIC octets stay in one piece."""

    def write(self, lines: list[str]) -> int:
        """How many of the lines, from the front, are out in whole: fewer when the sink is full or failing."""

    def reopen(self) -> str | None:
        """Open the path anew if another file has taken its place. What went wrong in words, else None."""

    def close(self) -> None:
        """Let go of the descriptor; harmless twice."""


class Nowhere:
    """`access: none`."""

    silent = True
    atomic = False

    def write(self, lines: list[str]) -> int:
        return len(lines)

    def reopen(self) -> str | None:
        return None

    def close(self) -> None:
        pass


class Descriptor:
    """One open descriptor; with a path it can be opened again, without one it cannot."""

    __slots__ = ("_broken", "_fd", "_path", "_put", "atomic", "problem", "silent")

    def __init__(self, fd: int, path: Path | None = None) -> None:
        self._path = path
        self._broken = False
        self.silent = False
        self.problem: str | None = None
        """Why the last write or open failed, in words; None while all is well."""
        self._fd = -1
        self._put: Callable[[int, bytes], int] = os.write
        self.atomic = True
        if fd >= 0:
            self._adopt(fd)

    def __repr__(self) -> str:
        state = self.problem or "well"
        return f"<Descriptor {self._path or self._fd}, {state}>"

    def write(self, lines: list[str]) -> int:
        if not self._usable():
            return 0
        # A write that ended inside a line left a fragment behind: end it, then give that line again in whole.
        lead = "\n" if self._broken else ""
        data = (lead + "".join(lines)).encode("ascii")
        try:
            sent = self._put(self._fd, data)
        except BlockingIOError:
            self.problem = "full"
            return 0
        except OSError as error:
            self.problem = error.strerror or str(error)
            return 0
        if sent == len(data):
            self._broken = False
            self.problem = None
            return len(lines)
        self.problem = "full"
        return self._cut(lines, sent, len(lead))

    def reopen(self) -> str | None:
        if self._path is None or self._is_current():
            return None
        try:
            fd = _open(self._path)
        except OSError as error:
            return f"{self._path}: {error.strerror}"  # the old file stays in use
        self.close()
        self._adopt(fd)
        self._broken = False
        return None

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _adopt(self, fd: int) -> None:
        self._fd = fd
        mode = os.fstat(fd).st_mode
        self.atomic = not stat.S_ISREG(mode)
        self._put = _send if stat.S_ISSOCK(mode) else os.write

    def _usable(self) -> bool:
        """Try a path that could not be opened before: a missing folder or a FIFO without reader may be there now."""
        if self._fd < 0 and self._path is not None:
            self.problem = self.reopen()
        return self._fd >= 0

    def _is_current(self) -> bool:
        if self._fd < 0 or self._path is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._fd), self._path.stat())
        except OSError:
            return False

    def _cut(self, lines: list[str], sent: int, lead: int) -> int:
        if sent == 0:
            return 0
        sent -= lead
        for index, line in enumerate(lines):
            if sent < len(line):
                self._broken = sent > 0
                return index
            sent -= len(line)
        raise AssertionError("a short write sent everything")


def open_sink(target: Literal["stdout", "none"] | Path) -> Sink:
    """Never raises: a file that cannot be opened is tried again at each write, `problem` says why."""
    if target == "none":
        return Nowhere()
    if target == "stdout":
        return Descriptor(_own_description(1))
    path = Path(target)
    try:
        return Descriptor(_open(path), path)
    except OSError as error:
        sink = Descriptor(-1, path)
        sink.problem = f"{path}: {error.strerror}"
        return sink


def _open(path: Path) -> int:
    return os.open(path, _OPEN | os.O_CREAT, 0o640)


def _send(fd: int, data: bytes) -> int:
    with socket.socket(fileno=os.dup(fd)) as sock:
        return sock.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def _own_description(fd: int) -> int:
    """A non-blocking descriptor for what `fd` leads to, leaving `fd` itself as it is where possible."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode) or stat.S_ISREG(mode):
        # Of a file (`> out.log`) the write position is to be shared too, else we and our parent overwrite each other.
        return os.dup(fd)
    try:
        return os.open(f"/proc/self/fd/{fd}", _OPEN)
    except OSError:
        # Another user's pipe: no choice but to change the shared description.
        own = os.dup(fd)
        os.set_blocking(own, False)
        return own
