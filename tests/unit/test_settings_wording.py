"""What foreign text becomes before it is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settings.wording import dotted, nearest, show_key, show_text


def test_a_path() -> None:
    assert dotted(("pools", "clinic", "checks", 0, "timeout")) == "pools.clinic.checks[0].timeout"
    assert dotted(()) == ""


@pytest.mark.parametrize(
    ("key", "shown"),
    [("policy", "policy"), ("community:hunter2", "community…"),
     ("community hunter2", "community…"), ("市一院", "市一院"),
     ("", ""), ("\x1b[31m", "…"), ("a" * 65, "a" * 64 + "…")],
)  # fmt: skip
def test_a_key_is_cut_where_it_turns_odd(key: str, shown: str) -> None:
    assert show_key(key) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("5s", "5s"), ("洛阳市中心医院", "洛阳市中心医院"), ("", '""'), (" a", '" a"'), ("a\nb", r"a\nb"),
     ("\x1b[31m", r"\x1b[31m"),
     ("\u202e", r"\u202e"), ("x" * 61, "x" * 60 + "…")],
)  # fmt: skip
def test_a_value_is_cut_and_cleaned(text: str, shown: str) -> None:
    assert show_text(text) == shown


def test_quotes_stay_visible() -> None:
    assert show_text("true", quoted=True) == '"true"'


@given(st.text())
def test_one_printable_line_of_bounded_length(text: str) -> None:
    shown = show_text(text)
    assert shown.isprintable()
    assert 1 <= len(shown) <= 63


def test_the_nearest_key() -> None:
    assert nearest("polcy", ["policy", "nodes"]) == "policy"
    assert nearest("Min-Healthy", ["min_healthy"]) == "min_healthy"
    assert nearest("zzz", ["policy"]) is None
    assert nearest("x", []) is None
