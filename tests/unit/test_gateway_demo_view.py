"""Keys of a real (pseudo) terminal reach the stage, and the terminal is given back as it was."""

from __future__ import annotations

import asyncio
import io
import os
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from gateway.demo import view
from gateway.demo.account import Fates
from gateway.demo.processes import NotReady
from gateway.demo.script import Command
from gateway.demo.stage import NodeView, Stage
from gateway.demo.view import View


class FakeStage:
    url = "https://127.0.0.1:1"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "gateway.yaml"
        self.configuration.write_text("workers: 2\n" * 50)
        self.fates = Fates()
        self.weights = [1.0, 1.0, 1.0]
        self.actors = [SimpleNamespace(address=f"127.0.0.1:{at}", alive=True, memory=30, cpu=5) for at in (1, 2, 3)]
        self.state = "up"
        self.done: list[str] = []

    async def nodes(self) -> list[NodeView]:
        if self.state == "unknown":
            raise NotReady("admin API: away")
        return [NodeView(self.state, "服务 in service", 0, 1.0)] * 3

    def settled_by_node(self) -> dict[str, int]:
        return {"127.0.0.1:1": 12}

    def workers(self) -> list[int]:
        return [1, 2]

    def kill_node(self, number: int) -> None:
        self.done.append(f"kill {number}")
        self.actors[number - 1].alive = False

    def start_node(self, number: int) -> None:
        self.done.append(f"start {number}")

    async def set_load(self, number: int, **values: int) -> None:
        self.done.append(f"load {number} {values}")
        vars(self.actors[number - 1]).update(values)

    async def weigh(self, weights: list[float]) -> None:
        self.done.append(f"weigh {weights}")
        self.weights = weights

    def kill_worker(self) -> int:
        raise NotReady("the gateway has no worker")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The master side of a terminal that is our standard input."""
    master, slave = os.openpty()
    with os.fdopen(slave) as ours:
        monkeypatch.setattr("sys.stdin", ours)
        yield master
    os.close(master)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeStage:
    monkeypatch.setattr(view, "FRAME", 0.005)
    monkeypatch.setattr(view, "commands_of", lambda _stage: [Command("医院", "hospital", "curl --by-hand")])
    return FakeStage(tmp_path)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.002)


def watch(stage: FakeStage, play: Callable[[View, io.StringIO], Any]) -> str:
    screen = io.StringIO()

    async def run() -> None:
        console = Console(file=screen, force_terminal=True, width=80, height=24)
        shown = View(cast("Stage", stage), console)
        running = asyncio.ensure_future(shown.run())
        try:
            await play(shown, screen)
            async with asyncio.timeout(10):
                await running
        finally:
            running.cancel()

    asyncio.run(run())
    return screen.getvalue()


def test_keys_act_and_q_ends(terminal: int, stage: FakeStage) -> None:
    async def play(_view: View, screen: io.StringIO) -> None:
        await until(lambda: "Settlegate" in screen.getvalue())
        for key, done in (
            (b"2", "kill 2"),
            (b"2", "start 2"),
            (b"o", "load 1 {'memory': 99}"),
            (b"o", "load 1 {'memory': 30}"),
            (b"l", "load 3 {'cpu': 95}"),
            (b"r", "weigh [1.0, 2.0, 1.0]"),
            (b"r", "weigh [1.0, 1.0, 1.0]"),
        ):
            os.write(terminal, key)
            await until(lambda done=done: stage.done[-1:] == [done])  # type: ignore[misc]
        os.write(terminal, b"w")
        await until(lambda: "the gateway has no worker" in screen.getvalue())
        os.write(terminal, b"q")

    watch(stage, play)


def test_changes_of_state_are_told_once(terminal: int, stage: FakeStage) -> None:
    async def play(_view: View, screen: io.StringIO) -> None:
        await until(lambda: "正常 up" in screen.getvalue())
        stage.state = "down"
        await until(lambda: "node 3: down" in screen.getvalue())
        stage.state = "unknown"
        await until(lambda: "admin API: away" in screen.getvalue())
        os.write(terminal, b"q")

    watch(stage, play)


def test_pages_turn_and_close(terminal: int, stage: FakeStage) -> None:
    stage.configuration.write_text("".join(f"line-{number}\n" for number in range(30)))

    async def press(key: bytes, shown: str, screen: io.StringIO) -> None:
        screen.seek(0)
        screen.truncate()
        os.write(terminal, key)
        await until(lambda: shown in screen.getvalue())

    async def play(_view: View, screen: io.StringIO) -> None:
        await until(lambda: "单据 claims" in screen.getvalue())
        await press(b"c", "curl --by-hand", screen)
        await press(b"y", "line-19", screen)
        assert "line-20" not in screen.getvalue()
        await press(b"y", "line-29", screen)
        await press(b"y", "单据 claims", screen)
        await press(b"c", "curl --by-hand", screen)
        await press(b"\x1b", "单据 claims", screen)
        os.write(terminal, b"q")

    watch(stage, play)


def test_the_terminal_is_given_back(terminal: int, stage: FakeStage) -> None:
    before = termios.tcgetattr(terminal)

    async def play(_view: View, screen: io.StringIO) -> None:
        await until(lambda: "Settlegate" in screen.getvalue())
        assert termios.tcgetattr(terminal) != before
        os.write(terminal, b"q")

    output = watch(stage, play)
    assert termios.tcgetattr(terminal) == before
    tail = output[-40:]
    assert "\x1b[?25h" in tail  # the cursor is back
    assert "\x1b[?1049l" in tail  # and the screen as it was
