"""The weight in force: configured x slow start x load x admin, each factor shown by itself on the status page."""

from __future__ import annotations

import math

LEAST = 1e-6
MOST = 1e6


def slow_start(since_up: float | None, window: float, floor: float = 0.1) -> float:
    """Share of its weight a node has `since_up` seconds after it recovered, rising to 1 over `window` seconds.

    None: it was never down since it is known. At process start all nodes are cold alike, so holding back one
    helps nobody. The floor lets requests through at once, else nothing would warm the node up.
    """
    if since_up is None or window <= 0 or since_up >= window:
        return 1.0
    return max(floor, since_up / window)


def effective_weight(configured: float, *, slow: float = 1.0, load: float = 1.0, admin: float = 1.0) -> float:
    """The product, within what a reader of the scoreboard accepts."""
    return clamped(configured * slow * load * admin)


def clamped(weight: float) -> float:
    """A weight as it may be used in a division: from LEAST to MOST, 1 for what is no number."""
    if math.isnan(weight):
        return 1.0
    return min(MOST, max(LEAST, weight))
