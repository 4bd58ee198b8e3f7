from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcheck.health import UNDECIDED, Health
from healthcheck.schedule import Schedule, Spread, pace


@pytest.mark.parametrize(
    ("health", "gap"),
    [
        (UNDECIDED, 1.0),
        (Health(up=True), 5.0),
        (Health(up=True, streak=1), 1.0),
        (Health(up=False), 2.0),
        (Health(up=False, streak=1), 1.0),
    ],
)
def test_pace_follows_doubt(health: Health, gap: float) -> None:
    assert pace(5.0, health) == gap
    assert pace(0.3, health) == 0.3, "never longer than the interval"


def test_the_promise_of_fall_times_interval_plus_timeout_holds() -> None:
    """A node fails right after a probe has begun; every probe takes its whole timeout."""
    for interval, timeout, fall in ((5.0, 1.0, 3), (0.5, 0.4, 2), (10.0, 9.0, 5), (3.0, 2.5, 1)):
        health, start = Health(up=True), 0.0
        while health.up:
            start += max(pace(interval, health), timeout if health.streak else 0.0)
            health = health.observe(passed=False, rise=2, fall=fall)
        assert start + timeout <= fall * interval + timeout


@given(st.integers(1, 500), st.floats(0.01, 100))
def test_newcomers_are_spread_evenly(count: int, span: float) -> None:
    spread = Spread()
    offsets = [spread.offset(span) for _ in range(count)]
    assert offsets[0] == 0.0
    assert all(0.0 <= offset < span for offset in offsets)
    widest = span / count * 2.62  # gaps of a golden-ratio sequence: at most phi squared times the mean
    ordered = [*sorted(offsets), span]
    assert all(later - earlier <= widest * 1.001 for earlier, later in pairwise(ordered))


@given(st.floats(0.01, 1000))
def test_jitter_only_shortens(gap: float) -> None:
    spread = Spread()
    gaps = [spread.jittered(gap) for _ in range(50)]
    assert all(0.9 * gap <= each <= gap for each in gaps)
    assert len(set(gaps)) > 10


def test_due_in_order_and_once() -> None:
    schedule: Schedule[str] = Schedule()
    for key, at in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
        schedule.put(key, at)
    assert schedule.next_time() == 1.0
    assert schedule.due(0.9, 9) == []
    assert schedule.due(2.5, 1) == ["a"]
    assert schedule.due(2.5, 9) == ["b"]
    assert "c" in schedule
    assert "a" not in schedule
    assert schedule.due(9.0, 0) == []
    assert schedule.due(9.0, 9) == ["c"]
    assert schedule.next_time() is None
    assert repr(schedule) == "Schedule(0 waiting, next None)"


def test_a_key_waits_once() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.put("a", 1.0)
    schedule.put("a", 5.0)
    assert schedule.next_time() == 5.0
    assert schedule.move_up("a", 3.0)
    assert not schedule.move_up("a", 4.0), "only earlier"
    assert schedule.due(9.0, 9) == ["a"]
    assert not schedule.move_up("a", 0.0), "it runs"
    schedule.put("a", 1.0)
    schedule.discard("a")
    schedule.discard("never seen")
    assert schedule.due(9.0, 9) == []


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "discard", "up", "due"]), st.integers(0, 20)))
)
def test_against_a_plain_dictionary(steps: list[tuple[str, str, int]]) -> None:
    schedule: Schedule[str] = Schedule()
    model: dict[str, float] = {}
    for key, step, at in steps:
        if step == "put":
            schedule.put(key, at)
            model[key] = at
        elif step == "discard":
            schedule.discard(key)
            model.pop(key, None)
        elif step == "up":
            moved = key in model and model[key] > at
            assert schedule.move_up(key, at) == moved
            if moved:
                model[key] = at
        else:
            keys = schedule.due(at, 2)
            ready = sorted(each for each in model.values() if each <= at)[:2]
            assert [model.pop(each) for each in keys] == ready
        assert schedule.next_time() == min(model.values(), default=None)
