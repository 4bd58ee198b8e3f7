"""Children without processes: channels are real, so what they are told can be read at the other end."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gateway import crew as module
from gateway.channel import Channel, Message
from gateway.children import Child
from gateway.crew import Crew
from gateway.events import SIGNALS, Events


class Puppet(Child):
    """Remembers what it is told and which signals it got; answers what the test has it answer."""

    __slots__ = ("signals", "theirs")

    def __init__(self, name: str, pid: int, index: int = -1, row: int = -1) -> None:
        ours, self.theirs = Channel.pair()
        super().__init__(name, pid, ours, index=index, row=row)
        self.signals: list[int] = []

    def kill(self, number: int) -> None:
        if not self.gone:
            self.signals.append(number)

    def told(self) -> list[str]:
        """Kinds of the messages since the last call; numbers that matter behind a colon."""
        found = []
        while received := self.theirs.receive():
            message, fds = received
            for fd in fds:
                os.close(fd)
            number = message.get("index", message.get("generation"))
            found.append(message["kind"] if number is None else f"{message['kind']}:{number}")
        return found


class Stage:
    """A crew of puppets, and the deaths that the kernel reports of them."""

    def __init__(self, events: Events, workers: int, monkeypatch: Any) -> None:
        self.now = 1000.0
        self.puppets: list[Puppet] = []
        self.deaths: deque[tuple[int, int]] = deque()
        self.cleared: list[int] = []
        self.unable = False
        """Nothing can be started."""
        self.crew = Crew(events)
        self.crew.board = _Board(2 * workers, self.cleared)  # type: ignore[assignment]
        self.crew.admin = _Closed()  # type: ignore[assignment]
        self.crew.force = _Force()  # type: ignore[assignment]
        monkeypatch.setattr(module, "fork_worker", self._fork)
        monkeypatch.setattr(module, "start_control", lambda *_: self._start("control", -1, -1))
        monkeypatch.setattr(os, "waitpid", self._waitpid)
        monkeypatch.setattr("time.monotonic", lambda: self.now)

    def _fork(self, _force: object, _board: object, index: int, row: int, *, in_child: Callable[[], None]) -> Puppet:
        return self._start(f"worker {index}", index, row)

    def _start(self, name: str, index: int, row: int) -> Puppet:
        if self.unable:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        puppet = Puppet(name, 50_000 + len(self.puppets), index, row)
        puppet.started = self.now
        self.puppets.append(puppet)
        return puppet

    def _waitpid(self, _pid: int, _options: int) -> tuple[int, int]:
        return self.deaths.popleft() if self.deaths else (0, 0)

    def dies(self, child: Child, status: int = signal.SIGKILL) -> None:
        assert isinstance(child, Puppet)
        child.theirs.close()
        self.deaths.append((child.pid, status))
        self.crew.reap()

    def worker(self, index: int) -> Puppet:
        child = self.crew.workers[index]
        assert isinstance(child, Puppet)
        return child

    def ready(self, index: int) -> Puppet:
        child = self.worker(index)
        self.crew.is_ready(child)
        return child

    def full(self, workers: int) -> None:
        """All are there and accept."""
        for index in range(workers):
            self.crew.start_worker(index)
        for index in range(workers):
            self.ready(index)
            self.worker(index).told()


class _Board:
    def __init__(self, rows: int, cleared: list[int]) -> None:
        self.rows = tuple(range(rows))
        self._cleared = cleared

    def clear_gauges(self, row: int) -> None:
        self._cleared.append(row)


class _Closed:
    closed = False

    def close(self) -> None:
        self.closed = True


class _Force:
    def __init__(self) -> None:
        self.sockets: dict[tuple[str, str], list[Any]] = {}
        self.for_control = _Closed()


@contextmanager
def events(on_signals: Callable[[set[int]], None] = lambda _: None) -> Iterator[Events]:
    """As in the supervisor; afterwards signals mean again what they meant before."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    made = Events(on_signals)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def say(puppet: Puppet, kind: str, **values: Any) -> Message:
    puppet.theirs.send(kind, **values)
    return {"kind": kind, "fds": 0, **values}
