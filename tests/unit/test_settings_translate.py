"""Pydantic's errors in our words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, Field

from settings.errors import ConfigError
from settings.load import load_file
from settings.translate import bad_value
from settings.types import Bool, Duration, Hidden, Int, Model, Name, Number, Secret, Size


def _refuse(_: str) -> str:
    raise ValueError("this is never right")


class Part(Model):
    a: str = ""


class Root(Model):
    flag: Bool = False
    count: Int = Field(1, ge=1, le=9)
    ratio: Number = Field(1.0, gt=0, lt=5)
    text: str = Field("ab", min_length=2, max_length=4)
    mode: Literal["one", "two"] = "one"
    only: Literal["json"] = "json"
    version: Literal["1.2", "1.3"] = "1.2"
    wait: Duration = Field(1.0, ge=1)
    size: Size = Field(1024, le=2048)
    names: tuple[Name, ...] = Field(("a",), min_length=1, max_length=2)
    secret: Secret | None = None
    secrets: dict[Literal["sha", "md5"], Secret] = Field(default_factory=dict)
    hidden: Annotated[str, AfterValidator(_refuse), Hidden()] = ""
    part: Part = Part()
    parts: dict[Name, Part] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flag: off", "flag: off, but a boolean is wanted; write false"),
        ("flag: Yes", "flag: Yes, but a boolean is wanted; write true"),
        ('flag: "false"', 'flag: "false", but a boolean is wanted; write false'),
        ("flag: [x]", "flag: a boolean is wanted: true or false"),
        ("count: 0", "count: 0, but must be at least 1"),
        ("count: 10", "count: 10, but must be at most 9"),
        ("count: '5'", 'count: "5", but a whole number is wanted; remove the quotes'),
        ("count: 99999999999999999999999", "count: 99999999999999999999999, but a whole number is wanted"),
        ("ratio: 0", "ratio: 0, but must be above 0.0"),
        ("ratio: 5", "ratio: 5, but must be below 5.0"),
        ("ratio: x", "ratio: x, but a number is wanted"),
        ("text: 12", "text: 12, but a text is wanted; put it in quotes"),
        ("text: [ab]", "text: a text is wanted"),
        ("text: a", "text: a, but at least 2 characters are wanted"),
        ("text: abcde", "text: abcde, but at most 4 characters are allowed"),
        ("mode: ome", 'mode: ome, but allowed are one, two; did you mean "one"?'),
        ("only: xml", "only: xml, but only json is allowed"),
        ("version: 1.3", 'version: 1.3, but a text is wanted; write "1.3" in quotes'),
        ("wait: 500ms", "wait: 500ms, but must be at least 1s"),
        ("size: 4KiB", "size: 4KiB, but must be at most 2KiB"),
        ("names: []", "names: at least 1 entry is wanted"),
        ("names: [a, b, c]", "names: at most 2 entries are allowed"),
        ("names: a", "names: a, but a list is wanted"),
        ("secret: 12345", "secret: a secret is a text (in quotes if it looks like a number), "
         "!secret file:PATH or !secret env:NAME"),
        ("secrets: {sha: 12345}", "secrets.sha: a secret is a text (in quotes if it looks like a number), "
         "!secret file:PATH or !secret env:NAME"),
        ("secrets: {sh: x12345}", "secrets.sh: unknown key; allowed are sha, md5"),
        ("secrets: x12345", "secrets: a mapping is wanted"),
        ("hidden: x12345", "hidden: this is never right"),
        ("part: x12345", "part: a mapping is wanted"),
        ("parts: {a b: {}}", "parts.a…: a name is 1 to 64 of letters, digits, dot, underscore and hyphen"),
        ("text: !secret env:SETTLEGATE_TEST", "text: a !secret is not for this key"),
        ("flag: !secret env:SETTLEGATE_TEST", "flag: a !secret is not for this key"),
        ("secretx12345: 1", 'secret…: unknown key; did you mean "secret"?'),
    ],
)  # fmt: skip
def test_message(text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETTLEGATE_TEST", "x12345")
    monkeypatch.chdir(tmp_path)
    path = Path("a.yaml")
    path.write_text(text + "\n")
    with pytest.raises(ConfigError) as caught:
        load_file(path, Root)
    assert str(caught.value).partition(": ")[2] == message
    assert "x12345" not in str(caught.value)


def test_an_error_without_words_repeats_nothing() -> None:
    error: dict[str, Any] = {"type": "something_new", "msg": "hunter2", "ctx": {"x": "hunter2"}}
    assert bad_value(Root, ("text",), None, error) == "not allowed here (something_new)"
