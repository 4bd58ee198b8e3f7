"""Picking and lending over several workers, on a scoreboard of plain memory."""

from __future__ import annotations

import math
import random
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balancer.config import BalancingConfig
from balancer.node import Node, NodeState
from balancer.pickers import least_connections, round_robin
from balancer.pool import Lease, NoNodeReady, Pool, nodes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

SLOTS = 16


def integers(count: int) -> memoryview:
    return memoryview(bytearray(8 * count)).cast("q")


class PlainRow:
    def __init__(self) -> None:
        self.node_active = integers(SLOTS)
        self.node_requests = integers(SLOTS)


class PlainPage:
    def __init__(self) -> None:
        self.epoch = integers(1)
        self.node_state = integers(SLOTS)
        self.node_weight: memoryview[float] = memoryview(bytearray(8 * SLOTS)).cast("d")

    def say(self, slot: int, state: NodeState | int = NodeState.UP, weight: float = 1.0) -> None:
        self.node_state[slot] = int(state)
        self.node_weight[slot] = weight
        self.epoch[0] += 1


class PlainBoard:
    """As one worker sees it; `beside` gives the view of another worker of the same gateway."""

    def __init__(self, rows: Sequence[PlainRow], page: PlainPage, index: int) -> None:
        self.rows, self.page, self.mine = rows, page, rows[index]

    @classmethod
    def of(cls, workers: int = 1, up: int = 0) -> PlainBoard:
        board = cls([PlainRow() for _ in range(workers)], PlainPage(), 0)
        for slot in range(up):
            board.page.say(slot)
        return board

    def beside(self, index: int) -> PlainBoard:
        return PlainBoard(self.rows, self.page, index)

    def sums(self) -> list[int]:
        return [sum(row.node_active[slot] for row in self.rows) for slot in range(SLOTS)]


def node(slot: int, *, max_requests: int | None = None, backup: bool = False) -> Node:
    return Node(f"n{slot}", slot, 1.0, max_requests, backup)


def pool_of(board: PlainBoard, *slots: int, worker: int = 0) -> Pool:
    return Pool("claims", [node(slot) for slot in slots], least_connections, board, worker)


def test_leases_go_where_the_fewest_are_over_all_workers() -> None:
    board = PlainBoard.of(workers=3, up=3)
    pool = pool_of(board, 0, 1, 2)
    board.rows[1].node_active[0] = 2
    board.rows[2].node_active[1] = 1
    assert [pool.lease().node.slot for _ in range(3)] == [2, 1, 2]
    assert board.mine.node_active.tolist()[:3] == [0, 1, 2]
    assert pool.active() == {"n0": 2, "n1": 2, "n2": 2}


def test_workers_begin_at_different_nodes() -> None:
    board = PlainBoard.of(workers=4, up=3)
    assert [pool_of(board.beside(index), 0, 1, 2, worker=index).pick().slot for index in range(4)] == [0, 1, 2, 0]


def test_workers_begin_at_different_nodes_also_when_these_come_up_later() -> None:
    board = PlainBoard.of(workers=2)
    pools = [pool_of(board.beside(index), 0, 1, 2, worker=index) for index in range(2)]
    for slot in range(3):
        board.page.say(slot)
    assert [pool.pick().slot for pool in pools] == [0, 1]


@pytest.mark.parametrize("state", [state for state in NodeState if state is not NodeState.UP] + [77, -1])
def test_only_nodes_that_are_up_are_picked(state: NodeState | int) -> None:
    board = PlainBoard.of(up=2)
    board.page.say(1, state)
    pool = pool_of(board, 0, 1)
    assert {pool.pick().slot for _ in range(4)} == {0}
    board.page.say(0, state)
    with pytest.raises(NoNodeReady) as caught:
        pool.pick()
    assert not caught.value.full


def test_a_change_of_the_page_is_seen_by_the_next_pick() -> None:
    board = PlainBoard.of(up=2)
    pool = pool_of(board, 0, 1)
    assert pool.pick().slot == 0
    board.page.say(1, NodeState.DOWN)
    assert [pool.pick().slot for _ in range(2)] == [0, 0]
    board.page.say(1, NodeState.UP)
    assert pool.pick().slot == 1


def test_a_page_that_stands_still_is_gone_on_with() -> None:
    board = PlainBoard.of(up=2)
    pool = pool_of(board, 0, 1)
    board.page.node_state[1] = NodeState.DOWN  # without a new epoch: nobody has published it
    assert [pool.pick().slot for _ in range(4)] == [0, 1, 0, 1]


@pytest.mark.parametrize("cell", [0.0, -1.0, math.nan, math.inf])
def test_a_weight_that_is_none_does_not_stop_the_picking(cell: float) -> None:
    board = PlainBoard.of(up=2)
    board.page.say(1, weight=cell)
    pool = pool_of(board, 0, 1)
    assert {pool.lease().node.slot for _ in range(8)} <= {0, 1}


def test_a_lease_is_given_back_once() -> None:
    board = PlainBoard.of(up=1)
    pool = pool_of(board, 0)
    lease, other = pool.lease(), pool.lease()
    assert repr(lease) == "<Lease of n0, held>"
    lease.release()
    lease.release()
    assert repr(lease) == "<Lease of n0, released>"
    assert (board.mine.node_active[0], board.mine.node_requests[0]) == (1, 1)
    other.release(failed=True)
    assert (board.mine.node_active[0], board.mine.node_requests[0]) == (0, 1)


def test_a_lease_comes_back_however_the_exchange_ends() -> None:
    board = PlainBoard.of(up=1)
    pool = pool_of(board, 0)
    seen = []

    def exchange() -> None:
        with pool.lease() as leased:
            seen.append((leased.address, board.mine.node_active[0]))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        exchange()
    assert seen == [("n0", 1)]
    assert board.mine.node_active[0] == 0


def test_max_requests_holds_over_all_workers() -> None:
    board = PlainBoard.of(workers=2, up=2)
    board.rows[1].node_active[0] = 1
    pool = Pool("claims", [node(0, max_requests=2), node(1, max_requests=1)], least_connections, board)
    leases = [pool.lease(), pool.lease()]
    assert board.sums()[:2] == [2, 1]
    with pytest.raises(NoNodeReady) as caught:
        pool.lease()
    assert caught.value.full
    assert str(caught.value) == "claims: 2 of 2 (all at max_requests)"
    assert caught.value.zh == "claims：2 个节点中 2 个可用（均已达 max_requests 上限）"
    leases[1].release()
    assert pool.lease().node is leases[1].node


def test_a_node_without_a_limit_takes_what_the_others_may_not() -> None:
    board = PlainBoard.of(up=2)
    pool = Pool("claims", [node(0, max_requests=1), node(1)], least_connections, board)
    assert [pool.lease().node.slot for _ in range(4)] == [0, 1, 1, 1]


def test_tried_nodes_are_not_picked_again() -> None:
    board = PlainBoard.of(up=3)
    board.page.say(2, NodeState.DOWN)
    pool = pool_of(board, 0, 1, 2)
    assert {pool.pick({"n0"}).slot for _ in range(3)} == {1}
    with pytest.raises(NoNodeReady) as caught:
        pool.pick({"n0", "n1"})
    assert str(caught.value) == "claims: 2 of 3 (1 down, 2 tried)"
    assert not caught.value.full


def test_of_nodes_tried_and_nodes_full_the_full_are_waited_for() -> None:
    board = PlainBoard.of(up=2)
    pool = Pool("claims", [node(0, max_requests=1), node(1)], least_connections, board)
    pool.lease({"n1"})
    with pytest.raises(NoNodeReady) as caught:
        pool.lease({"n1"})
    assert caught.value.full
    assert str(caught.value) == "claims: 2 of 2 (1 tried, all at max_requests)"


def test_backups_stand_in_only_when_no_primary_is_left() -> None:
    board = PlainBoard.of(up=3)
    nodes = [node(0, max_requests=1), node(1, max_requests=1), node(2, backup=True)]
    pool = Pool("claims", nodes, least_connections, board)
    held = [pool.lease(), pool.lease()]
    assert [lease.node.slot for lease in held] == [0, 1]
    with pytest.raises(NoNodeReady) as caught:
        pool.lease()
    assert caught.value.full
    board.page.say(0, NodeState.DRAINING)
    board.page.say(1, NodeState.DOWN)
    assert pool.pick().slot == 2
    board.page.say(1)
    held[1].release()
    assert pool.pick().slot == 1


def test_a_retry_may_go_to_a_backup_when_every_primary_was_tried() -> None:
    board = PlainBoard.of(up=2)
    pool = Pool("claims", [node(0), node(1, backup=True)], least_connections, board)
    assert pool.pick({"n0"}).slot == 1
    with pytest.raises(NoNodeReady, match=r"claims: 2 of 2 \(2 tried\)"):
        pool.pick({"n0", "n1"})


def test_a_refusal_counts_the_nodes_by_state_in_both_languages() -> None:
    board = PlainBoard.of()
    for slot, state in enumerate((NodeState.DOWN, NodeState.DOWN, NodeState.DRAINING)):
        board.page.say(slot, state)
    with pytest.raises(NoNodeReady) as caught:
        pool_of(board, 0, 1, 2).pick()
    assert str(caught.value) == caught.value.en == "claims: 0 of 3 (2 down, 1 draining)"
    assert caught.value.zh == "claims：3 个节点中 0 个可用（2 个故障，1 个排空中）"
    assert caught.value.pool == "claims"
    with pytest.raises(NoNodeReady) as empty:
        Pool("none", [], least_connections, board).pick()
    assert (empty.value.en, empty.value.zh) == ("none: 0 of 0", "none：0 个节点中 0 个可用")


def test_the_pool_tells_how_many_are_up() -> None:
    board = PlainBoard.of(up=2)
    assert repr(pool_of(board, 0, 1, 2)) == "<Pool claims: 2 of 3 up>"


def test_turns_go_on_over_changes_of_state() -> None:
    board = PlainBoard.of(up=4)
    pool = pool_of(board, 0, 1, 2, 3)
    assert [pool.pick().slot for _ in range(3)] == [0, 1, 2]
    board.page.say(2, NodeState.DOWN)
    assert [pool.pick().slot for _ in range(2)] == [3, 0]
    board.page.say(2)
    assert [pool.pick().slot for _ in range(3)] == [1, 2, 3]


def test_credit_survives_a_refresh_but_not_other_weights() -> None:
    board = PlainBoard.of()
    board.page.say(0, weight=1000.0)
    board.page.say(1, weight=500.0)
    pool = pool_of(board, 0, 1)
    assert [pool.pick().slot for _ in range(2)] == [0, 1]
    board.page.epoch[0] += 1
    assert [pool.pick().slot for _ in range(2)] == [0, 0]
    board.page.say(0, weight=2.0)
    board.page.say(1, weight=1.0)
    picked = Counter(pool.pick().slot for _ in range(30))
    assert 18 <= picked[0] <= 21


def test_a_reload_keeps_turns_and_lets_old_leases_come_back() -> None:
    board = PlainBoard.of(up=5)
    pool = pool_of(board, 0, 1, 2)
    old = [pool.lease() for _ in range(3)]
    pool.rebuild([node(1), node(4)], round_robin)
    assert [pool.pick().slot for _ in range(4)] == [1, 4, 1, 4]
    for lease in old:
        lease.release()
    assert board.sums() == [0] * SLOTS


def test_nodes_come_from_configuration_and_slots() -> None:
    config = BalancingConfig.model_validate(
        {"nodes": [{"address": "127.0.0.1:18101", "weight": 2}, {"address": "127.0.0.1:18102", "max_requests": 5}]}
    )
    slots = {("claims", "127.0.0.1:18101"): 4, ("claims", "127.0.0.1:18102"): 2, ("other", "127.0.0.1:18101"): 0}
    assert nodes_of("claims", config, slots) == (
        Node("127.0.0.1:18101", 4, 2.0, None, False),
        Node("127.0.0.1:18102", 2, 1.0, 5, False),
    )


@given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 40), st.integers(0, 2**32))
@settings(deadline=None)
def test_equal_nodes_are_never_more_than_one_lease_apart(nodes: int, workers: int, clients: int, seed: int) -> None:
    """A closed loop: when a client's exchange ends, its next one begins at once."""
    chance = random.Random(seed)
    board = PlainBoard.of(workers, up=nodes)
    pools = [pool_of(board.beside(index), *range(nodes), worker=index) for index in range(workers)]
    leases = [chance.choice(pools).lease() for _ in range(clients)]
    taken = board.sums()[:nodes]
    assert max(taken) - min(taken) <= 1
    for _ in range(100):
        ended = chance.randrange(clients)
        leases[ended].release()
        before = board.sums()[:nodes]
        leases[ended] = chance.choice(pools).lease()
        assert before[leases[ended].node.slot] == min(before)


def test_equal_nodes_of_equal_speed_stay_within_one_lease() -> None:
    board = PlainBoard.of(workers=2, up=3)
    pools = [pool_of(board.beside(index), 0, 1, 2, worker=index) for index in range(2)]
    leases = [pools[client % 2].lease() for client in range(10)]
    for turn in range(300):
        # First in, first out: what exchanges of equal duration do.
        leases.pop(0).release()
        leases.append(pools[turn % 2].lease())
        taken = board.sums()[:3]
        assert max(taken) - min(taken) <= 1
    requests = [sum(row.node_requests[slot] for row in board.rows) for slot in range(3)]
    assert max(requests) - min(requests) <= 2


states = st.sampled_from([*NodeState, NodeState.UP, NodeState.UP])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("lease"), st.integers(0, 1), st.sets(st.integers(0, 5), max_size=2)),
        st.tuples(st.just("release"), st.integers(0, 99), st.booleans()),
        st.tuples(st.just("say"), st.integers(0, 5), states, st.sampled_from([0.1, 1.0, 2.0])),
        st.tuples(st.just("reload"), st.sets(st.integers(0, 5), min_size=1)),
    ),
    max_size=60,
)


@given(steps, st.lists(st.tuples(st.none() | st.integers(1, 3), st.booleans()), min_size=6, max_size=6))
@settings(deadline=None)
def test_whatever_happens_only_the_ready_are_lent_and_counts_return_to_zero(
    steps: list[tuple[object, ...]], kinds: list[tuple[int | None, bool]]
) -> None:
    board = PlainBoard.of(workers=2, up=6)
    known = {slot: node(slot, max_requests=limit, backup=backup) for slot, (limit, backup) in enumerate(kinds)}
    pools = [Pool("claims", known.values(), least_connections, board.beside(index), index) for index in range(2)]
    present = set(known)
    held: list[Lease] = []
    for kind, *values in steps:
        if kind == "say":
            slot, state, weight = values
            board.page.say(slot, state, weight)  # type: ignore[arg-type]
        elif kind == "reload":
            present = set(values[0])  # type: ignore[call-overload]
            for pool in pools:
                pool.rebuild([known[slot] for slot in sorted(present)], least_connections)
        elif kind == "release" and held:
            held.pop(values[0] % len(held)).release(failed=bool(values[1]))  # type: ignore[operator]
        elif kind == "lease":
            tried = {f"n{slot}" for slot in values[1]}  # type: ignore[attr-defined]
            before = board.sums()

            def takes(slot: int, before: list[int] = before) -> bool:
                limit = known[slot].max_requests
                return limit is None or before[slot] < limit

            ready = {s for s in present if board.page.node_state[s] == NodeState.UP and f"n{s}" not in tried}
            primaries = {slot for slot in ready if not known[slot].backup}
            allowed = {slot for slot in primaries or ready if takes(slot)}
            pool = pools[values[0]]  # type: ignore[call-overload]
            if allowed:
                held.append(pool.lease(tried))
                assert held[-1].node.slot in allowed
            else:
                with pytest.raises(NoNodeReady) as none:
                    pool.lease(tried)
                assert none.value.full == bool(ready)
    with ExitStack() as stack:
        for lease in held:
            stack.enter_context(lease)
    assert board.sums() == [0] * SLOTS
