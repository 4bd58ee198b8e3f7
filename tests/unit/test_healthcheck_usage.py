from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcheck.usage import BUSY, COUNTER32, IDLE, TICKS, Sample, cpu, has_ticks, memory

ZERO = dict.fromkeys((f"cpu_{name}" for name in ("user", "nice", "system", "idle", "wait")), 0)


def ticks(uptime: int = 100, **counts: int) -> Sample:
    return Sample(ZERO | {f"cpu_{name}": count for name, count in counts.items()} | {"uptime": uptime})


def test_busy_share_between_two_readings() -> None:
    first, second = ticks(user=1000, idle=5000), ticks(uptime=200, user=1060, system=20, idle=5120, wait=0)
    assert cpu(None, first) == (None, first), "one reading says nothing"
    assert cpu(first, second) == (0.4, second)


def test_waiting_for_disks_is_not_busy_and_stolen_time_is() -> None:
    assert cpu(ticks(idle=1), ticks(uptime=200, idle=1, wait=100))[0] == 0.0
    stolen = Sample({**ticks(uptime=200, idle=1).values, "cpu_steal": 100})
    assert cpu(Sample({**ticks(idle=1).values, "cpu_steal": 0}), stolen)[0] == 1.0


def test_the_first_minute_of_net_snmp_is_unknown_and_no_baseline() -> None:
    """All counters 0, no hrProcessorLoad; then suddenly the counts since boot."""
    young = ticks(user=0)
    assert not has_ticks(young.values)
    assert cpu(None, young) == (None, None)
    grown = ticks(uptime=6100, user=50_000, idle=900_000)
    assert cpu(cpu(None, young)[1], grown) == (None, grown)


def test_hr_processor_load_stands_in() -> None:
    assert cpu(None, Sample({}, (90, 70))) == (0.8, None)
    assert cpu(None, Sample(ZERO, (100,))) == (1.0, None)
    assert cpu(None, Sample({}, (-1, 101))) == (None, None), "no percentages"
    assert cpu(None, Sample({}, ())) == (None, None)


def test_a_wrapped_counter_counts_and_a_reset_one_does_not() -> None:
    near_end = ticks(user=10, idle=COUNTER32 - 50)
    assert cpu(near_end, ticks(uptime=200, user=60, idle=0))[0] == 0.5
    reset = ticks(uptime=200, user=900, idle=5)
    assert cpu(ticks(user=1000, idle=5000), reset) == (None, reset)


def test_a_reboot_begins_anew_even_if_counters_grew() -> None:
    before, after = ticks(uptime=10_000_000, user=10, idle=10), ticks(uptime=500, user=500, idle=500)
    assert cpu(before, after) == (None, after)


def test_too_little_time_keeps_the_baseline() -> None:
    first = ticks(user=1000, idle=1000)
    assert cpu(first, ticks(uptime=101, user=1005, idle=1005)) == (None, first)
    assert cpu(first, first) == (None, first), "an agent that caches says the same twice"


def test_counters_that_come_and_go() -> None:
    first = Sample({"cpu_idle": 100, "cpu_user": 100})
    assert cpu(first, Sample({"cpu_idle": 150, "cpu_user": 150, "cpu_steal": 99}))[0] == 0.5
    without_idle = Sample({"cpu_user": 100})
    assert cpu(first, without_idle) == (None, None)
    assert cpu(without_idle, first) == (None, first)


counts = st.dictionaries(st.sampled_from(TICKS), st.integers(0, COUNTER32 - 1))


@given(counts, counts, st.lists(st.integers(-5, 300), max_size=3), st.booleans())
def test_a_reading_is_a_share_or_unknown(
    before: dict[str, int], after: dict[str, int], cores: list[int], rebooted: bool
) -> None:
    first = Sample(before | {"uptime": 1000})
    value, baseline = cpu(first, Sample(after | {"uptime": 5 if rebooted else 2000}, tuple(cores)))
    assert value is None or 0.0 <= value <= 1.0
    if not any(after.get(name) for name in TICKS) and not cores:
        assert value is None, "missing or all zero is never idle"
    assert baseline is None or has_ticks(baseline.values) or baseline is first


@given(st.integers(0, COUNTER32 - 1), st.integers(0, 1000), st.integers(0, 1000))
def test_wrapping_anywhere_changes_nothing(start: int, busy: int, idle: int) -> None:
    before = dict.fromkeys(BUSY[:1] + IDLE[:1], start)
    after = {BUSY[0]: (start + busy) % COUNTER32, IDLE[0]: (start + idle) % COUNTER32}
    value, _ = cpu(Sample(before), Sample(after))
    if has_ticks(before) and has_ticks(after) and busy + idle >= 20:
        assert value == pytest.approx(busy / (busy + idle))


def test_memory_prefers_what_the_kernel_says() -> None:
    values = {"memory_total": 1000, "memory_free": 10, "memory_buffers": 40, "memory_cached": 150}
    assert memory(Sample(values | {"memory_available": 400})) == pytest.approx(0.6)
    assert memory(Sample(values)) == pytest.approx(0.8)
    assert memory(Sample(values | {"memory_available": 0})) == pytest.approx(0.8), "0: a kernel that does not say"


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"memory_available": 5},
        {"memory_total": 0, "memory_available": 5},
        {"memory_total": -5, "memory_available": 5},
        {"memory_total": 100, "memory_free": 5},
        {"memory_total": 100, "memory_free": -90, "memory_buffers": 5, "memory_cached": 5},
    ],
)
def test_memory_that_is_not_told_is_unknown(values: dict[str, int]) -> None:
    assert memory(Sample(values)) is None


def test_more_available_than_there_is_means_idle_not_negative() -> None:
    assert memory(Sample({"memory_total": 100, "memory_available": 140})) == 0.0
