"""The weight in force."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer.weight import LEAST, MOST, clamped, effective_weight, slow_start


@pytest.mark.parametrize(
    ("since_up", "window", "factor"),
    [
        (None, 30, 1.0),
        (0, 30, 0.1),
        (1, 30, 0.1),
        (3, 30, 0.1),
        (15, 30, 0.5),
        (30, 30, 1.0),
        (1e9, 30, 1.0),
        (0, 0, 1.0),
        (-5, 30, 0.1),
    ],
)
def test_slow_start_rises_from_its_floor_to_one(since_up: float | None, window: float, factor: float) -> None:
    assert slow_start(since_up, window) == factor


def test_the_floor_can_be_chosen() -> None:
    assert slow_start(1, 100, floor=0.05) == 0.05


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0.001, 60))
def test_slow_start_never_falls(one: float, other: float, window: float) -> None:
    earlier, later = sorted([one, other])
    assert 0.1 <= slow_start(earlier, window) <= slow_start(later, window) <= 1.0


def test_the_weight_is_the_product_of_its_factors() -> None:
    assert effective_weight(2.0) == 2.0
    assert effective_weight(4.0, slow=0.5, load=0.5, admin=0.5) == 0.5
    assert effective_weight(1.0, load=0.0) == LEAST
    assert effective_weight(1e9) == MOST


@given(st.floats())
def test_any_cell_is_a_weight_one_can_divide_by(cell: float) -> None:
    weight = clamped(cell)
    assert LEAST <= weight <= MOST
    assert math.isfinite(1 / weight)


def test_what_is_no_number_counts_as_one() -> None:
    assert clamped(math.nan) == 1.0
