"""How many nodes of one pool load readings may take out: evidence about hosts must never shut a service.

For whoever combines the four inputs of a node's state; nothing here remembers. Core.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Standing(NamedTuple):
    """One node of the pool as the other inputs and its readings have it."""

    serving: bool
    """Would it take traffic if SNMP said nothing?"""
    eject: bool
    """Does SNMP want it out (`Report.snmp_eject`)?"""
    load: float = 1.0
    """Its highest reading, as a fraction: who goes first where not all may go."""
    ejected: bool = False
    """Is it out for SNMP already? Keeps the choice from moving between equals."""


def allowed_ejections(pool: Mapping[str, Standing], min_healthy: int) -> frozenset[str]:
    """The nodes that SNMP takes out now.

    None at all if it wants more than half of those that serve: then a wrong community, a firewall rule or an
    update of every agent is likelier than half a pool out of memory at once. Never below `min_healthy`.
    """
    serving = {name: node for name, node in pool.items() if node.serving}
    wanted = [name for name, node in serving.items() if node.eject]
    if 2 * len(wanted) > len(serving):
        return frozenset()
    room = max(0, len(serving) - min_healthy)
    wanted.sort(key=lambda name: (not serving[name].ejected, -serving[name].load, name))
    return frozenset(wanted[:room])
