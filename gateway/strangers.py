"""Who is connected to one listener and not admitted yet, and who of them gives way to a newcomer. Core.

Silent strangers cost a connection each and keep it until a deadline. When their share is used up, the newcomer is
let in and the one that has been silent longest is put out: an honest client speaks at once and is soon admitted,
so whoever has long been here and has nothing to say is the least likely to be one. Where one address holds a large
part of the share, that address gives way first: then a flood from one place puts out its own.

Whoever has spoken and waits for *us* is never put out: at rush hour these are all of them, and those that have waited
longest are nearest to their turn.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import islice
from typing import Final, Generic, TypeVar

LOOKS: Final = 16
"""Of the oldest, how many are asked whether they are silent before the newcomer is refused."""
LARGE_PART: Final = 8
"""An address with more than one part in so many of the share gives way before all others."""

T = TypeVar("T", bound=Hashable)


class Strangers(Generic[T]):
    """Connections in the order of their arrival, or of the last time one was passed over because it had spoken."""

    def __init__(self, silent: Callable[[T], bool]) -> None:
        """`silent`: whether this one has sent nothing that waits to be read."""
        self._silent = silent
        self._all: dict[T, str] = {}
        self._by_origin: dict[str, dict[T, None]] = {}
        self._heaviest = ""
        """An address with most, as far as can be known without counting anew."""

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        return f"<Strangers {len(self._all)} from {len(self._by_origin)} addresses>"

    def of(self, origin: str) -> int:
        return len(self._by_origin.get(origin, ()))

    def add(self, one: T, origin: str) -> None:
        self._all[one] = origin
        group = self._by_origin.setdefault(origin, {})
        group[one] = None
        if len(group) > self.of(self._heaviest):
            self._heaviest = origin

    def remove(self, one: T) -> bool:
        """Admitted, or gone; False if it was not here."""
        origin = self._all.pop(one, None)
        if origin is None:
            return False
        group = self._by_origin[origin]
        del group[one]
        if not group:
            del self._by_origin[origin]
        return True

    def gives_way(self, most: int) -> T | None:
        """Who has to go for a newcomer if `most` are here already; None if nobody is silent."""
        if self.of(self._heaviest) * LARGE_PART > most:
            return self.gives_way_of(self._heaviest) or self._oldest_silent(self._all)
        return self._oldest_silent(self._all)

    def gives_way_of(self, origin: str) -> T | None:
        """The same among those of one address."""
        return self._oldest_silent(self._by_origin.get(origin, {}))

    def _oldest_silent(self, members: dict[T, str] | dict[T, None]) -> T | None:
        for one in list(islice(members, LOOKS)):
            if self._silent(one):
                return one
            # It waits for us: not asked again before all others have been.
            self.add(one, self._move(one))
        return None

    def _move(self, one: T) -> str:
        origin = self._all.pop(one)
        del self._by_origin[origin][one]
        return origin
