"""The tour notices what does not happen, goes on after it, and never claims more than it saw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.demo import processes, tour
from gateway.demo.account import Fates
from gateway.demo.processes import NotReady
from gateway.demo.stage import NodeView, Stage

UP = NodeView("up", "in service", 0, 1.0)
DOWN = NodeView("down", "refused", 0, 1.0)
NO_MEMORY = NodeView("ejected", "内存 memory at 99%", 0, 1.0)


class FakeStage:
    """Claims settle with every look; acts do what `effects` says."""

    def __init__(self, **effects: Callable[[FakeStage], None]) -> None:
        self.views = [UP, UP, UP]
        self.fates = Fates()
        self.effects = effects
        self.settles = True
        self.pids = [1, 2]
        self.hospital = SimpleNamespace(opened=6)
        self.keys = SimpleNamespace(foreign="foreign", context=lambda pair: pair)
        self.answers = {None: (403, "certificate_missing"), "foreign": (403, "issuer_unknown")}

    async def nodes(self) -> list[NodeView]:
        return self.views

    async def node(self, number: int) -> NodeView:
        return self.views[number - 1]

    def _effect(self, name: str) -> None:
        if name in self.effects:
            self.effects[name](self)

    async def calm(self) -> None:
        self._effect("calm")

    def kill_node(self, number: int) -> None:
        self._effect(f"kill_{number}")

    def start_node(self, number: int) -> None:
        self._effect(f"start_{number}")

    async def set_load(self, number: int, *, memory: int | None = None, cpu: int | None = None) -> None:
        self._effect(f"load_{number}_{'memory' if cpu is None else 'cpu'}_{memory if cpu is None else cpu}")

    async def weigh(self, weights: list[float]) -> None:
        self._effect("weigh")

    def workers(self) -> list[int]:
        return self.pids

    def kill_worker(self) -> int:
        self._effect("kill_worker")
        return 1

    async def knock(self, context: Any) -> tuple[int, dict[str, str]]:
        status, reason = self.answers[context]
        return status, {"reason": reason}


def becomes(number: int, view: NodeView) -> Callable[[FakeStage], None]:
    def effect(stage: FakeStage) -> None:
        stage.views = [view if at == number else old for at, old in enumerate(stage.views, 1)]

    return effect


def respawn(stage: FakeStage) -> None:
    stage.pids = [2, 3]


GOOD = {
    "kill_2": becomes(2, DOWN),
    "start_2": becomes(2, UP),
    "load_1_memory_99": becomes(1, NO_MEMORY),
    "load_1_memory_30": becomes(1, UP),
    "load_3_cpu_95": becomes(3, NodeView("up", "in service", 0, 0.7)),
    "weigh": becomes(2, NodeView("up", "in service", 0, 2.0)),
    "kill_worker": respawn,
}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOTICE", "RETURN", "SLOW_START"):
        monkeypatch.setattr(tour, name, 0.05)
    monkeypatch.setattr("gateway.demo.processes.POLL", 0.001)

    async def hasty(look: Any, what: str, within: float) -> float:
        return await processes.until(look, what, min(within, 0.05))

    monkeypatch.setattr(tour, "until", hasty)


def play(stage: FakeStage) -> list[tour.Outcome]:
    async def run() -> list[tour.Outcome]:
        async def settle() -> None:
            while True:
                stage.fates.settled += 10 if stage.settles else 0
                await asyncio.sleep(0.001)

        clients = asyncio.create_task(settle())
        told: list[tour.Outcome] = []
        outcomes = await tour.play(cast("Stage", stage), told.append)
        assert told == outcomes
        clients.cancel()
        return outcomes

    return asyncio.run(run())


def failed(stage: FakeStage) -> dict[str, str]:
    return {outcome.act.en: outcome.seen for outcome in play(stage) if not outcome.passed}


def test_all_goes_well() -> None:
    outcomes = play(FakeStage(**GOOD))
    assert [outcome.seen for outcome in outcomes if not outcome.passed] == []
    assert len(outcomes) == 9
    assert all(outcome.settled > 0 for outcome in outcomes[:2])


@pytest.mark.parametrize(
    ("missing", "act"),
    [
        ("kill_2", "kill -9 node 2"),
        ("load_1_memory_99", "node 1 out of memory (SNMP)"),
        ("load_1_memory_30", "node 1 has memory again"),
        ("load_3_cpu_95", "node 3 busy (SNMP)"),
        ("weigh", "new weight, settlegate reload"),
        ("kill_worker", "kill -9 a worker"),
    ],
)
def test_an_effect_that_does_not_come_fails_its_act_alone(missing: str, act: str) -> None:
    stage = FakeStage(**{name: effect for name, effect in GOOD.items() if name != missing})
    assert list(failed(stage)) == [act]


def test_a_node_that_stays_away_fails_the_return() -> None:
    stage = FakeStage(**{name: effect for name, effect in GOOD.items() if name != "start_2"})
    found = failed(stage)
    assert "last seen: NodeView(state='down'" in found["start node 2 again"]


def test_the_reason_of_the_ejection_must_be_memory() -> None:
    other = NodeView("ejected", "5 failures in a row", 0, 1.0)
    found = failed(FakeStage(**{**GOOD, "load_1_memory_99": becomes(1, other)}))
    assert "not for its memory" in found["node 1 out of memory (SNMP)"]


def test_load_alone_must_not_take_a_node_out() -> None:
    out = NodeView("ejected", "busy", 0, 0.0)
    found = failed(FakeStage(**{**GOOD, "load_3_cpu_95": becomes(3, out)}))
    assert "must not take a node out" in found["node 3 busy (SNMP)"]


def test_a_reload_must_not_break_connections() -> None:
    def break_one(stage: FakeStage) -> None:
        GOOD["weigh"](stage)
        stage.hospital.opened += 1

    found = failed(FakeStage(**{**GOOD, "weigh": break_one}))
    assert found == {"new weight, settlegate reload": "1 connections were broken by the reload"}


def test_claims_that_stop_are_noticed() -> None:
    stage = FakeStage(**GOOD)
    stage.settles = False
    assert "three nodes up, claims flow" in failed(stage)


@pytest.mark.parametrize("answer", [(200, "settled"), (403, "internal"), (500, "issuer_unknown")])
def test_an_admitted_stranger_is_a_failure(answer: tuple[int, str]) -> None:
    stage = FakeStage(**GOOD)
    stage.answers = {**stage.answers, "foreign": answer}
    assert list(failed(stage)) == ["strangers refused, with reason"]


def test_an_act_that_hangs_or_breaks_is_ended() -> None:
    async def hangs(_stage: Stage) -> str:
        await asyncio.Event().wait()
        return ""

    async def breaks(_stage: Stage) -> str:
        raise NotReady("admin API: gone")

    acts = [tour.Act("", "hangs", hangs, 0.01), tour.Act("", "breaks", breaks, 1.0)]
    outcomes = asyncio.run(tour.play(cast("Stage", FakeStage()), lambda _: None, acts))
    assert [(outcome.passed, outcome.seen) for outcome in outcomes] == [
        (False, "TimeoutError"),
        (False, "admin API: gone"),
    ]
