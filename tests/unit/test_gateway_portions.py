"""The same for many, without a stop for others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from gateway.portions import PORTION, in_portions


class Session:
    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


def run(sessions: list[Session], done: list[str]) -> None:
    async def life() -> None:
        in_portions(asyncio.get_running_loop(), lambda session: session.work(), sessions)  # type: ignore[attr-defined]
        for _ in sessions:
            done.append("others")
            await asyncio.sleep(0)

    asyncio.run(life())


def test_each_is_done_once_and_others_have_their_turns() -> None:
    done: list[str] = []

    def work(name: str) -> Callable[[], None]:
        def slow() -> None:
            time.sleep(PORTION / 3)
            done.append(name)

        return slow

    names = [f"{number:02}" for number in range(20)]
    run([Session(work(name)) for name in names], done)
    assert [name for name in done if name != "others"] == names
    assert max(len(stretch.split()) for stretch in " ".join(done).split("others")) <= 4


def test_an_error_ends_one_of_them() -> None:
    done: list[str] = []

    def fails() -> None:
        raise RuntimeError("unexpected")

    sessions = [Session(lambda: done.append("a")), Session(fails), Session(lambda: done.append("c"))]
    run(sessions, done)
    assert [name for name in done if name != "others"] == ["a", "c"]
    assert [session.aborted for session in sessions] == [False, True, False]


def test_nobody_is_nothing() -> None:
    done: list[str] = []
    run([], done)
    assert not done
