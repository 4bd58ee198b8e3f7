"""Schema and page of a small model."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import Field

from settings.reference import page, schema, schema_text, sections_below
from settings.types import Bool, Duration, FilePath, Int, Model, Name, Secret, seconds


class Leaf(Model):
    """One leaf."""

    wait: Duration = Field(seconds(75), ge=1)
    """How long."""
    kind: Literal["a|b", "c"] | None = None
    title: str = ""
    sender: str = Field("x", alias="from")


class Root(Model):
    """The root."""

    leaf: Leaf | None = None
    """May be missing."""
    named: dict[Name, Leaf] = Field(default_factory=dict)
    several: tuple[Leaf, ...] = ()
    files: tuple[FilePath, ...] = ()
    count: Int | None = Field(None, ge=1, le=9)
    flag: Bool = False
    secrets: dict[Literal["sha"], Secret] = Field(default_factory=dict)


def test_nothing_may_be_null() -> None:
    text = schema_text(Root)
    assert "null" not in text
    assert json.loads(text) == schema(Root)


def test_keys_types_and_defaults() -> None:
    built = schema(Root)
    assert built["$schema"].endswith("2020-12/schema")
    assert built["additionalProperties"] is False
    leaf = built["$defs"]["Leaf"]
    assert list(leaf["properties"]) == ["wait", "kind", "title", "from"]
    assert leaf["properties"]["wait"]["default"] == "75s"
    assert leaf["properties"]["wait"]["description"] == "How long."
    assert leaf["properties"]["kind"] == {"enum": ["a|b", "c"], "type": "string"}
    assert built["properties"]["leaf"]["$ref"] == "#/$defs/Leaf"
    assert built["properties"]["leaf"]["description"] == "May be missing."
    named = built["properties"]["named"]
    assert list(named["patternProperties"]) == ["^(?:[A-Za-z0-9._-]{1,64})$"]
    assert named["additionalProperties"] is False


def test_sections() -> None:
    assert set(sections_below(Root)) == {Root, Leaf}


def test_the_page_has_a_table_for_every_place() -> None:
    text = page(Root, "Title", "Words.")
    assert text.startswith("# Title\n\nWords.\n\n## The file\n\nThe root.\n")
    for heading in ("## leaf\n", "## named.NAME\n", "## several[]\n"):
        assert heading in text
    for line in (
        "| `wait` | duration from 1s | `75s` | How long. |",
        "| `kind` | `a\\|b`, `c` |  |  |",
        "| `from` | text | `x` |  |",
        "| `leaf` | section |  | May be missing. |",
        "| `named` | mapping of section by text |  |  |",
        "| `several` | list of section |  |  |",
        "| `files` | list of path |  |  |",
        "| `count` | whole number from 1 to 9 |  |  |",
        "| `flag` | boolean | `false` |  |",
        "| `secrets` | mapping of secret by `sha` |  |  |",
    ):
        assert line in text, line
