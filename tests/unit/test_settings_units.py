"""Written forms, both ways."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settings import units

FILE: Any = SimpleNamespace(context={})
CODE: Any = SimpleNamespace(context=None)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("5s", 5),
        ("5m", 300),
        ("1h", 3600),
        ("1.5h", 5400),
        (0, 0),
        ("0", 0),
        ("0s", 0),
        ("0.5ms", 0.0005),
    ],
)
def test_durations(written: Any, seconds: float) -> None:
    assert units.parse_duration(written, FILE) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [
        "5",
        5,
        5.0,
        "5 s",
        "-5s",
        "5S",
        "1:30",
        "5min",
        "",
        "s",
        "05s",
        "1e3s",
        "5s\n",
        "٣s",
        True,
        None,
        [5],
        "1001h",
        "9" * 30 + "s",
    ],
)
def test_no_durations(written: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        units.parse_duration(written, FILE)


def test_code_may_pass_plain_numbers() -> None:
    assert units.parse_duration(0.05, CODE) == 0.05
    assert units.parse_rate(200, CODE) == 200
    assert units.parse_percent(0.4, CODE) == 0.4
    assert units.parse_byte_rate(500, CODE) == 500
    assert units.parse_duration(0.05, None) == 0.05


def test_a_file_may_not() -> None:
    for parse, value in ((units.parse_rate, 200), (units.parse_percent, 0.4), (units.parse_byte_rate, 500)):
        with pytest.raises(ValueError, match=r"rate|share|octets"):
            parse(value, FILE)


@pytest.mark.parametrize(
    ("written", "octets"), [("32KiB", 32768), ("1MiB", 1 << 20), ("2GiB", 2 << 30), ("10B", 10), (4096, 4096)]
)
def test_sizes(written: Any, octets: int) -> None:
    assert units.parse_size(written) == octets


@pytest.mark.parametrize("written", ["32kb", "1.5KiB", "-1", -1, True, 1.0, "4096", "1TiB", 2**50, "99999999999GiB"])
def test_no_sizes(written: Any) -> None:
    with pytest.raises(ValueError, match="size"):
        units.parse_size(written)


@pytest.mark.parametrize(("written", "per_second"), [("200/s", 200), ("10/m", 1 / 6), ("1.5/s", 1.5), ("36/h", 0.01)])
def test_rates(written: str, per_second: float) -> None:
    assert units.parse_rate(written, FILE) == pytest.approx(per_second)


@pytest.mark.parametrize("written", ["0/s", "200", "200/d", "-1/s", True, "/s"])
def test_no_rates(written: Any) -> None:
    with pytest.raises(ValueError, match="rate"):
        units.parse_rate(written, FILE)


@pytest.mark.parametrize("written", ["140%", "-1%", "40", "40 %", True])
def test_no_percents(written: Any) -> None:
    with pytest.raises(ValueError, match="share"):
        units.parse_percent(written, FILE)


@pytest.mark.parametrize(("written", "octets"), [("500B/s", 500), ("10KiB/s", 10240)])
def test_byte_rates(written: str, octets: int) -> None:
    assert units.parse_byte_rate(written, FILE) == octets
    assert units.write_byte_rate(octets) == written


@pytest.mark.parametrize("written", ["500", "500B", True, "1TiB/s"])
def test_no_byte_rates(written: Any) -> None:
    with pytest.raises(ValueError, match="octets per second"):
        units.parse_byte_rate(written, FILE)


_NUMBER = st.decimals(min_value=0, max_value=1000, places=3).map(lambda n: f"{n:f}".rstrip("0").rstrip(".") or "0")


@given(_NUMBER, st.sampled_from(["ms", "s", "m", "h"]))
def test_a_duration_reads_back_as_the_same(number: str, unit: str) -> None:
    duration = units.parse_duration(number + unit, FILE)
    assert units.parse_duration(units.write_duration(duration), FILE) == pytest.approx(duration, abs=1e-9)


@given(st.integers(0, 2**50 - 1))
def test_a_size_reads_back_as_the_same(octets: int) -> None:
    assert units.parse_size(units.write_size(octets)) == octets


@given(st.integers(0, 2**50 - 1))
def test_a_byte_rate_reads_back_as_the_same(octets: int) -> None:
    assert units.parse_byte_rate(units.write_byte_rate(octets), FILE) == octets


@given(_NUMBER.filter(lambda n: float(n) > 0), st.sampled_from(["s", "m", "h"]))
def test_a_rate_reads_back_as_the_same(number: str, unit: str) -> None:
    rate = units.parse_rate(f"{number}/{unit}", FILE)
    assert units.parse_rate(units.write_rate(rate), FILE) == pytest.approx(rate)


@given(st.integers(0, 100_000))
def test_a_share_reads_back_as_the_same(thousandths: int) -> None:
    share = units.parse_percent(f"{thousandths // 1000}.{thousandths % 1000:03d}%", FILE)
    assert units.parse_percent(units.write_percent(share), FILE) == pytest.approx(share)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(75, "75s"), (300, "5m"), (3600, "1h"), (0.5, "500ms"), (0, "0s"), (1.5, "1.5s"), (1.0005, "1000.5ms")],
)
def test_the_shortest_form(seconds: float, written: str) -> None:
    assert units.write_duration(seconds) == written
