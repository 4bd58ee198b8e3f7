"""Handshakes take turns."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import handshakes
from gateway.handshakes import Handshakes
from gateway.outbox import Outbox

STEP = 0.002


class Shaking:
    """A session whose step takes its time."""

    def __init__(self, name: str, done: list[str], error: Exception | None = None) -> None:
        self.name, self.done, self.error = name, done, error
        self.stream: Any = SimpleNamespace(closed=False, start_reading=lambda: None, stop_reading=self._stopped)
        self.stopped = 0
        self.aborted = False

    def _stopped(self) -> None:
        self.stopped += 1

    def shake(self) -> None:
        if self.error is not None:
            raise self.error
        time.sleep(STEP)
        self.done.append(self.name)

    def abort(self) -> None:
        self.aborted = True


def run(sessions: list[Shaking], done: list[str], turns: int = 50) -> None:
    """All of them become readable in one turn of the loop; everybody else's turns are noted between them."""

    async def life() -> None:
        line = Handshakes(asyncio.get_running_loop(), Outbox(asyncio.get_running_loop()))
        for session in sessions:
            line.step(session)  # type: ignore[arg-type]
        assert repr(line) == f"<Handshakes {sum(session.stopped for session in sessions)} waiting>"
        for _ in range(turns):
            await asyncio.sleep(0)
            done.append("others")

    asyncio.run(life())


def test_a_few_are_done_at_once() -> None:
    done: list[str] = []
    sessions = [Shaking(name, done) for name in "ab"]
    run(sessions, done)
    assert done[:3] == ["a", "b", "others"]
    assert not any(session.stopped for session in sessions)


def test_a_rush_is_served_in_its_order_and_everybody_else_between() -> None:
    done: list[str] = []
    names = [f"{number:02}" for number in range(20)]
    sessions = [Shaking(name, done) for name in names]
    run(sessions, done)
    assert [name for name in done if name != "others"] == names
    most = handshakes.BUDGET / STEP + 1
    stretches = " ".join(done).split("others")
    assert max(len(stretch.split()) for stretch in stretches) <= 2 * most, "the first was two turns of it"
    assert sum(session.stopped for session in sessions) >= len(names) - most


def test_who_has_left_is_passed_over_and_an_error_ends_one_only() -> None:
    done: list[str] = []
    sessions = [Shaking(name, done) for name in "abcdef"]
    sessions[3].stream.closed = True
    sessions[4].error = RuntimeError("unexpected")
    run(sessions, done)
    assert [name for name in done if name != "others"] == ["a", "b", "c", "f"]
    assert [session.aborted for session in sessions] == [False] * 4 + [True, False]


def test_an_error_at_once_is_the_stream_s_affair() -> None:
    with pytest.raises(RuntimeError):
        run([Shaking("a", [], RuntimeError("unexpected"))], [])
