"""Adding up the rows of all workers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer.board import reader

cells = st.lists(st.integers(0, 2**40), min_size=6, max_size=6)


def memory(values: list[int]) -> memoryview:
    view = memoryview(bytearray(8 * len(values))).cast("q")
    for index, value in enumerate(values):
        view[index] = value
    return view


@pytest.mark.parametrize("slots", [[0], [5], [1, 2, 3], [0, 1, 2, 3, 4, 5], [4, 1], [0, 2, 5], [3, 2, 1]])
@given(st.lists(cells, min_size=1, max_size=4))
def test_sums_are_those_of_the_slots_wherever_they_lie(slots: list[int], rows: list[list[int]]) -> None:
    board = [SimpleNamespace(node_active=memory(row), node_requests=memory(row)) for row in rows]
    read = reader(slots, board)
    assert read() == [sum(row[slot] for row in rows) for slot in slots]
    board[-1].node_active[slots[0]] += 1
    again = read()
    assert again[0] == sum(row[slots[0]] for row in rows) + 1
    # The caller may write into what it was given.
    again[0] = float("inf")
    assert read()[0] != again[0]
