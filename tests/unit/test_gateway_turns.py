"""An institution's rate of new requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.turns import BURST, take

SECOND = 1_000_000_000


def granted(rate: float, moments: list[int], turn: int = 0) -> int:
    count = 0
    for now in sorted(moments):
        turn, early = take(turn, now, rate)
        count += not early
    return count


@pytest.mark.parametrize(("rate", "at_once"), [(200.0, 200), (10 / 60, BURST), (1.0, BURST), (9.5, BURST), (10.5, 10)])
def test_what_may_come_at_once(rate: float, at_once: int) -> None:
    assert granted(rate, [5 * SECOND] * 1000) == at_once


@pytest.mark.parametrize("rate", [0.5, 7.0, 200.0])
def test_over_a_long_time_it_is_the_rate(rate: float) -> None:
    seconds = 60
    moments = [int(at * SECOND / (4 * rate)) for at in range(int(4 * rate * seconds))]
    assert abs(granted(rate, moments) - max(BURST, int(rate)) - rate * seconds) <= 2


def test_the_wait_it_names_is_long_enough_and_not_longer() -> None:
    turn, early = 0, 0
    while not early:
        turn, early = take(turn, SECOND, 4.0)
    assert take(turn, SECOND + early - 1, 4.0)[1] == 1
    assert take(turn, SECOND + early, 4.0)[1] == 0


def test_what_was_refused_uses_nothing_up() -> None:
    turn = 0
    for _ in range(100):
        turn, _ = take(turn, SECOND, 1.0)
    assert take(turn, SECOND, 1.0)[0] == turn


def test_a_rate_that_was_raised_is_not_held_back_by_the_old_one() -> None:
    turn = 0
    for _ in range(100):
        turn, _ = take(turn, SECOND, 1 / 3600)
    assert take(turn, SECOND, 1 / 3600)[1] > 1000 * SECOND
    assert take(turn, SECOND, 200.0)[1] <= SECOND / 200


@given(st.floats(0.01, 5000), st.lists(st.integers(0, 100 * SECOND), max_size=60))
def test_never_more_than_burst_and_rate_together(rate: float, moments: list[int]) -> None:
    if moments:
        span = (max(moments) - min(moments)) / SECOND
        assert granted(rate, moments) <= max(BURST, int(rate)) + span * rate * 1.001 + 1
