from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from healthcheck.health import UNDECIDED, Health, together

VERDICTS = st.lists(st.sampled_from([True, False, None]), max_size=60)
COUNTS = st.integers(1, 5)


def after(verdicts: list[bool | None], health: Health = UNDECIDED, *, rise: int = 2, fall: int = 3) -> Health:
    for verdict in verdicts:
        health = health.observe(verdict, rise=rise, fall=fall)
    return health


def test_one_pass_is_enough_at_the_start_and_failures_need_fall() -> None:
    assert UNDECIDED.state == "checking"
    assert after([True]) == Health(up=True)
    assert after([False, False]) == Health(up=None, streak=2)
    assert after([False, False, True]).state == "up"
    assert after([False, False, False]) == Health(up=False)


def test_a_pass_between_failures_begins_the_count_anew() -> None:
    assert after([True, False, False, True, False, False]).state == "up"
    assert after([True, False, False, False]).state == "down"


def test_returning_takes_rise_passes_in_a_row() -> None:
    down = Health(up=False)
    assert after([True, False, True], down).state == "down"
    assert after([True, True], down) == Health(up=True)


def test_no_evidence_neither_confirms_nor_breaks_a_streak() -> None:
    assert after([True, False, None, False, None, None, False]).state == "down"
    assert after([None] * 9) is UNDECIDED


@given(VERDICTS, COUNTS, COUNTS)
def test_the_state_changes_only_on_a_full_run(verdicts: list[bool | None], rise: int, fall: int) -> None:
    health, run, last = UNDECIDED, 0, None
    for verdict in verdicts:
        before, health = health, health.observe(verdict, rise=rise, fall=fall)
        if verdict is None:
            assert health is before
            continue
        run, last = (run + 1 if verdict == last else 1), verdict
        if health.up != before.up:
            assert health.up == verdict
            assert run >= (1 if before.up is None and verdict else rise if verdict else fall)
        assert health.streak < max(rise, fall)
        assert health.in_doubt == (health.up is None or health.streak > 0)


@given(VERDICTS, COUNTS, COUNTS)
def test_enough_of_one_kind_always_decides(verdicts: list[bool | None], rise: int, fall: int) -> None:
    health = after(verdicts, rise=rise, fall=fall)
    assert after([False] * fall, health, rise=rise, fall=fall).state == "down"
    assert after([True] * rise, health, rise=rise, fall=fall).state == "up"


def test_all_checks_together() -> None:
    up, down = Health(up=True, streak=2), Health(up=False)
    assert together([]) == "up"
    assert together([up, up]) == "up"
    assert together([up, UNDECIDED]) == "checking"
    assert together([UNDECIDED, down, up]) == "down"
