"""Values and places of one document."""

from __future__ import annotations

from pathlib import Path

import pytest

from settings.document import Document, read_document


@pytest.fixture
def document(tmp_path: Path) -> Document:
    path = tmp_path / "a.yaml"
    path.write_text("pools:\n  clinic:\n    nodes:\n      - {address: x}\n      - {address: y}\n")
    return read_document(path)


def test_a_written_value_is_found_with_its_key(document: Document) -> None:
    place = ("pools", "clinic", "nodes", 1, "address")
    node = document.find(place)
    assert node is not None
    assert node.data == "y"
    assert document.place(place)[1:] == (5, 10)
    assert document.place(place[:-1])[1:] == (5, 9)


def test_what_is_not_written_is_placed_at_what_encloses_it(document: Document) -> None:
    place = ("pools", "clinic", "policy")
    assert document.find(place) is None
    assert document.place(place)[1:] == (2, 3)
    assert document.find(("pools", "clinic", "nodes", 7)) is None
    assert document.find(("pools", 0)) is None
    assert document.place(())[1:] == (1, 1)
    assert document.place(("log",))[1:] == (1, 1)


def test_a_problem_at_a_place(document: Document) -> None:
    assert str(document.problem(("pools", "clinic"), "bad")).endswith("a.yaml:2:3: pools.clinic: bad")


def test_walking_visits_every_value(document: Document) -> None:
    assert {path for path, _ in document.walk()} >= {(), ("pools",), ("pools", "clinic", "nodes", 0, "address")}
    assert len(list(document.walk())) == 8


def test_what_holds_no_sections(tmp_path: Path) -> None:
    for text, message in (("", "empty; a mapping of sections is wanted"), ("- a", "a mapping of sections is wanted")):
        path = tmp_path / "b.yaml"
        path.write_text(text)
        document = read_document(path)
        assert document.root is None
        assert [problem.message for problem in document.problems] == [message]
        assert list(document.walk()) == []
    assert read_document(tmp_path / "missing").problems[0].message == "no such file"
