"""Every node's four inputs, and what follows of them for the workers: state, weight and the reason in words.

Lives in `control`, the only writer of the scoreboard's control page. Sees no probe and no socket: reports come in,
cells and views go out.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from balancer.guard import honoured
from balancer.node import Active, Admin, Inputs, NodeState, Words, effective, state_of
from balancer.weight import effective_weight, slow_start

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from balancer.config import NodeConfig
    from gateway.config import GatewayConfig, PoolConfig
    from gateway.scoreboard import Scoreboard
    from gateway.slots import Slots
    from healthcheck.target import Report
    from monitoring.centre import NodeView, PoolView

log = logging.getLogger("settlegate.nodes")

Key = tuple[str, str]
"""Pool and address, as the slots are keyed."""

_ACTIVE = {"checking": Active.CHECKING, "up": Active.UP, "down": Active.DOWN}
_RECOVERED_FROM = (NodeState.DOWN, NodeState.EJECTED, NodeState.MAINTENANCE)


@dataclass(slots=True)
class _Entry:
    """One node: what is configured, what is known, what is in force."""

    config: NodeConfig
    slot: int
    inputs: Inputs
    factor: float = 1.0
    readings: Mapping[str, float | None] = field(default_factory=dict)
    state: NodeState = NodeState.CHECKING
    reason: Words = Words("checking", "", "")  # noqa: RUF009 - immutable
    since: float = 0.0
    """Unix time at which the state began."""
    up_since: float | None = None
    """Unix time of the last recovery; None for a node that was never down since it is known."""
    slow: float = 1.0
    weight: float = 0.0


class NodeTable:
    """Ask it to `evaluate` after each change, and once a second for what changes with time alone."""

    def __init__(self, board: Scoreboard) -> None:
        self._board = board
        self._pools: dict[str, PoolConfig] = {}
        self._entries: dict[Key, _Entry] = {}

    def __repr__(self) -> str:
        return f"<NodeTable {len(self._entries)} nodes of {len(self._pools)} pools>"

    def configure(self, config: GatewayConfig, slots: Slots, generation: int, now: float) -> dict[Key, bool | None]:
        """Take up a configuration. Returns, for a table that has just begun, which nodes were up or down before.

        What the page says is the memory of a `control` that died: operators' wishes and health go on from it.
        """
        page, before = self._board.page, self._entries
        restarted = not before and page.generation[0] > 0
        known: dict[Key, bool | None] = {}
        entries: dict[Key, _Entry] = {}
        for pool, pool_config in config.pools.items():
            for node in pool_config.nodes:
                key = (pool, str(node.address))
                slot = slots.nodes[key]
                entry = before.get(key) or _Entry(node, slot, Inputs(active=Active.CHECKING), since=now)
                entry.config, entry.slot = node, slot
                if restarted:
                    known[key] = self._remembered(entry, slot)
                if not pool_config.checks:
                    entry.inputs = replace(entry.inputs, active=Active.NONE, snmp_eject=False)
                elif entry.inputs.active is Active.NONE:
                    entry.inputs = replace(entry.inputs, active=Active.CHECKING)
                entries[key] = entry
        self._entries, self._pools = entries, dict(config.pools)
        held = {entry.slot for entry in entries.values()}
        # One that died may not have seen a node go: what stands in its slot would keep it from being given away.
        freed = range(self._board.capacity.nodes) if restarted else [entry.slot for entry in before.values()]
        for slot in freed:
            if slot not in held:
                page.publish(slot, state=0, admin=0, weight=0.0, since=0.0)
        self.evaluate(now)
        page.generation[0] = generation
        page.epoch[0] += 1
        return known

    def _remembered(self, entry: _Entry, slot: int) -> bool | None:
        page = self._board.page
        entry.state = state_of(int(page.node_state[slot]))
        entry.since = float(page.node_since[slot])
        wish = int(page.node_admin[slot])
        admin = Admin(wish) if wish in set(Admin) else Admin.READY
        up = {NodeState.UP: True, NodeState.EJECTED: True, NodeState.DOWN: False}.get(entry.state)
        active = Active.CHECKING if up is None else Active.UP if up else Active.DOWN
        entry.inputs = Inputs(admin=admin, active=active)
        return up

    def report(self, key: Key, report: Report) -> None:
        """What the active checks and SNMP say now."""
        entry = self._entries.get(key)
        if entry is None or entry.inputs.active is Active.NONE:
            return
        entry.factor = report.factor
        entry.readings = report.readings
        entry.inputs = replace(
            entry.inputs,
            active=_ACTIVE[report.active],
            active_reason=None if report.active == "up" else report.active_reason,
            snmp_eject=report.snmp_eject,
            snmp_reason=report.snmp_reason,
            snmp_reading=max((r for r in report.readings.values() if r is not None), default=0.0),
        )

    def set_admin(self, key: Key, wish: Admin) -> None:
        """What an operator wants. Raises KeyError for a node that is not configured."""
        entry = self._entries[key]
        entry.inputs = replace(entry.inputs, admin=wish)

    def evaluate(self, now: float) -> None:
        """Bring the control page up to date; `now` in Unix time."""
        for pool, config in self._pools.items():
            keys = [(pool, str(node.address)) for node in config.nodes]
            entries = [self._entries[key] for key in keys]
            ejected = [index for index, entry in enumerate(entries) if entry.state is NodeState.EJECTED]
            inputs = honoured(
                [entry.inputs for entry in entries],
                now,
                min_healthy=config.min_healthy,
                share=config.ejection.share,
                in_force=ejected,
            )
            for key, entry, seen in zip(keys, entries, inputs, strict=True):
                self._publish(key, entry, seen, config, now)

    def _publish(self, key: Key, entry: _Entry, inputs: Inputs, config: PoolConfig, now: float) -> None:
        state, reason = effective(inputs, now)
        if state is not entry.state:
            if state is NodeState.UP and entry.state in _RECOVERED_FROM:
                entry.up_since = now
            log.info("%s of %s: %s -> %s: %s", key[1], key[0], entry.state.label, state.label, reason.en)
            entry.state, entry.since = state, now
        entry.reason = reason
        up_for = None if entry.up_since is None else now - entry.up_since
        entry.slow = slow_start(up_for, config.slow_start)
        entry.weight = effective_weight(entry.config.weight, slow=entry.slow, load=entry.factor)
        self._board.page.publish(
            entry.slot, state=int(state), admin=int(inputs.admin), weight=entry.weight, since=entry.since
        )

    # ---- what is asked of it

    def slots(self) -> Iterator[tuple[Key, int]]:
        for key, entry in self._entries.items():
            yield key, entry.slot

    def undecided(self) -> int:
        """Nodes that no probe has judged yet."""
        return sum(entry.inputs.active is Active.CHECKING for entry in self._entries.values())

    def state(self, key: Key) -> tuple[str, float]:
        entry = self._entries[key]
        return entry.state.label, entry.weight

    def views(self) -> dict[str, PoolView]:
        views: dict[str, PoolView] = {}
        for pool, config in self._pools.items():
            nodes = {str(node.address): self.view((pool, str(node.address))) for node in config.nodes}
            views[pool] = {"nodes": nodes, "policy": config.policy}
        return views

    def view(self, key: Key) -> NodeView:
        """Raises KeyError for a node that is not configured."""
        entry = self._entries[key]
        return {
            "state": entry.state.label,
            "reason": entry.reason.en,
            "reason_zh": entry.reason.zh,
            "requests": self._board.active(entry.slot),
            "weight": round(entry.weight, 4),
            "configured_weight": entry.config.weight,
            "factors": {"slow_start": round(entry.slow, 4), "load": round(entry.factor, 4)},
            "readings": dict(entry.readings),
            "max_requests": entry.config.max_requests,
            "backup": entry.config.backup,
            "since": entry.since,
        }
