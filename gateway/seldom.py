"""Lines about what may happen a thousand times a second, at a bounded rate. Core.

The first few of a second are told one by one; the rest is counted and told as a number, so that a flood of
strangers fills no disk and is still seen for what it is.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Seldom(Generic[K]):
    """At most `most` lines of a kind in each `every` seconds, and one more with the count of those left out."""

    def __init__(self, most: int, every: float = 1.0) -> None:
        self._most = most
        self._every = every
        self._began: dict[K, float] = {}
        self._told: dict[K, int] = {}
        self._kept: dict[K, int] = {}

    def tell(self, kind: K, now: float) -> bool:
        """Whether this one gets a line of its own."""
        if now - self._began.get(kind, float("-inf")) >= self._every:
            self._began[kind] = now
            self._told[kind] = 0
        if self._told[kind] < self._most:
            self._told[kind] += 1
            return True
        self._kept[kind] = self._kept.get(kind, 0) + 1
        return False

    def kept_back(self, now: float) -> list[tuple[K, int]]:
        """Kinds whose stretch of time is over, with how many lines were left out in it."""
        if not self._kept:
            return []
        over = [kind for kind in self._kept if now - self._began[kind] >= self._every]
        return [(kind, self._kept.pop(kind)) for kind in over]
