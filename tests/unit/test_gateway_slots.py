"""Slots over reloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.board_layout import Capacity
from gateway.slots import CapacityExceededError, Slots, assign, newcomers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.board_layout import Kind

CAPACITY = Capacity(listeners=2, pools=3, nodes=4, institutions=5)


def idle(_kind: Kind, _slot: int) -> bool:
    return False


def slots(
    previous: Slots | None = None,
    *,
    nodes: Iterable[str] = (),
    institutions: Iterable[str] = (),
    busy: Callable[[Kind, int], bool] = idle,
) -> Slots:
    return assign(
        previous,
        listeners=["front"],
        pools=["claims"],
        nodes=[("claims", node) for node in nodes],
        institutions=institutions,
        capacity=CAPACITY,
        busy=busy,
    )


def of_nodes(found: Slots) -> dict[str, int]:
    return {node: slot for (_, node), slot in found.nodes.items()}


def test_the_first_assignment_is_dense_and_in_order() -> None:
    first = slots(nodes="abc", institutions=["H1"])
    assert of_nodes(first) == {"a": 0, "b": 1, "c": 2}
    assert (first.listeners, first.pools, first.institutions) == ({"front": 0}, {"claims": 0}, {"H1": 0})


def test_one_address_in_two_pools_has_two_slots() -> None:
    nodes = [("claims", "a"), ("catalogue", "a"), ("claims", "a")]
    found = assign(None, listeners=[], pools=[], nodes=nodes, institutions=[], capacity=CAPACITY, busy=idle)
    assert found.nodes == {("claims", "a"): 0, ("catalogue", "a"): 1}


def test_survivors_keep_their_slots_whatever_the_order() -> None:
    assert of_nodes(slots(slots(nodes="abc"), nodes="cda")) == {"c": 2, "d": 3, "a": 0}


def test_a_slot_freed_by_this_reload_is_given_away_by_the_next_at_the_earliest() -> None:
    second = slots(slots(nodes="ab"), nodes="ac")
    assert of_nodes(second) == {"a": 0, "c": 2}
    assert of_nodes(slots(second, nodes="acd")) == {"a": 0, "c": 2, "d": 1}


def test_a_freed_slot_in_use_is_passed_over() -> None:
    second = slots(slots(nodes="ab"), nodes="a")
    asked: list[tuple[Kind, int]] = []

    def busy(kind: Kind, slot: int) -> bool:
        asked.append((kind, slot))
        return (kind, slot) == ("node", 1)

    assert of_nodes(slots(second, nodes="ac", busy=busy)) == {"a": 0, "c": 2}
    assert asked == [("node", 1), ("node", 2)]


def test_more_than_the_capacity_is_refused_in_a_sentence() -> None:
    with pytest.raises(CapacityExceededError) as caught:
        slots(nodes="abcde")
    assert str(caught.value) == "5 nodes, but there is room for 4"
    assert caught.value.kind == "node"


def test_slots_that_linger_are_named() -> None:
    with pytest.raises(CapacityExceededError) as caught:
        slots(slots(nodes="ab"), nodes="cdef", busy=lambda _, slot: slot == 3)
    assert str(caught.value) == (
        "4 nodes, but there is room for 4, of which 3 still serve nodes removed by a reload;"
        " wait until those have drained, or restart"
    )


def test_newcomers_are_those_to_be_zeroed() -> None:
    first = slots(nodes="ab", institutions=["H1"])
    assert sorted(newcomers(None, first)) == [
        ("institution", 0),
        ("listener", 0),
        ("node", 0),
        ("node", 1),
        ("pool", 0),
    ]
    second = slots(first, nodes="bc", institutions=["H1", "H2"])
    assert sorted(newcomers(first, second)) == [("institution", 1), ("node", 2)]


@given(st.lists(st.sets(st.sampled_from("abcdefgh"), max_size=4), max_size=8), st.sets(st.integers(0, 3)))
def test_over_any_reloads_slots_are_distinct_kept_and_never_taken_from_the_busy(
    configurations: list[set[str]], stuck: set[int]
) -> None:
    previous: Slots | None = None
    for wanted in configurations:
        old = of_nodes(previous) if previous else {}
        busy = stuck - set(old.values())
        try:
            current = slots(previous, nodes=sorted(wanted), busy=lambda _, slot, busy=busy: slot in busy)  # type: ignore[misc]
        except CapacityExceededError:
            continue
        new = of_nodes(current)
        assert set(new) == wanted
        assert len(set(new.values())) == len(new)
        assert all(0 <= slot < CAPACITY.nodes for slot in new.values())
        assert all(new[node] == old[node] for node in wanted & set(old))
        fresh = {new[node] for node in wanted - set(old)}
        assert not fresh & (busy | set(old.values()))
        previous = current
