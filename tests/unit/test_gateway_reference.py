"""What is generated and committed is current."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.reference import GENERATED, main

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", GENERATED)
def test_the_committed_file_is_current(name: str) -> None:
    current = GENERATED[name]()
    assert (ROOT / name).read_text(encoding="utf-8") == current, "run python -m gateway.reference"


def test_both_are_written(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    for name, text in GENERATED.items():
        assert (tmp_path / name).read_text(encoding="utf-8") == text()


def test_the_page_says_what_is_not_in_force() -> None:
    page = GENERATED["docs/configuration.md"]()
    assert "`admin.tls`: the admin API is plain HTTP on loopback" in page
    assert "| `slow_start` | duration | `30s` |" in page
