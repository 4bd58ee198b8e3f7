"""The supervisor's children and how they are started: workers by fork, `control` by exec."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gateway
from gateway import worker
from gateway.channel import Channel, ChannelClosedError
from gateway.hardening import die_with_parent, signals_held

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from typing import Any

    from gateway.in_force import InForce
    from gateway.scoreboard import Scoreboard

log = logging.getLogger("settlegate.supervisor")

CONTROL: Final = -1
"""Stands for an index where a worker has one."""
ROOT: Final = Path(gateway.__file__).parents[1]


@dataclass(eq=False, slots=True)
class Child:
    """A process of ours. `row` and `index` are CONTROL for `control`."""

    name: str
    pid: int
    channel: Channel
    index: int = CONTROL
    row: int = CONTROL
    ready: bool = False
    leaving: bool = False
    """Told to go; its death needs no replacement."""
    gone: bool = False
    """Has ended: its process id may be a stranger's by now."""
    kill_at: float = math.inf
    """Monotonic time at which it is ended if it has not by itself."""
    started: float = field(default_factory=time.monotonic)

    def kill(self, number: int) -> None:
        if not self.gone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end_by(self, when: float) -> None:
        self.kill_at = min(self.kill_at, when)

    def tell(self, kind: str, fds: Sequence[int] = (), **values: Any) -> bool:
        """False if it cannot be told: then it is ended, because one that does not listen is out of step."""
        if self.gone:
            return False
        try:
            self.channel.send(kind, fds, **values)
        except ChannelClosedError as error:
            log.warning("%s does not listen: %s", self.name, error)
            self.kill(signal.SIGKILL)
            return False
        return True


def fork_worker(force: InForce, board: Scoreboard, index: int, row: int, *, in_child: Callable[[], None]) -> Child:
    """Start a worker; `in_child` closes what of the supervisor is none of its business."""
    ours, theirs = Channel.pair()
    parent = os.getpid()
    try:
        with signals_held():
            pid = os.fork()
            if not pid:
                ours.close()
                _be_worker(force, board, index, row, theirs, parent, in_child)
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return Child(f"worker {index}", pid, ours, index=index, row=row)


def _be_worker(
    force: InForce,
    board: Scoreboard,
    index: int,
    row: int,
    channel: Channel,
    parent: int,
    in_child: Callable[[], None],
) -> None:
    status = os.EX_SOFTWARE  # if not even the exception below could be reported
    try:
        in_child()
        die_with_parent(signal.SIGTERM, parent)
        status = worker.run(force.bundle, force.stock, board, index, row, force.sockets, channel)
    except BaseException:
        log.exception("worker %d ends on an unexpected error", index)
    finally:
        logging.shutdown()
        os._exit(status)


def start_control(board: Scoreboard, admin: socket.socket) -> Child:
    """Start `control` in a fresh interpreter: it inherits no memory, so no private key can be in it."""
    ours, theirs = Channel.pair()
    fds = board.for_control()
    # Where we run from a source tree, it is found there; what is installed is found anyway.
    path = [os.environ.get("PYTHONPATH", ""), "" if str(ROOT) == sysconfig.get_path("purelib") else str(ROOT)]
    try:
        arguments = [
            # Not from the working directory (-P): whoever may write there would run his own `json`.
            *(sys.executable, "-P", "-m", "gateway.control"),
            *("--channel", str(theirs.fileno())),
            *("--admin", str(admin.fileno())),
            *("--board", ",".join(map(str, fds))),
            *("--rows", str(len(board.rows))),
            *("--parent", str(os.getpid())),
        ]
        with signals_held():
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                arguments,
                pass_fds=(theirs.fileno(), admin.fileno(), *fds),
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))},
            )
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
        for fd in fds:
            os.close(fd)
    pid = process.pid
    process.returncode = 0  # reaped by the supervisor's own waitpid, not by Popen
    return Child("control", pid, ours)
