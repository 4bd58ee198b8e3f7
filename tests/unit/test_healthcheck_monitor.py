"""The loop around the probes, with probes that do nothing: pace, places, cost. Real ones: tests/integration."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from healthcheck import words
from healthcheck.config import CheckConfig, TcpCheck
from healthcheck.monitor import Monitor
from healthcheck.probes import PROBES
from healthcheck.target import Target, Verdict
from tests.support.reports import Heard, watching

PASS = Verdict(True, words.passes("tcp"))
FAIL = Verdict(False, words.refused("tcp"), "connect")


class Fake:
    """Probes whose verdicts a test sets, by target; counts how many run at once."""

    def __init__(self) -> None:
        self.verdict: Callable[[str], Verdict] = lambda _target: PASS
        self.takes = 0.0
        self.running = self.most = 0
        self.started: list[float] = []

    def __call__(self, target: Target, _check: Any, _poller: Any) -> Callable[[], Any]:
        async def probe() -> Verdict:
            self.started.append(time.monotonic())
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(self.takes)
            self.running -= 1
            return self.verdict(target.id)

        return probe


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    fake = Fake()
    monkeypatch.setitem(PROBES, "tcp", fake)
    return fake


def targets(count: int, interval: float = 0.2) -> list[Target]:
    check = CheckConfig(tcp=TcpCheck(), interval=interval, timeout=interval / 2)
    return [Target(f"n{number}", "192.0.2.1", 1 + number, (check,)) for number in range(count)]


def test_never_more_probes_at_once_than_places(fake: Fake) -> None:
    async def story() -> None:
        heard = Heard()
        fake.takes = 0.01
        async with watching(heard, targets(30), Monitor(heard, heard, concurrency=4)) as monitor:
            await heard.until(lambda: len(heard.probes) >= 90)
            assert {each.active for each in monitor.snapshot().values()} == {"up"}
        assert fake.most == 4

    asyncio.run(story())


def test_probes_of_many_nodes_do_not_come_in_one_burst(fake: Fake) -> None:
    async def story() -> None:
        heard = Heard()
        async with watching(heard, targets(40, interval=0.8)):
            await heard.until(lambda: len(heard.probes) >= 40)
        assert fake.started[39] - fake.started[0] > 0.5

    asyncio.run(story())


def test_a_failing_node_is_asked_again_sooner_than_its_interval(fake: Fake) -> None:
    async def story() -> None:
        heard = Heard()
        async with watching(heard, targets(1, interval=60.0)) as monitor:
            await heard.state("up", "n0")
            fake.verdict = lambda _target: FAIL
            began = time.monotonic()
            monitor.hurry("n0")
            await heard.state("down", "n0")
            assert time.monotonic() - began < 4.0

    asyncio.run(story())


def test_a_hurry_during_a_probe_is_followed_by_another(fake: Fake) -> None:
    async def story() -> None:
        heard = Heard()
        fake.takes = 0.1
        async with watching(heard, targets(1, interval=60.0)) as monitor:
            await heard.until(lambda: fake.running == 1)
            monitor.hurry("n0")
            await heard.until(lambda: len(heard.probes) == 2)

    asyncio.run(story())


def test_a_target_removed_while_its_probe_runs_is_not_heard_of_again(fake: Fake) -> None:
    async def story() -> None:
        heard = Heard()
        fake.takes = 0.05
        async with watching(heard, targets(1)) as monitor:
            await heard.until(lambda: fake.running == 1)
            monitor.apply({})
            await heard.until(lambda: fake.running == 0)
            await asyncio.sleep(0.3)
            assert (heard.probes, len(fake.started), monitor.snapshot()) == ([], 1, {})

    asyncio.run(story())


def test_a_shorter_interval_counts_from_the_reload_on(fake: Fake) -> None:
    async def story() -> None:
        heard = Heard()
        async with watching(heard, targets(1, interval=600.0)) as monitor:
            await heard.state("up", "n0")
            monitor.apply({each.id: each for each in targets(1)})
            await heard.more_probes(3, "n0")
        assert heard.states("n0") == ["checking", "up"]

    asyncio.run(story())


def test_a_monitor_may_be_run_again(fake: Fake) -> None:
    async def story() -> None:
        heard = Heard()
        monitor = Monitor(heard, heard)
        for _ in range(2):
            async with watching(heard, targets(1), monitor):
                await heard.more_probes(2, "n0")
        assert heard.states("n0") == ["checking", "up"]
        assert repr(monitor) == "Monitor(1 targets, 0 probes running, Schedule(0 waiting, next None))"

    asyncio.run(story())


def test_two_thousand_idle_targets_cost_little(fake: Fake) -> None:
    """CPU of the loop itself per probe; the probe does nothing. Generous: shared machines are slow."""

    async def story() -> float:
        heard = Heard()
        async with watching(heard, targets(2000, interval=5.0)):
            await heard.until(lambda: len(heard.probes) >= 2000)
            done, spent = len(heard.probes), time.process_time()
            await heard.until(lambda: len(heard.probes) >= 2600)
            assert len(asyncio.all_tasks()) < 50, "what waits is no task"
            return (time.process_time() - spent) / (len(heard.probes) - done)

    assert asyncio.run(story()) < 0.002
