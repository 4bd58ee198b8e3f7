"""Child processes of the demo: each in a session of its own, and all of them gone when the demo is.

A session of its own keeps Ctrl-C from reaching the children before the stage ends them in order. Where util-linux
is installed `setpriv --pdeathsig` has the kernel end them even if the demo itself is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

POLL = 0.05
"""Seconds between two looks at something awaited."""


class NotReady(Exception):
    """Something did not come to pass within its deadline, or a child ended by itself."""


class Child:
    """One process and whatever it starts; its output goes to `log`."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        """Start from the main thread only: the kernel ties the child to the thread that starts it."""
        self.name = name
        self.log = log
        setpriv = shutil.which("setpriv")
        tie = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603
                [*tie, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL to it and all its descendants; returns when it is reaped."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def terminate(self) -> None:
        """SIGTERM to it alone: it may want to end its own children in order."""
        self._process.terminate()

    def end(self, deadline: float) -> None:
        """Wait until monotonic time `deadline` for an orderly end, then kill the group, left-overs included."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        self._signal(signal.SIGKILL)
        self._process.wait()

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:].strip()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)  # its session's group, which outlives the leader


def end_all(children: Sequence[Child], grace: float) -> None:
    """`grace`: seconds for all of them together."""
    for child in children:
        child.terminate()
    deadline = time.monotonic() + grace
    for child in children:
        child.end(deadline)


async def until(look: Callable[[], Awaitable[bool]], what: str, within: float) -> float:
    """Seconds until `look` was true; NotReady names `what` if it was not `within` that many seconds."""
    start = time.monotonic()
    while not await look():
        if time.monotonic() - start > within:
            raise NotReady(f"{what}: not within {within:g} s")
        await asyncio.sleep(POLL)
    return time.monotonic() - start


def free_ports(count: int) -> list[int]:
    """Ports free for TCP and UDP a moment ago."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        while len(found) < count:
            tcp = held.enter_context(socket.socket())
            udp = held.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            tcp.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):  # another program's UDP port: try the next
                udp.bind(tcp.getsockname())
                found.append(int(tcp.getsockname()[1]))
    return found


def children(pid: int) -> list[int]:
    """Living children of a process (zombies left out)."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it has gone
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return [child for child in found if command_line(child)]


def command_line(pid: int) -> bytes:
    """Empty for zombies and for processes that have gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
