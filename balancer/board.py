"""What the balancer has to see of the scoreboard, and how it adds up the rows of all workers."""

from __future__ import annotations

from functools import partial
from operator import add, itemgetter
from typing import TYPE_CHECKING, Protocol

from settings.twins import COMPILED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Row(Protocol):
    """One worker's counts, by slot."""

    @property
    def node_active(self) -> memoryview: ...
    @property
    def node_requests(self) -> memoryview: ...


class Page(Protocol):
    """What `control` says: cells by slot, and an epoch that rises with each change."""

    @property
    def epoch(self) -> memoryview: ...
    @property
    def node_state(self) -> memoryview: ...
    @property
    def node_weight(self) -> memoryview[float]: ...


class Board(Protocol):
    """The scoreboard of a worker that owns its row."""

    @property
    def rows(self) -> Sequence[Row]: ...
    @property
    def mine(self) -> Row: ...
    @property
    def page(self) -> Page: ...


def reader(slots: Sequence[int], rows: Sequence[Row]) -> Callable[[], list[float]]:
    """A function that reads the leases of these slots, summed over the rows, in few and fast steps.

    What is returned may be written into, and is good until the next call.
    """
    start, end = slots[0], slots[0] + len(slots)
    columns: list[Callable[[], Iterable[int]]]
    if list(slots) == list(range(start, end)):
        columns = [row.node_active[start:end].tolist for row in rows]
    else:
        chosen = itemgetter(*slots)  # of two or more: one alone is contiguous
        columns = [partial(chosen, row.node_active) for row in rows]
    first, *others = columns
    if len(others) == 1:
        second = others[0]
        return lambda: [*map(add, first(), second())]

    def read() -> list[float]:
        sums: Iterable[float] = first()
        for column in others:
            sums = map(add, sums, column())
        return list(sums)

    return read


chosen_reader: Callable[[Sequence[int], Sequence[Row]], Callable[[], list[float]]] = reader
if COMPILED and not TYPE_CHECKING:
    from balancer._pick import Reader

    chosen_reader = Reader
