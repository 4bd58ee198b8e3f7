"""The compiled log line and its Python twin write the same octets, whatever the texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.access_log import LINE_LIMIT, NAME_LIMIT, PURE_LINE, TEXT_LIMIT

compiled = pytest.importorskip("monitoring._line", reason="not compiled", exc_type=ImportError)

ODD = st.sampled_from(
    ("", '"', "\\", "\x7f", "\x1f", "\x00", "\n", "\u2028", "é", "中", "\U0001f600", "\ud800", "~", "/")
)
NEAR = st.integers(-3, 3)


@st.composite
def texts(draw: st.DrawFn, limit: int) -> str:
    """Any, and those that end about where they are cut."""
    if draw(st.booleans()):
        return draw(st.text(max_size=20))
    return "x" * max(0, limit + draw(NEAR) - draw(st.sampled_from((0, 0, 1, 6, 12)))) + draw(ODD) + draw(ODD)


NAMES = texts(NAME_LIMIT)
TOKENS = st.one_of(NAMES.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=300))
TARGETS = st.one_of(texts(TEXT_LIMIT).map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=5000))
COUNTS = st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), st.integers(0, 5000))
SECONDS = st.one_of(
    st.floats(0, 2e9), st.floats(-1e9, 0), st.integers(0, 10**7).map(lambda half: half * 5e-7), st.just(float("nan"))
)

LINES = st.tuples(
    *(st.just("2026-11-25T04:00:00"), st.integers(0, 999_999), NAMES, st.none() | NAMES, NAMES, TOKENS, TARGETS),
    *(st.integers(0, 999), st.none() | NAMES, st.none() | NAMES, COUNTS, COUNTS, SECONDS, st.none() | SECONDS, TOKENS),
    *(st.none() | NAMES, st.booleans(), st.none() | NAMES, st.integers(0, 99)),
)


@settings(max_examples=300)
@given(LINES)
def test_the_same_line(values: tuple[Any, ...]) -> None:
    line = PURE_LINE(*values)
    assert compiled.exchange_line(*values) == line
    assert len(line) <= LINE_LIMIT
    assert json.loads(line)["status"] == values[7]


@pytest.mark.parametrize("place", [2, 3, 4, 8, 9, 15, 17])
def test_what_is_no_text_is_an_exception(place: int) -> None:
    values: list[Any] = [
        "2026-11-25T04:00:00",
        1,
        "l",
        "i",
        "c",
        b"GET",
        b"/",
        200,
        "p",
        "n",
        1,
        2,
        0.1,
        0.1,
        b"r",
        "t",
    ]
    values += [True, None, 1]
    for wrong in (b"octets", 7, object(), "x".__class__, ["x"]):
        values[place] = wrong
        with pytest.raises((TypeError, AttributeError)):
            compiled.exchange_line(*values)
