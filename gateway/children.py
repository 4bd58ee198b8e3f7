"""The supervisor's children and how they are started: workers by fork, `control` by exec."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway import worker
from gateway.channel import Channel
from gateway.hardening import die_with_parent

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from OpenSSL import SSL

    from gateway.listening import Sockets
    from gateway.scoreboard import Scoreboard
    from gateway.snapshot import Bundle

log = logging.getLogger("settlegate.supervisor")


@dataclass(eq=False, slots=True)
class Child:
    """A process of ours. `row` and `index` are -1 for `control`."""

    name: str
    pid: int
    channel: Channel
    index: int = -1
    row: int = -1
    ready: bool = False
    leaving: bool = False
    """Told to go; its death needs no replacement."""
    started: float = field(default_factory=time.monotonic)

    def kill(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


def fork_worker(
    bundle: Bundle,
    stock: list[SSL.Context],
    board: Scoreboard,
    index: int,
    row: int,
    sockets: Sockets,
    *,
    in_child: Callable[[], None],
) -> Child:
    """Start a worker; `in_child` closes what of the supervisor is none of its business."""
    ours, theirs = Channel.pair()
    pid = os.fork()
    if pid:
        theirs.close()
        return Child(f"worker {index}", pid, ours, index=index, row=row)
    status = 70  # EX_SOFTWARE, if not even the exception below could be reported
    try:
        ours.close()
        in_child()
        die_with_parent(signal.SIGTERM)
        status = worker.run(bundle, stock, board, index, row, sockets, theirs)
    except BaseException:
        log.exception("worker %d ends on an unexpected error", index)
    finally:
        logging.shutdown()
        os._exit(status)


def start_control(board: Scoreboard, rows: int, admin: socket.socket) -> Child:
    """Start `control` in a fresh interpreter: it inherits no memory, so no private key can be in it."""
    ours, theirs = Channel.pair()
    fds = board.for_control()
    try:
        arguments = [
            *(sys.executable, "-m", "gateway.control"),
            *("--channel", str(theirs.fileno())),
            *("--admin", str(admin.fileno())),
            *("--board", ",".join(map(str, fds))),
            *("--rows", str(rows)),
        ]
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            arguments, pass_fds=(theirs.fileno(), admin.fileno(), *fds), stdin=subprocess.DEVNULL
        )
    finally:
        theirs.close()
        for fd in fds:
            os.close(fd)
    pid = process.pid
    process.returncode = 0  # reaped by the supervisor's own waitpid, not by Popen
    return Child("control", pid, ours)
