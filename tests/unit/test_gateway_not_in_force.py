"""Accepted and not yet in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import GatewayConfig
from gateway.not_in_force import NOT_IN_FORCE, Later, not_in_force, written
from settings.document import Document, read_document
from settings.fields import spot


@pytest.fixture
def document(tmp_path: Path) -> Document:
    path = tmp_path / "a.yaml"
    path.write_text(
        "admin: {tls: {}}\n"
        "pools:\n"
        "  a: {policy: hash, retries: {attempts: 2}}\n"
        "  b: {policy: round_robin, queue: {}, retries: {budget: 10%}}\n"
    )
    return read_document(path)


def test_only_what_is_written_is_told_at_its_place(document: Document) -> None:
    told = [(problem.line, problem.column, problem.path) for problem in not_in_force(document)]
    assert told == [
        (1, 9, "admin.tls"),
        (3, 7, "pools.a.policy"),
        (4, 28, "pools.b.queue"),
        (4, 49, "pools.b.retries.budget"),
    ]


def test_the_line(document: Document) -> None:
    assert str(not_in_force(document)[1]).endswith("pools.a.policy: accepted, not yet in force")


@pytest.mark.parametrize("later", NOT_IN_FORCE, ids=lambda later: later.path)
def test_the_table_names_keys_that_exist(later: Later) -> None:
    path: list[str | int] = [step if step != "*" else "x" for step in later.path.split(".")]
    assert spot(GatewayConfig, path).annotation is not None


def test_stars_stand_for_names_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: [{b: 1}, {b: 2}, {c: 3}, 4]\n")
    assert [place for place, _ in written(read_document(path), "a.*.b")] == [("a", 0, "b"), ("a", 1, "b")]
    assert list(written(Document(path, None), "a")) == []
