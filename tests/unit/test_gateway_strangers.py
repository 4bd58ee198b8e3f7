"""Who gives way to a newcomer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.strangers import LOOKS, Strangers


class Crowd(Strangers[str]):
    """Names that begin with a capital have spoken and wait for us; the letter is the address."""

    def __init__(self, *names: str) -> None:
        super().__init__(lambda name: name[0].islower())
        for name in names:
            self.add(name, name[0].lower())


def test_the_oldest_that_is_silent_gives_way() -> None:
    crowd = Crowd("a1", "b1", "c1")
    assert crowd.gives_way(100) == "a1"
    assert crowd.remove("a1")
    assert crowd.gives_way(100) == "b1"


def test_whoever_waits_for_us_stays_and_is_not_asked_again_before_the_others() -> None:
    crowd = Crowd("A1", "B1", "c1", "d1")
    assert crowd.gives_way(100) == "c1"
    assert crowd.remove("c1")
    assert list(crowd._all) == ["d1", "A1", "B1"]


def test_nobody_gives_way_when_all_have_spoken() -> None:
    crowd = Crowd("A1", "B1")
    assert crowd.gives_way(2) is None
    assert len(crowd) == 2


def test_not_more_than_some_are_asked_for_one_newcomer() -> None:
    crowd = Crowd(*(f"A{number}" for number in range(LOOKS)), "b1")
    assert crowd.gives_way(1000) is None
    assert crowd.gives_way(1000) == "b1", "those that were asked have gone to the end"


def test_an_address_with_a_large_part_gives_way_first() -> None:
    crowd = Crowd("h1", "h2", *(f"f{number}" for number in range(20)))
    assert crowd.gives_way(100) == "f0"
    assert crowd.gives_way(200) == "h1", "twenty of two hundred are not many"


def test_the_large_part_may_have_spoken() -> None:
    crowd = Crowd("h1", *(f"F{number}" for number in range(20)))
    assert crowd.gives_way(20) == "h1"


def test_a_flood_from_one_address_puts_out_its_own() -> None:
    """Eight honest clients that take their time (a PIN is typed), and thousands from elsewhere."""
    crowd = Crowd(*(f"h{number}" for number in range(8)))
    for number in range(5000):
        if len(crowd) >= 100:
            gone = crowd.gives_way(100)
            assert gone is not None
            crowd.remove(gone)
        crowd.add(f"f{number}", "f")
    assert crowd.of("h") == 8
    assert crowd.of("f") == 92


def test_one_address_has_its_own_order() -> None:
    crowd = Crowd("a1", "b1", "b2")
    assert crowd.gives_way_of("b") == "b1"
    assert crowd.gives_way_of("z") is None


def test_gone_is_gone() -> None:
    crowd = Crowd("a1")
    assert crowd.remove("a1")
    assert not crowd.remove("a1")
    assert (len(crowd), crowd.of("a"), repr(crowd)) == (0, 0, "<Strangers 0 from 0 addresses>")


@given(st.lists(st.tuples(st.sampled_from("aAbBcC"), st.booleans()), max_size=200), st.integers(1, 20))
def test_counts_agree_whatever_happens(events: list[tuple[str, bool]], most: int) -> None:
    crowd = Crowd()
    for number, (letter, leaves) in enumerate(events):
        if leaves and len(crowd):
            crowd.remove(next(iter(crowd._all)))
        elif len(crowd) >= most and (gone := crowd.gives_way(most)) is not None:
            assert gone[0].islower()
            crowd.remove(gone)
        crowd.add(f"{letter}{number}", letter.lower())
        assert len(crowd) == sum(crowd.of(origin) for origin in "abc")
        assert {name for group in crowd._by_origin.values() for name in group} == set(crowd._all)
