"""The committed document tells the truth about today's gateway, and leaves no case out."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.conformance.page import PAGE, TABLES, Table, cell, faults, our_column
from tests.conformance.proxies import Ours

REWRITE = "python -m tests.conformance --write"


@pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])
def test_our_column(ours: Ours, table: Table) -> None:
    today = [cell(ours, case) for case in table.cases]
    assert our_column(PAGE.read_text(encoding="utf-8"))[table.name] == today, REWRITE


def test_every_table_is_there() -> None:
    assert list(our_column(PAGE.read_text(encoding="utf-8"))) == [table.name for table in TABLES], REWRITE


def test_known_faults_are_named() -> None:
    title, _, listed = faults().partition("\n\n- ")
    text = PAGE.read_text(encoding="utf-8")
    assert not listed or (title in text and listed in text), REWRITE
    assert text.count("falls short today") == bool(listed), REWRITE


def test_no_two_cases_have_the_same_name() -> None:
    count = Counter(case.id for table in TABLES for case in table.cases)
    assert [name for name, times in count.items() if times > 1] == []
