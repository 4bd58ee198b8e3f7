"""The compiled picks and sums, and their Python twins, over random pools: the same node and the same turns."""

from __future__ import annotations

import math
from array import array
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer import board, pickers

compiled = pytest.importorskip("balancer._pick", reason="not compiled", exc_type=ImportError)

WEIGHTS = st.one_of(st.integers(1, 5).map(float), st.floats(0.01, 1000.0))
LOADS = st.one_of(st.integers(0, 6).map(float), st.integers(0, 2**20).map(float), st.just(math.inf))


@st.composite
def pools(draw: st.DrawFn) -> tuple[list[float], list[list[float]]]:
    """Weights, equal or not, and the loads that a number of picks in a row see; one node at least may be taken."""
    size = draw(st.integers(1, 12))
    weights = draw(st.one_of(st.lists(WEIGHTS, min_size=size, max_size=size), WEIGHTS.map(lambda same: [same] * size)))
    rounds = draw(st.lists(st.lists(LOADS, min_size=size, max_size=size), min_size=1, max_size=25))
    for loads in rounds:
        if min(loads) == math.inf:
            loads[draw(st.integers(0, size - 1))] = 0.0
    return weights, rounds


@pytest.mark.parametrize("policy", ["least_connections", "round_robin"])
@given(made=pools(), data=st.data())
def test_the_same_node_each_time(policy: str, made: tuple[list[float], list[list[float]]], data: st.DataObject) -> None:
    weights, rounds = made
    even = len(set(weights)) == 1 and data.draw(st.booleans())
    credits_ = data.draw(st.lists(st.floats(-100, 100), min_size=len(weights), max_size=len(weights)))
    last = data.draw(st.integers(-1, len(weights) - 1))
    one = pickers.Turns(list(credits_), last, even=even)
    two = compiled.Turns(credits_, last, even=even)
    for loads in rounds:
        chosen = getattr(pickers, policy)(list(loads), weights, one)
        assert getattr(compiled, policy)(array("d", loads), array("d", weights), two) == chosen
        assert loads[chosen] < math.inf
        assert (list(two.credits), two.last) == (one.credits, one.last)


@given(st.lists(st.tuples(LOADS, LOADS), min_size=1, max_size=12))
def test_full(pairs: list[tuple[float, float]]) -> None:
    active, limits = ([pair[at] for pair in pairs] for at in (0, 1))
    assert compiled.full(array("d", active), array("d", limits)) == pickers.full(active, limits)


@given(st.data())
def test_sums_over_the_rows(data: st.DataObject) -> None:
    cells = data.draw(st.integers(1, 20))
    counts = st.lists(st.integers(-(2**31), 2**31), min_size=cells, max_size=cells)
    rows = [
        SimpleNamespace(node_active=memoryview(array("q", row)))
        for row in data.draw(st.lists(counts, min_size=1, max_size=5))
    ]
    slots = data.draw(st.lists(st.integers(0, cells - 1), min_size=1, max_size=12))
    read = compiled.Reader(slots, rows)
    assert list(read()) == board.reader(slots, rows)()  # type: ignore[arg-type]
    rows[0].node_active[slots[0]] += 7
    assert list(read()) == board.reader(slots, rows)(), "each call reads anew"  # type: ignore[arg-type]


@pytest.mark.parametrize("slots", [[-1], [0, 4], [4], [2**40]])
def test_a_slot_beyond_the_row_is_an_error_and_no_reading_of_other_memory(slots: list[int]) -> None:
    row = SimpleNamespace(node_active=memoryview(array("q", [0] * 4)))
    with pytest.raises(IndexError):
        compiled.Reader(slots, [row])
    with pytest.raises(IndexError):
        compiled.Reader(slots, [row, row])


def test_lists_are_refused_where_arrays_of_doubles_are_wanted() -> None:
    with pytest.raises(TypeError):
        compiled.full([1.0], [2.0])
    with pytest.raises(TypeError):
        compiled.least_connections(array("d", [1.0]), array("d", [2.0]), pickers.Turns([0.0], -1, even=True))
