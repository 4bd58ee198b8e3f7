"""The effective state of a node: a pure function of four inputs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer.node import Active, Admin, Inputs, Node, NodeState, Words, effective, state_of

NOW = 1000.0
WORDS = ("cpu", "cpu at 99 %", "CPU 99%")

inputs = st.builds(
    Inputs,
    admin=st.sampled_from(Admin),
    active=st.sampled_from(Active),
    ejected_until=st.none() | st.floats(NOW - 5, NOW + 5),
    snmp_eject=st.booleans(),
)


def test_codes_and_labels_are_those_of_the_scoreboard_and_the_admin_api() -> None:
    assert {state.label: int(state) for state in NodeState} == {
        "checking": 0,
        "up": 1,
        "down": 2,
        "ejected": 3,
        "draining": 4,
        "maintenance": 5,
    }
    assert len({state.zh for state in NodeState}) == len(NodeState)


@pytest.mark.parametrize(("code", "state"), [(0, NodeState.CHECKING), (5, NodeState.MAINTENANCE)])
def test_a_known_code_is_its_state(code: int, state: NodeState) -> None:
    assert state_of(code) is state


@given(st.integers().filter(lambda code: not 0 <= code <= 5))
def test_an_unknown_code_gets_no_traffic(code: int) -> None:
    assert state_of(code) is NodeState.DOWN


def test_precedence_from_the_operator_down() -> None:
    everything = Inputs(
        admin=Admin.MAINTENANCE, active=Active.DOWN, ejected_until=NOW + 1, snmp_eject=True, snmp_reason=WORDS
    )
    steps: list[tuple[dict[str, object], NodeState, str]] = [
        ({}, NodeState.MAINTENANCE, "maintenance"),
        ({"admin": Admin.DRAIN}, NodeState.DRAINING, "drain"),
        ({"admin": Admin.READY}, NodeState.DOWN, "check_failed"),
        ({"active": Active.CHECKING}, NodeState.CHECKING, "checking"),
        ({"active": Active.UP}, NodeState.EJECTED, "cpu"),
        ({"snmp_eject": False}, NodeState.EJECTED, "ejected"),
        ({"ejected_until": None}, NodeState.UP, "up"),
    ]
    for change, state, code in steps:
        everything = replace(everything, **change)  # type: ignore[arg-type]
        found, words = effective(everything, NOW)
        assert (found, words.code) == (state, code)
        assert words.en
        assert words.zh


def test_a_pool_without_checks_is_up_at_once() -> None:
    assert effective(Inputs(), NOW)[0] is NodeState.UP
    assert effective(Inputs(active=Active.CHECKING), NOW)[0] is NodeState.CHECKING


@pytest.mark.parametrize(("until", "state"), [(NOW, NodeState.UP), (NOW + 0.001, NodeState.EJECTED)])
def test_a_passive_ejection_ends_by_itself(until: float, state: NodeState) -> None:
    assert effective(Inputs(active=Active.UP, ejected_until=until), NOW)[0] is state


def test_reasons_given_are_told() -> None:
    assert effective(Inputs(active=Active.DOWN, active_reason=WORDS), NOW) == (NodeState.DOWN, Words(*WORDS))
    assert effective(Inputs(ejected_until=NOW + 1, ejection_reason=WORDS), NOW)[1] == WORDS
    assert effective(Inputs(withheld=WORDS), NOW) == (NodeState.UP, Words(*WORDS))


@given(inputs)
def test_up_is_what_nothing_speaks_against(seen: Inputs) -> None:
    state, _ = effective(seen, NOW)
    against = not seen.available() or seen.ejected(NOW) or seen.snmp_eject
    assert (state is NodeState.UP) == (not against)


def test_nodes_are_compared_by_value() -> None:
    assert Node("127.0.0.1:18101", 3, 2.0) == Node("127.0.0.1:18101", 3, 2.0)
    assert Node("127.0.0.1:18101", 3, 2.0) != Node("127.0.0.1:18101", 3, 1.0)
