"""Places that are wrong, and what rests on them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from settings.broken import BrokenPlaces, Place

PLACE = st.lists(st.sampled_from(["a", "b", 0]), max_size=4).map(tuple)


def related(one: Place, other: Place) -> bool:
    length = min(len(one), len(other))
    return one[:length] == other[:length]


@given(st.lists(PLACE, max_size=5), PLACE)
def test_answers_are_those_of_looking_at_each(places: list[Place], asked: Place) -> None:
    broken = BrokenPlaces(places)
    assert (asked in broken) == (asked in places)
    assert bool(broken) == bool(places)
    assert broken.touches(asked) == any(related(asked, place) for place in places)
    assert broken.encloses(asked) == any(asked[: len(place)] == place for place in places)


def test_it_says_how_many() -> None:
    broken = BrokenPlaces()
    broken.add([("a",), ("a",), ("a", 0)])
    assert repr(broken) == "<2 broken places>"
