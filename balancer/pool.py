# cython: language_level=3, annotation_typing=False
"""The nodes of a pool as one worker sees them: which may be picked, who has a lease, and that it comes back.

States and weights come from the control page, counts from the rows of all workers; both through the Protocols
of board.py. Without `control` the page stands still and the pool goes on with what it says. The sum of
leases is exact but for picks that other workers make in the same instant, so `max_requests` can be exceeded by
at most (workers - 1). Waiting for capacity is the caller's business: `NoNodeReady.full` says when it helps.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any

from balancer.board import chosen_reader
from balancer.node import Node, NodeState, state_of
from balancer.pickers import chosen
from balancer.weight import clamped

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from types import TracebackType

    from balancer.board import Board, Row
    from balancer.config import BalancingConfig
    from balancer.pickers import Picker


class NoNodeReady(Exception):
    """No node can take this exchange now. As text: "settlement: 0 of 3 (2 down, 1 draining)"."""

    def __init__(self, pool: str, states: Counter[NodeState], *, tried: int = 0, full: bool = False) -> None:
        self.pool = pool
        self.states = states
        self.tried = tried
        self.full = full
        """Nodes are up, but all at max_requests: the next release frees one."""
        super().__init__(self.en)

    @property
    def en(self) -> str:
        others = [f"{count} {state.label}" for state, count in self._others()]
        others += [f"{self.tried} tried"] * bool(self.tried) + ["all at max_requests"] * self.full
        return f"{self.pool}: {self._up} of {self.states.total()}" + (f" ({', '.join(others)})" if others else "")

    @property
    def zh(self) -> str:
        others = [f"{count} 个{state.zh}" for state, count in self._others()]
        others += [f"{self.tried} 个已试过"] * bool(self.tried) + ["均已达 max_requests 上限"] * self.full
        said = f"{self.pool}：{self.states.total()} 个节点中 {self._up} 个可用"
        return said + (f"（{'，'.join(others)}）" if others else "")

    @property
    def _up(self) -> int:
        return self.states[NodeState.UP]

    def _others(self) -> list[tuple[NodeState, int]]:
        return [(state, self.states[state]) for state in _TOLD if self.states[state]]


_TOLD = (NodeState.DOWN, NodeState.EJECTED, NodeState.DRAINING, NodeState.MAINTENANCE, NodeState.CHECKING)


class Lease:
    """A node borrowed for one exchange; counted in this worker's row until it is released, once."""

    __slots__ = ("_held", "_pool", "node", "slot")

    def __init__(self, pool: Pool, node: Node) -> None:
        self.node = node
        self.slot = slot = node.slot
        self._pool = pool
        self._held = True
        self._pool.mine_active[slot] += 1

    def __repr__(self) -> str:
        return f"<Lease of {self.node.address}, {'held' if self._held else 'released'}>"

    def release(self, failed: bool = False) -> None:
        """Give the node back; a second call does nothing. `failed`: the exchange never reached the node.

        Only exchanges that did are counted as the node's requests.
        """
        if not self._held:
            return
        self._held = False
        pool, slot = self._pool, self.slot
        pool.mine_active[slot] -= 1
        if not failed:
            pool.mine_requests[slot] += 1

    def __enter__(self) -> Node:
        return self.node

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class _Choice:
    """The nodes that are up and of one rank (primary or backup), as the parallel lists pickers work on."""

    __slots__ = ("limits", "nodes", "read", "turns", "weights")

    def __init__(self, nodes: list[Node], weights: list[float], turns: Any, rows: Sequence[Row]) -> None:
        self.nodes = nodes
        self.weights = array("d", weights)
        self.turns = turns
        limits = array("d", [math.inf if node.max_requests is None else node.max_requests for node in nodes])
        self.limits = limits if min(limits, default=math.inf) < math.inf else None
        self.read = chosen_reader([node.slot for node in nodes], rows)


class Pool:
    """Picks and lends the nodes of one pool. Survives reloads (`rebuild`), and with it whose turn it is."""

    __slots__ = (
        "_backups",
        "_board",
        "_credits",
        "_epoch",
        "_last",
        "_page_epoch",
        "_picker",
        "_primaries",
        "_worker_index",
        "mine_active",
        "mine_requests",
        "name",
        "nodes",
    )

    def __init__(
        self,
        name: str,
        nodes: Iterable[Node],
        picker: Picker,
        board: Board,
        worker_index: int = 0,
    ) -> None:
        """`worker_index` sets off the turns: else all workers open on the first node."""
        self.name = name
        self._board = board
        self.mine_active = board.mine.node_active
        self.mine_requests = board.mine.node_requests
        self._page_epoch = board.page.epoch
        self._worker_index = worker_index
        self._credits: dict[str, float] = {}
        self._last = ""
        self._primaries: _Choice | None = None
        self._backups: _Choice | None = None
        self.rebuild(nodes, picker)

    def __repr__(self) -> str:
        return f"<Pool {self.name}: {self._states()[NodeState.UP]} of {len(self.nodes)} up>"

    def rebuild(self, nodes: Iterable[Node], picker: Picker) -> None:
        """After a reload: other nodes, another policy. Leases in being are released as before."""
        self._remember_turns()
        self.nodes = tuple(nodes)
        self._picker = picker
        self._primaries = self._backups = None
        self._credits = {node.address: self._credits.get(node.address, 0.0) for node in self.nodes}
        self._refresh()

    def pick(self, exclude: Collection[str] = ()) -> Node:
        """The node that takes the next exchange, other than those in `exclude` (addresses). Raises NoNodeReady.

        Backup nodes only while no primary is left to take: none is up, or all that are have been tried. Full
        primaries are waited for instead.
        """
        # Inlined rather than divided further: this runs once per request.
        if self._page_epoch[0] != self._epoch:
            self._refresh()
        full = False
        for choice in (self._primaries, self._backups):
            if choice is None:
                continue
            active = choice.read()
            limits = choice.limits
            if exclude or (limits is not None and chosen.full(active, limits)):
                left, full = _mask(active, choice, exclude)
                if full and not left:
                    break
                if not left:
                    continue
            return choice.nodes[self._picker(active, choice.weights, choice.turns)]
        tried = sum([node.address in exclude for node in self.nodes])
        raise NoNodeReady(self.name, self._states(), tried=tried, full=full)

    def lease(self, exclude: Collection[str] = ()) -> Lease:
        """Pick a node and borrow it. Raises NoNodeReady."""
        return Lease(self, self.pick(exclude))

    def active(self) -> dict[str, int]:
        """Leases per address over all workers."""
        rows = self._board.rows
        return {node.address: max(0, sum([row.node_active[node.slot] for row in rows])) for node in self.nodes}

    def _states(self) -> Counter[NodeState]:
        states = self._board.page.node_state
        return Counter(state_of(states[node.slot]) for node in self.nodes)

    def _refresh(self) -> None:
        """Read states and weights again; the epoch first, so that a change meanwhile is seen next time."""
        self._epoch = self._page_epoch[0]
        self._remember_turns()
        states = self._board.page.node_state
        up = [node for node in self.nodes if states[node.slot] == NodeState.UP]
        self._primaries = self._choice([node for node in up if not node.backup])
        self._backups = self._choice([node for node in up if node.backup])

    def _choice(self, nodes: list[Node]) -> _Choice | None:
        if not nodes:
            return None
        page = self._board.page
        weights = [clamped(page.node_weight[node.slot]) for node in nodes]
        # Credit earned under other weights must not keep a node in or out of turn for long.
        most = sum(weights)
        credits_ = [max(-most, min(most, self._credits[node.address])) for node in nodes]
        turns = chosen.Turns(credits_, self._place_before_next(nodes), even=min(weights) == max(weights))
        if not self._last:
            for _ in range(self._worker_index % len(nodes)):
                chosen.round_robin(array("d", bytes(8 * len(nodes))), array("d", weights), turns)
        return _Choice(nodes, weights, turns, self._board.rows)

    def _place_before_next(self, nodes: list[Node]) -> int:
        """Where in `nodes` the turn stands: at the node picked last, or the nearest before it that is there."""
        order = {node.address: place for place, node in enumerate(self.nodes)}
        last = order.get(self._last, -1)
        return sum(order[node.address] <= last for node in nodes) - 1

    def _remember_turns(self) -> None:
        for choice in (self._backups, self._primaries):
            if choice is None:
                continue
            for node, credit in zip(choice.nodes, choice.turns.credits, strict=True):
                self._credits[node.address] = credit
            if choice.turns.last >= 0:
                self._last = choice.nodes[choice.turns.last].address


def _mask(active: list[float], choice: _Choice, exclude: Collection[str]) -> tuple[bool, bool]:
    """Make nodes that may not be taken infinitely loaded. Is any left; if not, would waiting for one help?"""
    limits = choice.limits
    left = full = False
    for place, node in enumerate(choice.nodes):
        if node.address in exclude:
            active[place] = math.inf
        elif limits is not None and active[place] >= limits[place]:
            active[place] = math.inf
            full = True
        else:
            left = True
    return left, full


def nodes_of(pool: str, config: BalancingConfig, slots: Mapping[tuple[str, str], int]) -> tuple[Node, ...]:
    """The nodes of a configured pool with their places on the scoreboard, which is keyed (pool, address)."""
    return tuple(
        Node(str(node.address), slots[pool, str(node.address)], node.weight, node.max_requests, node.backup)
        for node in config.nodes
    )
