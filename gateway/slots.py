"""Which cells of the scoreboard belong to which listener, pool, node and institution.

Decided by the supervisor at start and at each reload, sent to everybody with the snapshot. What survives a
reload keeps its slot, and with it its counts. A freed slot is given away again only when nobody can still be
writing to it, else one node's leases would be counted for another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gateway.board_layout import Capacity, Kind

KeyT = TypeVar("KeyT", str, tuple[str, str])


class CapacityExceededError(Exception):
    """More of something than the scoreboard has room for: the configuration is refused with this sentence."""

    def __init__(self, kind: Kind, wanted: int, capacity: int, lingering: int) -> None:
        """`lingering`: slots of removed ones that are still in use."""
        still = f", of which {lingering} still serve {kind}s removed by a reload" if lingering else ""
        remedy = "; wait until those have drained, or restart" if lingering else ""
        super().__init__(f"{wanted} {kind}s, but there is room for {capacity}{still}{remedy}")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Slots:
    """Nodes are keyed (pool, "host:port"): one address in two pools counts separately."""

    listeners: Mapping[str, int] = field(default_factory=dict)
    pools: Mapping[str, int] = field(default_factory=dict)
    nodes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    institutions: Mapping[str, int] = field(default_factory=dict)


def assign(
    previous: Slots | None,
    *,
    listeners: Iterable[str],
    pools: Iterable[str],
    nodes: Iterable[tuple[str, str]],
    institutions: Iterable[str],
    capacity: Capacity,
    busy: Callable[[Kind, int], bool],
) -> Slots:
    """Slots for a new configuration. Raises CapacityExceededError.

    `busy(kind, slot)` is asked of slots that neither the previous configuration nor the new one holds: True
    while a gauge of it is not 0 in any row, or a worker has not acknowledged the previous generation.
    """
    old = previous or Slots()
    return Slots(
        listeners=_assign("listener", old.listeners, listeners, capacity.listeners, busy),
        pools=_assign("pool", old.pools, pools, capacity.pools, busy),
        nodes=_assign("node", old.nodes, nodes, capacity.nodes, busy),
        institutions=_assign("institution", old.institutions, institutions, capacity.institutions, busy),
    )


def newcomers(previous: Slots | None, slots: Slots) -> Iterator[tuple[Kind, int]]:
    """Slots with a new holder: to be zeroed before the new configuration is announced."""
    old = previous or Slots()
    for slot in _added(old.listeners, slots.listeners):
        yield "listener", slot
    for slot in _added(old.pools, slots.pools):
        yield "pool", slot
    for slot in _added(old.nodes, slots.nodes):
        yield "node", slot
    for slot in _added(old.institutions, slots.institutions):
        yield "institution", slot


def _added(old: Mapping[KeyT, int], new: Mapping[KeyT, int]) -> Iterator[int]:
    return (slot for key, slot in new.items() if old.get(key) != slot)


def _assign(
    kind: Kind,
    old: Mapping[KeyT, int],
    wanted: Iterable[KeyT],
    capacity: int,
    busy: Callable[[Kind, int], bool],
) -> dict[KeyT, int]:
    keys = list(dict.fromkeys(wanted))
    # Slots freed by this very reload are not given away by it: leases of the old generation still count there.
    taken = set(old.values())
    lingering = len(taken) - sum(key in old for key in keys)
    free = count()
    assigned: dict[KeyT, int] = {}
    for key in keys:
        slot = old.get(key, -1)
        while slot < 0:
            slot = next(free)
            if slot >= capacity:
                raise CapacityExceededError(kind, len(keys), capacity, lingering)
            if slot in taken:
                slot = -1
            elif busy(kind, slot):
                lingering += 1
                slot = -1
        assigned[key] = slot
    return assigned
