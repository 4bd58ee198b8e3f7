from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcheck.config import MetricConfig
from healthcheck.load import FADE, FLOOR, STEP, TAU, Load, Rules, headroom, stepped

CPU = MetricConfig(comfort=0.4, limit=0.9)
MEMORY = MetricConfig(comfort=0.6, limit=0.95, eject_above=0.98)
LIMITS = {"cpu": CPU, "memory": MEMORY}
RULES = Rules(interval=10.0, rise=2, fall=3)


def polled(load: Load, readings: list[dict[str, float | None]], start: float = 0.0) -> list[Load]:
    """One poll every ten seconds."""
    loads = []
    for number, each in enumerate(readings):
        load = load.observe(each, LIMITS, start + 10.0 * number, RULES)
        loads.append(load)
    return loads


def test_headroom_between_comfort_and_limit() -> None:
    assert [headroom(value, CPU) for value in (0.0, 0.4, 0.9, 1.0)] == [1.0, 1.0, 0.0, 0.0]
    assert headroom(0.65, CPU) == pytest.approx(0.5)


def test_the_scarcest_metric_decides() -> None:
    loads = polled(Load(), [{"cpu": 0.1, "memory": 0.94}] * 10)
    assert loads[-1].factor == FLOOR


def test_small_steps_down_and_up_and_never_to_nothing() -> None:
    down = polled(Load(), [{"cpu": 1.0, "memory": 0.3}] * 8)
    assert [round(load.factor, 2) for load in down] == [0.8, 0.6, 0.4, 0.2, 0.1, 0.1, 0.1, 0.1]
    up = polled(down[-1], [{"cpu": 0.1, "memory": 0.3}] * 12, start=80.0)
    assert up[-1].factor == 1.0
    assert up[0].factor < 0.4, "smoothed over half a minute"


def test_smoothing_has_the_stated_time_constant() -> None:
    load = Load().observe({"cpu": 0.0}, LIMITS, 0.0, RULES).observe({"cpu": 1.0}, LIMITS, TAU, RULES)
    assert load.metrics["cpu"].smooth == pytest.approx(1 - 1 / 2.718281828)
    assert load.metrics["cpu"].raw == 1.0


def test_a_dead_band_ignores_little() -> None:
    assert stepped(0.5, 0.54) == 0.5
    assert stepped(0.5, 0.56) == 0.56
    assert stepped(0.98, 1.0) == 1.0, "both ends are reached"
    assert stepped(0.12, FLOOR) == FLOOR


def test_missing_data_keeps_the_weight_then_fades_back() -> None:
    busy = polled(Load(), [{"cpu": 0.65, "memory": 0.3}] * 10)[-1]
    assert busy.factor == pytest.approx(0.5, abs=0.05)
    silent = polled(busy, [{}] * 12, start=100.0)
    assert [load.factor for load in silent[:3]] == [busy.factor] * 3, "three missed polls change nothing"
    factors = [load.factor for load in silent]
    assert factors == sorted(factors)
    assert factors[5] < 1.0
    assert factors[-1] == 1.0


def test_data_after_a_long_silence_is_not_mixed_with_what_was_before() -> None:
    busy = polled(Load(), [{"cpu": 1.0}] * 3)[-1]
    assert busy.observe({"cpu": 0.2}, LIMITS, 1000.0, RULES).metrics["cpu"].smooth == 0.2


def test_no_data_at_all_is_the_configured_weight_and_no_ejection() -> None:
    for load in polled(Load(), [{"cpu": None}] * 20):
        assert (load.factor, load.ejecting) == (1.0, [])


def test_ejection_follows_the_raw_value_by_fall_and_rise() -> None:
    loads = polled(
        Load(), [{"memory": value} for value in (0.99, 0.99, 0.5, 0.99, 0.99, 0.99, 0.99, 0.5, 0.99, 0.5, 0.5)]
    )
    assert [bool(load.ejecting) for load in loads] == [False] * 5 + [True] * 5 + [False]
    assert polled(Load(), [{"memory": 0.98}] * 5)[-1].ejecting == [], "above, not at"


def test_unknown_neither_ejects_nor_returns_and_an_ejection_ends_with_its_evidence() -> None:
    out = polled(Load(), [{"memory": 0.99}] * 3)[-1]
    assert out.ejecting == ["memory"]
    silent = polled(out, [{}] * 4, start=30.0)
    assert [bool(load.ejecting) for load in silent] == [True, True, True, False]
    doubtful = polled(Load(), [{"memory": 0.99}, {"memory": 0.99}, {}, {"memory": 0.99}])
    assert [bool(load.ejecting) for load in doubtful] == [False, False, False, True]


def test_a_metric_without_eject_above_never_ejects() -> None:
    assert polled(Load(), [{"cpu": 1.0}] * 9)[-1].ejecting == []


def test_a_resumed_weight_is_held_until_there_are_readings_or_it_is_stale() -> None:
    resumed = Load.resumed(0.3, now=100.0)
    held = resumed.observe({}, LIMITS, 110.0, RULES)
    assert held.factor == 0.3
    assert held.observe({}, LIMITS, 100.0 + 30.0 + FADE, RULES).factor == pytest.approx(0.5), "a step at a time"
    assert held.observe({"cpu": 0.9}, LIMITS, 120.0, RULES).factor == pytest.approx(0.1)
    assert Load.resumed(7.0, 0.0).factor == 1.0
    assert Load.resumed(-1.0, 0.0).factor == FLOOR


def test_metrics_that_left_the_configuration_count_no_more() -> None:
    busy = polled(Load(), [{"cpu": 1.0, "memory": 0.99}] * 5)[-1]
    load = busy.observe({"cpu": 0.1}, {"cpu": CPU}, 1000.0, RULES)
    assert list(load.metrics) == ["cpu"]
    assert load.ejecting == []


share = st.one_of(st.none(), st.floats(0.0, 1.0))
polls = st.lists(st.tuples(st.floats(0.0, 200.0), share, share), min_size=1, max_size=60)


@given(polls)
def test_invariants_over_any_history(history: list[tuple[float, float | None, float | None]]) -> None:
    now, loads = 0.0, [Load()]
    for gap, cpu, memory in history:
        now += gap
        loads.append(loads[-1].observe({"cpu": cpu, "memory": memory}, LIMITS, now, RULES))
    for before, after in pairwise(loads):
        assert FLOOR <= after.factor <= 1.0
        assert abs(after.factor - before.factor) <= STEP + 1e-9
    if all(cpu is None and memory is None for _, cpu, memory in history):
        assert loads[-1].factor == 1.0
        assert loads[-1].ejecting == []


@given(st.lists(st.floats(0.63, 0.67), min_size=30, max_size=60))  # within the dead band of the weight at 0.65
def test_noise_around_a_load_does_not_swing_the_weight(values: list[float | None]) -> None:
    loads = polled(Load(), [{"cpu": value} for value in [0.65] * 10 + values])
    assert len({load.factor for load in loads[10:]}) <= 2
