"""The minimum rate as a bucket of seconds."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from gateway.pace import GRACE, Pace

RATE = 500
MOST = 30.0


def seconds_until_too_slow(per_second: int, *, already: int = 0, limit: int = 1000) -> int | None:
    """A client that sends so many octets each second, after `already` of them at once."""
    pace = Pace(0.0, 0)
    octets = already
    for second in range(limit):
        if not pace.look(float(second), octets, rate=RATE, most=MOST, owed=True):
            return second
        octets += per_second
    return None


def test_silence_is_too_slow_after_the_first_seconds() -> None:
    assert seconds_until_too_slow(0) == GRACE + 1


def test_half_the_rate_lasts_twice_as_long() -> None:
    assert seconds_until_too_slow(RATE // 2) == 2 * GRACE + 1


def test_the_rate_itself_lasts_for_ever() -> None:
    assert seconds_until_too_slow(RATE) is None


def test_what_was_sent_at_once_buys_time_but_not_hours() -> None:
    assert seconds_until_too_slow(0, already=10 * RATE) == 10 + GRACE + 1
    assert seconds_until_too_slow(1, already=1_000_000) == MOST + 1


def test_time_in_which_another_has_to_move_is_free() -> None:
    pace = Pace(0.0, 0)
    assert all(pace.look(float(now), 0, rate=RATE, most=MOST, owed=False) for now in range(1000))
    assert pace.left == GRACE
    assert pace.look(1000.0, 0, rate=RATE, most=MOST, owed=True), "charged from the first look on that finds it owing"
    assert pace.left == GRACE


def test_a_stretch_that_began_or_ended_with_another_to_move_is_free() -> None:
    pace = Pace(0.0, 0)
    for now, owed in zip(count(), (True, False) * 50, strict=False):
        assert pace.look(float(now), 0, rate=RATE, most=MOST, owed=owed)
    assert pace.left == GRACE


@given(st.lists(st.tuples(st.floats(0, 60), st.integers(0, 4)), max_size=50))
def test_whoever_keeps_the_rate_is_never_too_slow(steps: list[tuple[float, int]]) -> None:
    pace, now, octets = Pace(0.0, 0), 0.0, 0
    for pause, surplus in steps:
        now += pause
        octets += int(pause * RATE) + 1 + surplus
        assert pace.look(now, octets, rate=RATE, most=MOST, owed=True), pace
        assert pace.left <= MOST


def test_it_says_where_it_stands() -> None:
    assert repr(Pace(0.0, 7)) == "<Pace 5.0 s left, 7 octets>"
