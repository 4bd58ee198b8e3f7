"""What the models know of a place."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from settings.fields import fields_of, in_writing, spot, words, written_default
from settings.types import Duration, Hidden, Model, Secret, seconds


class Leaf(Model):
    url: Annotated[str, Hidden()] = ""
    maybe_url: Annotated[str, Hidden()] | None = None
    password: Secret | None = None
    headers: dict[str, Secret] = Field(default_factory=dict)
    timeout: Duration = seconds(75)
    sender: str = Field("a", alias="from")
    kind: Literal["a", "b"] | None = "a"
    other: int | str = 1


class Root(Model):
    leaf: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    named: dict[str, Leaf] = Field(default_factory=dict)


def test_values_that_may_be_shown() -> None:
    for path in (("leaf", "timeout"), ("leaves", 0, "timeout"), ("named", "x", "kind")):
        found = spot(Root, path)
        assert found.scalar
        assert not found.hidden


def test_values_that_may_not() -> None:
    for key in ("url", "maybe_url", "password", "headers", "unknown"):
        assert spot(Root, ("leaf", key)).hidden, key
    assert spot(Root, ("leaf", "headers", "X")).hidden
    assert spot(Root, ("leaf", "password", "deeper")).hidden
    assert spot(Root, ("unknown", "timeout")).hidden
    assert spot(Root, ("leaves", "timeout")).hidden


def test_a_section_is_no_scalar() -> None:
    found = spot(Root, ("leaf",))
    assert found.model is Leaf
    assert not found.scalar
    assert "from" in found.keys
    assert "sender" not in found.keys
    assert not spot(Root, ("named",)).scalar
    assert spot(Root, ("leaf", "timeout")).keys == ()


def test_keys_as_written() -> None:
    assert [key for key, name, _ in fields_of(Leaf) if name == "sender"] == ["from"]


def test_defaults_as_written() -> None:
    assert written_default(Leaf, "timeout") == "75s"
    assert written_default(Leaf, "password") is None
    assert written_default(Leaf, "headers") is None
    assert in_writing(Leaf, "timeout", 0.5) == "500ms"


def test_words_of_a_literal() -> None:
    assert words(spot(Root, ("leaf", "kind")).annotation) == ("a", "b")
    assert words(str) == ()
    assert spot(Root, ("leaf", "other")).scalar
