"""Policies by name: which of the nodes that may be taken takes the next exchange.

A picker sees nodes as places in parallel lists, because it runs once per request: `active` (leases over all
workers, infinite where the node may not be taken: full, or tried before) and `weights`. It returns a place and
moves `turns`; it counts nothing, that is the pool's business. At least one node may be taken.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from operator import ge
from typing import TYPE_CHECKING, Any

from settings.twins import COMPILED


class Turns:
    """Whose turn it is where the loads leave a choice."""

    __slots__ = ("credits", "even", "last")

    def __init__(self, credits_: list[float], last: int, *, even: bool) -> None:
        self.credits = credits_
        """Of the smooth weighted round robin; their sum does not change."""
        self.last = last
        """Place picked last; -1 before the first."""
        self.even = even
        """All weights are equal, so that going round in turn is enough."""


Picker = Callable[[list[float], Sequence[float], Turns], int]


def least_connections(active: list[float], weights: Sequence[float], turns: Turns) -> int:
    """Fewest leases per unit of weight; ties go round in proportion to the weights.

    With equal weights: the fewest leases, in turn. With others a node ties if its load per weight *now* is
    below the least that any node would have *after* taking the exchange. Comparing loads after the exchange
    alone would leave an idle pool's traffic to the heaviest node for good: a node in slow start would never
    warm up, and a weight 1 % higher would take everything.
    """
    if turns.even:
        # Once round from the place after the last one; the list twice costs less than an exception at its end.
        chosen = (active + active).index(min(active), turns.last + 1)
        if chosen >= len(active):
            chosen -= len(active)
        turns.last = chosen
        return chosen
    ceiling = min([(load + 1.0) / weight for load, weight in zip(active, weights, strict=True)])
    # A hair lower, lest rounding make a tie of a node with one lease more at the same weight.
    return _by_turn(active, weights, turns, ceiling * (1 - 1e-9))


def round_robin(active: list[float], weights: Sequence[float], turns: Turns) -> int:
    """In turn, in proportion to the weights, whatever the loads."""
    return _by_turn(active, weights, turns, math.inf)


def _by_turn(active: list[float], weights: Sequence[float], turns: Turns, ceiling: float) -> int:
    """Smooth weighted round robin among those whose load per weight is below `ceiling`.

    Each of them earns its weight, the richest is picked and pays for all:
    a, b and c of weights 3, 1 and 1 give a b a c a, not a a a b c.
    """
    credits_ = turns.credits
    chosen = 0
    most = -math.inf
    total = 0.0
    for place, weight in enumerate(weights):
        if active[place] < ceiling * weight:
            total += weight
            credit = credits_[place] = credits_[place] + weight
            if credit > most:
                most = credit
                chosen = place
    credits_[chosen] -= total
    turns.last = chosen
    return chosen


def full(active: Sequence[float], limits: Sequence[float]) -> bool:
    """Whether any node has as many leases as it may have."""
    return any(map(ge, active, limits))


chosen: Any = sys.modules[__name__]
"""Where `full`, `Turns` and the pickers are taken from: this module, or its compiled twin (arrays of doubles only)."""
if COMPILED and not TYPE_CHECKING:
    from balancer import _pick as chosen

PICKERS: dict[str, Picker] = {
    "least_connections": chosen.least_connections,
    "round_robin": chosen.round_robin,
}

FALLBACK = {
    "peak_ewma": "least_connections",
    "random_two": "least_connections",
    "hash": "least_connections",
}
"""Policies that can be configured but are not in force yet, and the one used in their place; `check` says so."""


def picker_for(policy: str) -> Picker:
    """The function for a policy's name; KeyError for one that is neither registered nor has a fallback."""
    return PICKERS[FALLBACK.get(policy, policy)]
