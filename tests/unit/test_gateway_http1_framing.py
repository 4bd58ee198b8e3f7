from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest
from gateway.http1 import HeadLimits, parse_request
from gateway.http1.framing import LONGEST_BODY, LOOK, WINDOW, body_length, may_decide, stray_octets, transfer_coding


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


LONG_HEAD = b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 600) for n in range(50)) + b"\r\n"


def looks(head: bytes, limits: HeadLimits = HeadLimits()) -> list[int]:  # noqa: B008 - immutable
    """After how many octets a head is parsed that comes octet by octet, until that decides."""
    begun, at = head[:1], [1]
    for size in range(1, len(head)):
        piece = head[size : size + 1]
        decides = may_decide(begun, piece, limits)
        begun += piece
        if decides:
            at.append(len(begun))
            try:
                if parse_request(begun, limits) is not None:
                    return at
            except BadRequest:
                return at
    raise AssertionError("never decided")


def test_a_head_in_octets_is_read_once_and_not_once_for_each_of_them() -> None:
    at = looks(LONG_HEAD)
    assert at[-1] == len(LONG_HEAD), "no later than with a look at every octet"
    assert len(at) < LOOK + len(LONG_HEAD) / LOOK + 2


@pytest.mark.parametrize("wrong", [b"\0", b"\n", b"\rX", b"\x7f", b"\r\n\n"], ids=repr)
def test_what_no_head_may_hold_is_noticed_at_once(wrong: bytes) -> None:
    begun = LONG_HEAD[: 20 * LOOK + 7]
    assert looks(begun + wrong + b"x" * LOOK)[-1] == len(begun + wrong)


def test_a_limit_is_noticed_at_once() -> None:
    limits = HeadLimits(head=2000)
    assert looks(LONG_HEAD, limits)[-1] == limits.head + 4
    limits = HeadLimits(fields=20)
    assert looks(LONG_HEAD, limits)[-1] == len(b"\r\n".join(LONG_HEAD.split(b"\r\n")[:22]) + b"\r\n")


PARTS = [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"a: b", b"x" * 300, b"\0"]


@given(st.lists(st.sampled_from(PARTS), max_size=20), st.data())
def test_a_piece_that_does_not_decide_changes_nothing(parts: list[bytes], data: st.DataObject) -> None:
    """Not looked at is only what would have been found unfinished."""
    head = b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * LOOK + b"".join(parts)
    limits = HeadLimits(head=4096)
    cut = data.draw(st.integers(LOOK, len(head)))
    end = data.draw(st.integers(cut, len(head)))
    if not may_decide(head[:cut], head[cut:end], limits):
        try:
            unfinished = parse_request(head[:cut], limits) is None
        except BadRequest:
            return  # refused before
        assert not unfinished or parse_request(head[:end], limits) is None
