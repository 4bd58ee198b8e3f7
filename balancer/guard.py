"""How many nodes indirect evidence may take out of a pool.

Active checks say that a node does not work, and are believed. Passive ejection and SNMP only say that it works
badly: they must never empty a pool, since a slow settlement is better than none. A pure function of all inputs
of one pool; what it withholds is said in the node's reason.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from balancer.node import Words

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from balancer.node import Inputs

_MIN_HEALTHY = Words(
    "kept_min_healthy",
    "ejection is due, but the pool would fall below min_healthy",
    "应剔除，但资源池可用节点数将低于 min_healthy，故保留",
)
_SHARE = Words(
    "kept_share",
    "ejection is due, but the pool's share of ejected nodes is used up",
    "应剔除，但资源池的剔除比例已用完，故保留",
)
_SNMP_MAJORITY = Words(
    "kept_snmp_majority",
    "SNMP condemns more than half of the pool: a fault of the readings or of all alike, so it is ignored",
    "SNMP 判定半数以上节点应剔除，疑为采集异常或整体负载偏高，故忽略",
)


def honoured(
    pool: Sequence[Inputs],
    now: float,
    *,
    min_healthy: int,
    share: float = 1.0,
    in_force: Collection[int] = (),
) -> list[Inputs]:
    """The inputs of a pool's nodes, in the same order, without the ejections that must not take effect.

    Passive ejections come first (real requests failed), those that last longest before the others; then SNMP,
    the worst reading first. `in_force`: places of the nodes ejected until now; they come before the others of
    their kind, so that two nodes with nearly equal readings do not take turns. `share` of the pool's nodes
    limits passive ejections; above 0 it allows one in however small a pool.
    """
    available = [index for index, inputs in enumerate(pool) if inputs.available()]
    room = max(0, len(available) - min_healthy)
    passive = [index for index in available if pool[index].ejected(now)]
    passive.sort(key=lambda index: (index not in in_force, -(pool[index].ejected_until or 0.0), index))
    most = max(1, math.floor(share * len(pool))) if share > 0 else 0
    out = set(passive[: min(room, most)])
    kept = dict.fromkeys(passive[min(room, most) :], _SHARE if most < room else _MIN_HEALTHY)

    condemned = [index for index in available if pool[index].snmp_eject]
    condemned.sort(key=lambda index: (index not in in_force, -pool[index].snmp_reading, index))
    majority = len(condemned) * 2 > len(available)
    by_snmp = set()
    for index in condemned:
        if majority:
            kept.setdefault(index, _SNMP_MAJORITY)
        elif index in out or len(out) < room:
            out.add(index)
            by_snmp.add(index)
        else:
            kept[index] = _MIN_HEALTHY

    result = list(pool)
    for index in available:
        passive_holds = index in out and index in passive
        result[index] = replace(
            pool[index],
            ejected_until=pool[index].ejected_until if passive_holds else None,
            snmp_eject=index in by_snmp,
            withheld=kept.get(index),
        )
    return result
