"""Runs a `Monitor` inside a test and keeps everything it says."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable

from healthcheck.monitor import Monitor
from healthcheck.target import Label, Report, Target
from healthcheck.words import Words

PATIENCE = 15.0


class Heard:
    """Publisher and observer at once: reports, announcements and probes in order, with their times."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.times: list[float] = []
        self.announced: list[tuple[str, Words]] = []
        self.probes: list[tuple[str, str, Label | None]] = []
        self.ended: list[float] = []
        self.durations: list[float] = []

    def publish(self, report: Report) -> None:
        self.reports.append(report)
        self.times.append(time.monotonic())

    def announce(self, target: str, words: Words) -> None:
        self.announced.append((target, words))

    def observe_probe(self, target: str, check: str, duration: float, reason: Label | None) -> None:
        self.probes.append((target, check, reason))
        self.ended.append(time.monotonic())
        self.durations.append(duration)

    def latest(self, target: str = "node") -> Report:
        for report in reversed(self.reports):
            if report.target == target:
                return report
        raise LookupError(f"nothing was published of {target}")

    def states(self, target: str = "node") -> list[str]:
        """The active states in order, each named once."""
        states = [report.active for report in self.reports if report.target == target]
        return [state for at, state in enumerate(states) if at == 0 or states[at - 1] != state]

    def labels(self, target: str = "node", check: str | None = None) -> list[Label | None]:
        return [reason for name, kind, reason in self.probes if name == target and check in (None, kind)]

    async def until(self, true: Callable[[], bool], what: str = "") -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(LookupError):
                if true():
                    return
            assert time.monotonic() < deadline, f"never happened: {what}; last {self.reports[-3:]}, {self.probes[-9:]}"
            await asyncio.sleep(0.005)

    async def state(self, active: str, target: str = "node") -> Report:
        await self.until(lambda: bool(self.reports) and self.latest(target).active == active, f"{target} {active}")
        return self.latest(target)

    async def more_probes(self, count: int, target: str = "node") -> None:
        wanted = len(self.labels(target)) + count
        await self.until(lambda: len(self.labels(target)) >= wanted, f"{count} more probes of {target}")


@contextlib.asynccontextmanager
async def watching(heard: Heard, targets: Iterable[Target], monitor: Monitor | None = None) -> AsyncIterator[Monitor]:
    """A running monitor, which ends with the block and must leave no task behind."""
    before = asyncio.all_tasks()
    monitor = monitor or Monitor(heard, heard)
    monitor.apply({target.id: target for target in targets})
    task = asyncio.create_task(monitor.run())
    try:
        yield monitor
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        deadline = time.monotonic() + 2
        while left := asyncio.all_tasks() - before:
            assert time.monotonic() < deadline, left
            await asyncio.sleep(0.005)
