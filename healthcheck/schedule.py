"""When each probe is due: pace by health, spread, jitter, and one heap for all of them.

Knows keys and times, not what a probe is. Times are seconds of any one steady clock, given by the caller.
Core: no asyncio, sockets, files or clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

from healthcheck.health import Health

JITTER = 0.1
IN_DOUBT = 1.0
WHILE_DOWN = 2.0
GOLDEN = 0.6180339887498949

K = TypeVar("K", bound=Hashable)


def pace(interval: float, health: Health) -> float:
    """Seconds from the start of one probe to the start of the next. Never longer than `interval`."""
    if health.in_doubt:
        return min(interval, IN_DOUBT)
    return interval if health.up else min(interval, WHILE_DOWN)


class Spread:
    """Spreads probes in time. Steps of the golden ratio fill any span more evenly than chance, without a seed."""

    __slots__ = ("_phase",)

    def __init__(self) -> None:
        self._phase = 0.0

    def _next(self) -> float:
        phase, self._phase = self._phase, (self._phase + GOLDEN) % 1.0
        return phase

    def offset(self, span: float) -> float:
        """Where in `span` a newcomer starts; the very first starts at once."""
        return self._next() * span

    def jittered(self, gap: float) -> float:
        """Up to a tenth shorter, never longer: `fall` x interval + timeout is a promise."""
        return gap * (1.0 - JITTER * self._next())


class Schedule(Generic[K]):
    """Keys that wait for their time. A key that was handed out is forgotten until it is put back."""

    __slots__ = ("_at", "_heap", "_turn")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._at: dict[K, tuple[float, int]] = {}
        self._turn = 0

    def __repr__(self) -> str:
        return f"Schedule({len(self._at)} waiting, next {self.next_time()})"

    def __contains__(self, key: K) -> bool:
        return key in self._at

    def put(self, key: K, at: float) -> None:
        """A key waits once: its former time is void, earlier or later."""
        self._turn += 1
        self._at[key] = (at, self._turn)
        heapq.heappush(self._heap, (at, self._turn, key))

    def discard(self, key: K) -> None:
        self._at.pop(key, None)

    def move_up(self, key: K, at: float) -> bool:
        """Earlier, if it waits and would come later; True if so."""
        waiting = self._at.get(key)
        if waiting is None or waiting[0] <= at:
            return False
        self.put(key, at)
        return True

    def due(self, now: float, limit: int) -> list[K]:
        """At most `limit` keys whose time has come, the longest overdue first."""
        keys: list[K] = []
        while len(keys) < limit and (at := self.next_time()) is not None and at <= now:
            key = heapq.heappop(self._heap)[2]
            del self._at[key]
            keys.append(key)
        return keys

    def next_time(self) -> float | None:
        while self._heap:
            at, turn, key = self._heap[0]
            if self._at.get(key) == (at, turn):
                return at
            heapq.heappop(self._heap)
        return None
