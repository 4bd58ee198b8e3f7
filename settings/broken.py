"""The places of a document that are known to be wrong, for asking quickly whether another place rests on them."""

from __future__ import annotations

from collections.abc import Iterable

from settings.wording import Step

Place = tuple[Step, ...]


class BrokenPlaces:
    """Grows only. Every question costs the depth of the place asked about, however many are broken."""

    def __init__(self, places: Iterable[Place] = ()) -> None:
        self._places: set[Place] = set()
        self._above: set[Place] = set()
        self.add(places)

    def __repr__(self) -> str:
        return f"<{len(self._places)} broken places>"

    def __bool__(self) -> bool:
        return bool(self._places)

    def __contains__(self, place: Place) -> bool:
        return place in self._places

    def add(self, places: Iterable[Place]) -> None:
        for place in places:
            if place not in self._places:
                self._places.add(place)
                self._above.update(place[:length] for length in range(len(place)))

    def encloses(self, place: Place) -> bool:
        """The place, or something around it, is broken."""
        return any(place[:length] in self._places for length in range(len(place) + 1))

    def touches(self, place: Place) -> bool:
        """The place, or something around it or inside it, is broken."""
        return place in self._above or self.encloses(place)
