"""YAML 1.2 core schema, not 1.1."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settings.scalars import plain_scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("NULL", None),
        ("true", True), ("True", True), ("FALSE", False),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"), ("tRue", "tRue"),
        ("10", 10), ("-3", -3), ("+3", 3), ("010", 10), ("0o17", 15), ("0x1F", 31), ("1_000", "1_000"),
        ("1:30", "1:30"), ("0b11", "0b11"), ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0), (".inf", math.inf),
        ("-.inf", -math.inf), ("2c", "2c"), ("2024-01-01", "2024-01-01"), ("1" * 30, "1" * 30), ("1.2.3", "1.2.3"),
        ("-", "-"), (".", "."), ("5s", "5s"), ("١", "١"), ("1\n", "1\n"), ("1e999999", "1e999999"),
    ],
)  # fmt: skip
def test_meaning(text: str, value: Any) -> None:
    found = plain_scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number() -> None:
    found = plain_scalar(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)


@given(st.text())
def test_any_text_has_a_meaning(text: str) -> None:
    found = plain_scalar(text)
    assert found is None or isinstance(found, (str, int, float))
    if isinstance(found, str):
        assert found == text
