"""The live view: draws the stage four times a second and does what the keys say."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
import time
import tty
from collections import deque
from collections.abc import Awaitable, Callable, Iterator

from rich.cells import chop_cells
from rich.console import Console
from rich.live import Live

from gateway.demo import tour
from gateway.demo.drawing import NodeRow, Scene, draw
from gateway.demo.processes import NotReady
from gateway.demo.script import TRY, commands_of
from gateway.demo.stage import CALM_CPU, CALM_MEMORY, Stage

FRAME = 0.25
RATE_OVER = 5.0
"""Seconds over which the rate of settled claims is taken."""


class View:
    """Between one stage and one terminal."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self._stage = stage
        self._console = console
        self._start = time.monotonic()
        self._events: deque[str] = deque(maxlen=100)
        self._history: deque[tuple[float, int]] = deque()
        self._states: dict[int, str] = {}
        self._page = ""
        self._offset = 0
        self._tour: asyncio.Task[object] | None = None
        self._quit = asyncio.Event()
        self._acts: set[asyncio.Task[None]] = set()
        self._rows: list[NodeRow] = []
        self._commands = commands_of(stage)

    async def run(self) -> None:
        """Until q is pressed."""
        with keys_to(self._pressed), Live(console=self._console, screen=True, auto_refresh=False) as live:
            while not self._quit.is_set():
                await self._look()
                live.update(draw(self._scene(), *self._console.size), refresh=True)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._quit.wait(), FRAME)
        running = [*self._acts, *([self._tour] if self._tour else [])]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def say(self, text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._start), 60)
        self._events.append(f"{minutes:02d}:{seconds:02d} {text}")

    async def _look(self) -> None:
        try:
            views = await self._stage.nodes()
        except NotReady as error:
            self.say(str(error))
            return
        settled = await asyncio.to_thread(self._stage.settled_by_node)
        rows = []
        for number, (actor, node) in enumerate(zip(self._stage.actors, views, strict=True), 1):
            done = settled.get(actor.address, 0)
            views_of = (node.state, node.reason, node.weight, node.requests)
            rows.append(NodeRow(number, actor.address, *views_of, done, node.memory, node.cpu))
            if self._states.setdefault(number, node.state) != node.state:
                self._states[number] = node.state
                self.say(f"节点 node {number}: {node.state}  {node.reason}")
        self._rows = rows

    def _scene(self) -> Scene:
        fates = self._stage.fates
        commands = self._commands
        page = self._page_lines()[self._offset :]
        return Scene(
            url=self._stage.url,
            uptime=time.monotonic() - self._start,
            nodes=self._rows,
            workers=len(self._stage.workers()),
            sent=len(fates.claims),
            settled=fates.settled,
            pending=fates.pending,
            resent=fates.resent,
            lost=fates.given_up,
            rate=self._rate(),
            events=tuple(self._events),
            commands=[command.line for command in commands],
            page="\n".join(page),
            title={"c": f"自己试试 try it: {self._stage.folder / TRY}", "y": str(self._stage.configuration)}.get(
                self._page, ""
            )
            + f"  ({self._page} 下一页 next)",
        )

    def _rate(self) -> float:
        now = time.monotonic()
        self._history.append((now, self._stage.fates.settled))
        while now - self._history[0][0] > RATE_OVER:
            self._history.popleft()
        then, settled = self._history[0]
        return (self._stage.fates.settled - settled) / (now - then) if now > then else 0.0

    # --- keys

    def _pressed(self, key: str) -> None:
        acts: dict[str, Callable[[], Awaitable[None]]] = {
            "1": lambda: self._toggle_node(1),
            "2": lambda: self._toggle_node(2),
            "3": lambda: self._toggle_node(3),
            "o": self._toggle_memory,
            "l": self._toggle_cpu,
            "r": self._reload,
            "w": self._kill_worker,
        }
        if key in "q\x04":
            self._quit.set()
        elif key == "t":
            self._start_tour()
        elif key in "cy":
            self._turn_page(key)
        elif key in acts:
            task = asyncio.ensure_future(self._act(acts[key]))
            self._acts.add(task)
            task.add_done_callback(self._acts.discard)
        else:
            self._page = ""

    def _page_lines(self) -> list[str]:
        """What the page in front says, cut to the screen's width; none without a page."""
        lines: list[str] = []
        if self._page == "c":
            for command in self._commands:
                lines += [f"# {command.zh} {command.en}", command.line, ""]
        elif self._page == "y":
            lines = self._stage.configuration.read_text(encoding="utf-8").splitlines()
        return [piece for line in lines for piece in chop_cells(line, self._console.width - 4) or [""]]

    def _turn_page(self, key: str) -> None:
        """The first page of a text, or the next one; after the last one back to the nodes."""
        self._offset = self._offset + self._console.height - 4 if self._page == key else 0
        self._page = key
        if self._offset >= len(self._page_lines()):
            self._page = ""

    async def _act(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except (NotReady, OSError) as error:
            self.say(f"失败 failed: {error}")

    async def _toggle_node(self, number: int) -> None:
        if self._stage.actors[number - 1].alive:
            self._stage.kill_node(number)
            self.say(f"强杀节点 kill -9 node {number}")
        else:
            self._stage.start_node(number)
            self.say(f"启动节点 start node {number}")

    async def _toggle_memory(self) -> None:
        memory = CALM_MEMORY if self._stage.actors[0].memory == tour.FULL else tour.FULL
        await self._stage.set_load(1, memory=memory)
        self.say(f"SNMP: 1号内存 memory of node 1 = {memory}%")

    async def _toggle_cpu(self) -> None:
        cpu = CALM_CPU if self._stage.actors[2].cpu == tour.BUSY else tour.BUSY
        await self._stage.set_load(3, cpu=cpu)
        self.say(f"SNMP: 3号CPU of node 3 = {cpu}%")

    async def _reload(self) -> None:
        await self._stage.weigh([1.0, 1.0 if self._stage.weights[1] == 2.0 else 2.0, 1.0])
        self.say(f"已重载 reloaded: 2号权重 weight of node 2 = {self._stage.weights[1]:g}")

    async def _kill_worker(self) -> None:
        self.say(f"强杀工作进程 kill -9 worker {self._stage.kill_worker()}")

    def _start_tour(self) -> None:
        if self._tour is None or self._tour.done():
            self.say("巡演开始 tour begins")
            self._tour = asyncio.ensure_future(tour.play(self._stage, self._told))

    def _told(self, outcome: tour.Outcome) -> None:
        mark = "✓" if outcome.passed else "✗"
        self.say(f"{mark} {outcome.act.zh} {outcome.act.en}: {outcome.seen}")


@contextlib.contextmanager
def keys_to(pressed: Callable[[str], None]) -> Iterator[None]:
    """Single keys of the terminal on standard input, without Enter and without echo, while inside."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def read() -> None:
        key = os.read(descriptor, 1)  # empty: the terminal has gone
        pressed(key.decode("latin-1") if key else "q")

    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
