from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http1.framing import LONGEST_BODY, WINDOW, body_length, stray_octets, transfer_coding


@pytest.mark.parametrize(
    ("value", "length"),
    [(b"0", 0), (b"5", 5), (b"007", 7), (b"9223372036854775807", LONGEST_BODY)],
)
def test_a_plain_decimal_is_a_length(value: bytes, length: int) -> None:
    assert body_length(value) == length


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"+5",
        b"-5",
        b"5_0",
        b"5 0",
        b"0x5",
        b"5.0",
        b"5,5",
        b"5, 5",
        b"\xb2",
        "٥".encode(),
        b"9223372036854775808",
        b"18446744073709551616",
        b"0" * 20,
        b"1" * 5000,
        b"5\n",
    ],
    ids=repr,
)
def test_anything_else_is_not(value: bytes) -> None:
    assert body_length(value) is None


@pytest.mark.parametrize(
    ("value", "judged"),
    [
        (b"chunked", "chunked"),
        (b"Chunked", "chunked"),
        (b"gzip, chunked", "unknown"),
        (b"x-y,\tCHUNKED", "unknown"),
        (b"gzip", "faulty"),
        (b"identity", "faulty"),
        (b"chunked, gzip", "faulty"),
        (b"chunked, chunked", "faulty"),
        (b"chunked, gzip, chunked", "faulty"),
        (b"", "faulty"),
        (b",chunked", "faulty"),
        (b"chunked,", "faulty"),
        (b"chunked;q=1", "faulty"),
        (b'"chunked"', "faulty"),
        (b"xchunked", "faulty"),
        (b"chunked\x00", "faulty"),
        (b"\x0bchunked", "faulty"),
        (b"gzip chunked", "faulty"),
    ],
)
def test_only_chunked_alone_can_be_framed(value: bytes, judged: str) -> None:
    assert transfer_coding(value) == judged


@pytest.mark.parametrize(
    ("rest", "stray"),
    [
        (b"", False),
        (b"\r\nA: b", False),
        (b"\r\nA: b\r", False),
        (b"\r\nA:\tb \xe4\r\n", False),
        (b"\r\nA: b\n", True),
        (b"\r\nA: b\n\r", True),
        (b"\r\nA: b\rc\r\n", True),
        (b"\r\r\n", True),
        (b"\r\nA: \x00", True),
        (b"\r\nA: \x7f", True),
        (b"\r\nA: \x0b", True),
    ],
    ids=repr,
)
def test_half_a_line_end_is_seen_at_once(rest: bytes, stray: bool) -> None:
    assert stray_octets(b"x" * 7 + rest, 7) is stray


@given(st.integers(0, 40))
def test_a_line_end_across_the_window_is_whole(shift: int) -> None:
    lines = b"\r\n" + (b"A: %b\r\n" % (b"x" * 11)) * (2 * WINDOW // 16) + b"y" * shift
    assert not stray_octets(lines, 0)


def test_work_on_a_trickling_head_is_bounded() -> None:
    """What lies before the window was looked at when it arrived, or will be when the head is complete."""
    assert not stray_octets(b"\x00" + b"a" * WINDOW, 0)
    assert stray_octets(b"\x00" + b"a" * (WINDOW - 1), 0)
