"""What indirect evidence may take out of a pool."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from balancer.guard import honoured
from balancer.node import Active, Admin, Inputs, NodeState, effective

NOW = 1000.0
UP = Inputs(active=Active.UP)
FAILING = Inputs(active=Active.UP, ejected_until=NOW + 10)


def loaded(reading: float) -> Inputs:
    return Inputs(active=Active.UP, snmp_eject=True, snmp_reading=reading)


def states(pool: list[Inputs]) -> str:
    """One letter per node, in order: u(p), e(jected), d(own), ..."""
    return "".join(effective(inputs, NOW)[0].label[0] for inputs in pool)


def test_an_ejection_with_room_is_honoured() -> None:
    assert states(honoured([UP, FAILING, UP], NOW, min_healthy=1)) == "ueu"
    assert states(honoured([UP, loaded(0.99), UP], NOW, min_healthy=1)) == "ueu"


def test_the_last_healthy_nodes_stay_and_say_why() -> None:
    kept = honoured([FAILING, FAILING, FAILING], NOW, min_healthy=1)
    assert states(kept) == "eeu"
    assert effective(kept[2], NOW)[1].code == "kept_min_healthy"
    assert states(honoured([FAILING], NOW, min_healthy=1)) == "u"
    assert states(honoured([FAILING], NOW, min_healthy=0)) == "e"


def test_nodes_that_are_down_or_drained_do_not_count_as_healthy() -> None:
    down, drained = Inputs(active=Active.DOWN), Inputs(admin=Admin.DRAIN)
    assert states(honoured([down, drained, FAILING], NOW, min_healthy=1)) == "ddu"
    assert states(honoured([down, drained, FAILING], NOW, min_healthy=2)) == "ddu"


def test_the_longest_passive_ejection_goes_first() -> None:
    longer = Inputs(active=Active.UP, ejected_until=NOW + 20)
    assert states(honoured([FAILING, longer], NOW, min_healthy=1)) == "ue"


def test_passive_ejections_come_before_snmp() -> None:
    assert states(honoured([loaded(0.99), UP, FAILING], NOW, min_healthy=2)) == "uue"


def test_one_node_out_for_both_reasons_takes_one_place() -> None:
    both = Inputs(active=Active.UP, ejected_until=NOW + 10, snmp_eject=True, snmp_reading=0.5)
    pool = honoured([both, loaded(0.99), UP, UP], NOW, min_healthy=2)
    assert states(pool) == "eeuu"


def test_the_share_limits_passive_ejections_but_lets_one_out() -> None:
    kept = honoured([FAILING, FAILING, UP, UP], NOW, min_healthy=1, share=0.25)
    assert states(kept) == "euuu"
    assert effective(kept[1], NOW)[1].code == "kept_share"
    assert states(honoured([FAILING, FAILING, UP], NOW, min_healthy=1, share=0.01)) == "euu"
    assert states(honoured([FAILING, UP, UP], NOW, min_healthy=1, share=0.0)) == "uuu"


def test_snmp_takes_the_worst_reading_first() -> None:
    assert states(honoured([loaded(0.98), loaded(0.99), UP, UP], NOW, min_healthy=3)) == "ueuu"


def test_nearly_equal_readings_do_not_take_turns() -> None:
    pool = [loaded(0.98), loaded(0.99), UP, UP]
    assert states(honoured(pool, NOW, min_healthy=3, in_force=[0])) == "euuu"


def test_snmp_against_the_majority_is_ignored() -> None:
    kept = honoured([loaded(0.99), loaded(0.98), UP], NOW, min_healthy=0)
    assert states(kept) == "uuu"
    assert effective(kept[0], NOW)[1].code == "kept_snmp_majority"
    assert states(honoured([loaded(0.99), loaded(0.98), UP, UP], NOW, min_healthy=0)) == "eeuu"


def test_a_passive_ejection_stands_though_snmp_is_ignored() -> None:
    both = Inputs(active=Active.UP, ejected_until=NOW + 10, snmp_eject=True)
    kept = honoured([both, loaded(0.9)], NOW, min_healthy=1)
    assert states(kept) == "eu"
    assert effective(kept[0], NOW)[1].code == "ejected"


nodes = st.builds(
    Inputs,
    admin=st.sampled_from([Admin.READY, Admin.READY, Admin.DRAIN]),
    active=st.sampled_from([Active.UP, Active.UP, Active.NONE, Active.DOWN]),
    ejected_until=st.none() | st.floats(NOW - 5, NOW + 5),
    snmp_eject=st.booleans(),
    snmp_reading=st.floats(0, 1),
)


@given(st.lists(nodes, max_size=8), st.integers(0, 8), st.sets(st.integers(0, 7)), st.floats(0, 1))
def test_no_indirect_evidence_takes_the_pool_below_min_healthy(
    pool: list[Inputs], min_healthy: int, in_force: set[int], share: float
) -> None:
    kept = honoured(pool, NOW, min_healthy=min_healthy, share=share, in_force=in_force)
    available = [index for index, inputs in enumerate(pool) if inputs.available()]
    up = [index for index in available if effective(kept[index], NOW)[0] is NodeState.UP]
    assert len(up) >= min(min_healthy, len(available))
    assert len(kept) == len(pool)
    for index, (before, after) in enumerate(zip(pool, kept, strict=True)):
        # The guard only ever takes ejections back.
        assert after.snmp_eject <= before.snmp_eject
        assert after.ejected(NOW) <= before.ejected(NOW)
        if index in up and effective(before, NOW)[0] is NodeState.EJECTED:
            assert after.withheld is not None
        if index not in available:
            assert after is before
    assert honoured(pool, NOW, min_healthy=min_healthy, share=share, in_force=in_force) == kept
