"""Policies on plain lists."""

from __future__ import annotations

import math
from collections import Counter
from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from balancer.config import Policy
from balancer.pickers import FALLBACK, PICKERS, Turns, least_connections, picker_for, round_robin

weights_of_a_pool = st.lists(st.sampled_from([0.1, 0.5, 1.0, 1.5, 2.0, 3.0]), min_size=1, max_size=6)


def turns(weights: list[float], last: int = -1) -> Turns:
    return Turns([0.0] * len(weights), last, even=min(weights) == max(weights))


def test_every_configurable_policy_has_a_picker() -> None:
    assert set(PICKERS) | set(FALLBACK) == set(get_args(Policy))
    assert not set(PICKERS) & set(FALLBACK)
    for policy in get_args(Policy):
        assert picker_for(policy) is PICKERS[FALLBACK.get(policy, policy)]
    with pytest.raises(KeyError):
        picker_for("fastest")


def test_smooth_weighted_round_robin_spreads_the_heavy() -> None:
    state = turns([3.0, 1.0, 1.0])
    assert "".join("abc"[round_robin([0, 0, 0], [3.0, 1.0, 1.0], state)] for _ in range(10)) == "abacaabaca"


def test_equal_loads_go_round_in_turn() -> None:
    state = turns([1.0] * 3)
    assert [least_connections([2, 2, 2], [1.0] * 3, state) for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_turns_begin_after_the_last_one() -> None:
    assert least_connections([0, 0, 0], [1.0] * 3, turns([1.0] * 3, last=1)) == 2
    assert least_connections([0, 0, 9], [1.0] * 3, turns([1.0] * 3, last=1)) == 0


def test_an_idle_heavy_node_comes_before_an_idle_light_one() -> None:
    assert least_connections([0, 0], [1.0, 2.0], turns([1.0, 2.0])) == 1


def test_an_idle_pool_shares_by_weight() -> None:
    weights = [2.0, 1.0, 0.1]
    state = turns(weights)
    picked = Counter(least_connections([0, 0, 0], weights, state) for _ in range(310))
    assert picked == {0: 200, 1: 100, 2: 10}


@pytest.mark.parametrize("weight", [0.59, 0.71, 1.39])
def test_rounding_makes_no_ties(weight: float) -> None:
    assert 3 / weight * weight > 3  # as loads per weight are compared, in floating point
    assert least_connections([3, 2, 50], [weight, weight, 1.0], turns([weight, 1.0])) == 1


@pytest.mark.parametrize("picker", [least_connections, round_robin])
@given(st.data(), weights_of_a_pool)
def test_the_infinitely_loaded_are_never_picked(picker: object, data: st.DataObject, weights: list[float]) -> None:
    size = len(weights)
    load = st.one_of(st.integers(0, 50), st.just(math.inf))
    active = data.draw(st.lists(load, min_size=size, max_size=size))
    assume(min(active) < math.inf)
    state = turns(weights, data.draw(st.integers(-1, size - 1)))
    for _ in range(size + 2):
        chosen = picker(active, weights, state)  # type: ignore[operator]
        assert active[chosen] < math.inf
        assert state.last == chosen


@given(st.data(), weights_of_a_pool)
def test_least_connections_stays_within_one_lease_of_the_least(data: st.DataObject, weights: list[float]) -> None:
    active: list[float] = [float(data.draw(st.integers(0, 20))) for _ in weights]
    chosen = least_connections(active, weights, turns(weights))
    after = [(load + 1) / weight for load, weight in zip(active, weights, strict=True)]
    assert active[chosen] / weights[chosen] < min(after)
    alike = [load for load, weight in zip(active, weights, strict=True) if weight == weights[chosen]]
    assert active[chosen] == min(alike)


@given(weights_of_a_pool, st.integers(1, 60))
def test_leases_that_last_pile_up_by_weight(weights: list[float], leases: int) -> None:
    active = [0.0] * len(weights)
    state = turns(weights)
    for _ in range(leases):
        active[least_connections(active, weights, state)] += 1
    for mine, weight in zip(active, weights, strict=True):
        for other, its in zip(active, weights, strict=True):
            # The last lease was not given to a node that stood above another after its next one.
            assert (mine - 1) / weight < (other + 1) / its


@given(weights_of_a_pool)
def test_picks_follow_the_weights_in_the_long_run(weights: list[float]) -> None:
    for picker in (least_connections, round_robin):
        state = turns(weights)
        rounds = 600
        picked = Counter(picker([0.0] * len(weights), weights, state) for _ in range(rounds))
        for place, weight in enumerate(weights):
            assert abs(picked[place] - rounds * weight / sum(weights)) <= len(weights)
        assert sum(state.credits) == pytest.approx(0.0, abs=1e-6)
