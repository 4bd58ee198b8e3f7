"""Text to a tree with places, and what bounds it."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from settings.nodes import MAX_DEPTH, MAX_VALUES, Broken, Reading, read_tree
from settings.types import Secret


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read(text: str) -> Reading:
        path = tmp_path / "a.yaml"
        path.write_text(text, encoding="utf-8", newline="")
        return read_tree(path)

    return read


def said(reading: Reading) -> list[str]:
    return [f"{problem.line}:{problem.column}: {problem.path}: {problem.message}" for problem in reading.problems]


def test_data_and_places(read: Any) -> None:
    reading = read('医院: {院名: "洛阳", n: 010}\nlist:\n  - a\n  - b: off\n')
    assert reading.root.data == {"医院": {"院名": "洛阳", "n": 10}, "list": ["a", {"b": "off"}]}
    section = reading.root.entries["医院"]
    assert section.mark[1:] == (1, 1)
    assert section.node.entries["n"].mark[1:] == (1, 16)
    assert section.node.entries["n"].node.text == "010"
    assert reading.root.entries["list"].node.items[1].mark[1:] == (4, 5)


def test_aliases_share_and_merges_fill_in(read: Any) -> None:
    reading = read("a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}\nc: {<<: [{m: 1}, *x], k: 9}\nd: *x\n")
    assert reading.problems == []
    assert reading.root.data["b"] == {"l": 3, "k": 1}
    assert reading.root.data["c"] == {"k": 9, "m": 1, "l": 2}
    assert reading.root.data["d"] is reading.root.data["a"]
    assert reading.root.entries["b"].node.entries["k"].mark[1:] == (1, 8)


def test_a_quoted_merge_key_is_a_key(read: Any) -> None:
    assert read('a: {"<<": 1}\n').root.data == {"a": {"<<": 1}}


def test_every_slip_is_told_not_only_the_first(read: Any) -> None:
    reading = read("a: 1\na: 2\nb:\nc: !x y\nd: *nowhere\n&k e: 1\nf: {<<: 1}\n")
    assert said(reading) == [
        "2:1: a: written twice; first at line 1",
        "3:1: b: empty; write a value, {} or [] if nothing is meant, or remove the key",
        "4:4: c: unknown tag; the only one is !secret",
        "5:4: d: unknown anchor nowhere",
        "6:1: : a key is plain text, without tag or anchor",
        "7:5: f: << takes a mapping or a list of mappings",
    ]
    assert isinstance(reading.root.data["b"], Broken)
    assert reading.broken == [("b",), ("c",), ("d",)]
    assert reading.root.data["a"] == 1


def test_a_secret_is_read_and_not_shown(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETTLEGATE_TEST", "hunter2")
    reading = read("a: !secret env:SETTLEGATE_TEST\n")
    node = reading.root.entries["a"].node
    assert node.data == Secret("hunter2")
    assert node.text is None


def test_a_value_over_several_lines_is_not_shown(read: Any) -> None:
    reading = read("a: one\n  two\nb: |\n  x\n")
    assert reading.root.data == {"a": "one two", "b": "x\n"}
    assert reading.root.entries["a"].node.text is None
    assert reading.root.entries["b"].node.text is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "not YAML: did not find expected ',' or ']'; while parsing a flow sequence"),
        ("a:\n\tb: 1", "a tab indents this line; YAML takes only spaces"),
        ("a: 1\n---\nb: 2", "a second document begins here; a file holds one"),
        ("? [a]\n: 1", "a key is plain text, not a list or mapping"),
        ("a: &x b\n*x : 1", "a key is plain text, not an alias"),
        ("a: &x [*x]", "anchor x contains itself"),
        ("[" * (MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH} levels"),
        ("a: 'b", "not YAML: found unexpected end of stream; while scanning a quoted scalar"),
        ("%YAML 3.0\n---\na: 1", "not YAML: found incompatible YAML document"),
    ],
)
def test_where_reading_ends(read: Any, text: str, message: str) -> None:
    reading = read(text)
    assert reading.root is None
    assert len(reading.problems) == 1
    assert reading.problems[0].message == message
    assert reading.problems[0].line >= 1


def test_laughs_are_counted_not_expanded(read: Any) -> None:
    letters = "abcdefghijklmnop"
    bomb = "a: &a [" + ", ".join("x" * 10) + "]\n"
    bomb += "".join(f"{n}: &{n} [{', '.join(['*' + p] * 10)}]\n" for p, n in pairwise(letters))
    begun = time.perf_counter()
    reading = read(bomb)
    assert time.perf_counter() - begun < 1
    assert [problem.message for problem in reading.problems] == [f"more than {MAX_VALUES:,} values, aliases followed"]


def test_merged_laughs_too(read: Any) -> None:
    bomb = "a: &a {" + ", ".join(f"k{n}: x" for n in range(100)) + "}\n"
    bomb += "b: &b [" + ", ".join(["*a"] * 100) + "]\nc: [" + ", ".join(["{<<: *b}"] * 100) + "]\n"
    assert [problem.message for problem in read(bomb).problems] == [
        f"more than {MAX_VALUES:,} values, aliases followed"
    ]


def test_nothing_there(read: Any) -> None:
    assert read("# remark\n").root is None
    assert read("").problems == []


_DATA = st.recursive(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"]), min_size=1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz<", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(_DATA)
def test_quoted_text_reads_as_any_yaml_reader_does(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "given.yaml"
    path.write_text(yaml.safe_dump({"a": data}, allow_unicode=False, default_style='"'), encoding="utf-8")
    reading = read_tree(path)
    assert reading.problems == []
    assert reading.root is not None
    assert reading.root.data == {"a": data}
