"""Lines at a bounded rate."""

from __future__ import annotations

from gateway.seldom import Seldom


def test_the_first_of_each_second_is_told_and_the_rest_is_counted() -> None:
    seldom: Seldom[str] = Seldom(1)
    told = [seldom.tell("a", now / 100) for now in range(250)]
    assert [at for at, told_one in enumerate(told) if told_one] == [0, 100, 200]
    assert seldom.kept_back(2.5) == [], "that second is not over"
    assert seldom.kept_back(3.0) == [("a", 247)]
    assert seldom.kept_back(9.0) == [], "told once"


def test_kinds_do_not_hide_each_other() -> None:
    seldom: Seldom[str] = Seldom(2)
    assert [seldom.tell(kind, 0.0) for kind in "aabaab"] == [True, True, True, False, False, True]
    assert seldom.kept_back(1.0) == [("a", 2)]


def test_a_quiet_time_costs_nothing() -> None:
    assert Seldom[str](1).kept_back(5.0) == []
