"""Entries in files of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from settings.document import Document, read_document
from settings.include import include


def included(folder: Path, main: str, **files: str) -> Document:
    (folder / "more").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "more" / f"{name}.yaml").write_text(text)
    path = folder / "main.yaml"
    path.write_text(main)
    document = read_document(path)
    include(document, "from", "into")
    return document


def test_entries_are_added_and_keep_their_place(tmp_path: Path) -> None:
    document = included(tmp_path, "from: more/*.yaml\ninto: {a: 1}\n", x="b: 2\nc: 3\n", y="d: 4\n")
    assert document.problems == []
    assert document.root is not None
    assert document.root.data["into"] == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert document.place(("into", "c")) == (str(tmp_path / "more/x.yaml"), 2, 1)
    assert [path.name for path in document.files] == ["main.yaml", "x.yaml", "y.yaml"]


def test_the_section_may_be_missing(tmp_path: Path) -> None:
    document = included(tmp_path, "from: more/*.yaml\n", x="b: 2\n")
    assert document.root is not None
    assert document.root.data["into"] == {"b": 2}


def test_absolute_patterns(tmp_path: Path) -> None:
    document = included(tmp_path, f"from: {tmp_path}/more/*.yaml\n", x="b: 2\n")
    assert document.root is not None
    assert document.root.data["into"] == {"b": 2}


def test_an_entry_written_twice_names_both_places(tmp_path: Path) -> None:
    document = included(tmp_path, "from: more/*.yaml\n", x="b: 2\n", y="\nb: 4\n")
    (problem,) = document.problems
    assert (problem.file, problem.line, problem.path) == (str(tmp_path / "more/y.yaml"), 2, "into.b")
    assert problem.message == f"written twice; first at {tmp_path}/more/x.yaml:1:1"


def test_patterns_that_match_nothing(tmp_path: Path) -> None:
    wild = included(tmp_path, "from: more/*.yml\n")
    assert [notice.message for notice in wild.notices] == ["matches no file"]
    assert wild.problems == []
    plain = included(tmp_path, "from: more/a.yaml\n")
    assert [problem.message for problem in plain.problems] == ["no such file"]


def test_a_file_does_not_include_itself(tmp_path: Path) -> None:
    document = included(tmp_path, "from: '*.yaml'\n")
    assert [problem.message for problem in document.problems] == ["matches this very file; give the files a folder"]


def test_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "gone.yaml").symlink_to(tmp_path / "nowhere")
    document = included(tmp_path, "from: more/*.yaml\n")
    assert [problem.message for problem in document.problems] == ["no such file"]


@pytest.mark.parametrize("main", ["into: {a: 1}\n", "from: 5\n", "from: [x]\n", "- a\n", ""])
def test_nothing_to_include(tmp_path: Path, main: str) -> None:
    assert len(included(tmp_path, main, x="b: 2\n").files) == 1


def test_a_broken_section_is_left_to_the_model(tmp_path: Path) -> None:
    document = included(tmp_path, "from: more/*.yaml\ninto: []\n", x="b: 2\n")
    assert document.problems == []


def test_files_that_hold_no_entries(tmp_path: Path) -> None:
    document = included(tmp_path, "from: more/*.yaml\n", x="- a\n", y="# nothing\n", z="a: [")
    assert [problem.message for problem in document.problems] == [
        "a mapping of entries is wanted",
        "not YAML: did not find expected node content; while parsing a flow node",
    ]
    assert [notice.message for notice in document.notices] == ["this file is empty"]
