"""Where a head and a body end: limits, Content-Length, Transfer-Encoding, stray octets (RFC 9112 sections 2.2, 6)."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

CRLF: Final = b"\r\n"
HEAD_END: Final = b"\r\n\r\n"

CHUNKED: Final = -1
"""`length` of a body whose end the chunked coding tells."""
UNTIL_CLOSE: Final = -2
"""`length` of a response body that ends with the connection."""

LONGEST_BODY: Final = 2**63 - 1
"""Beyond it a reader with signed 64-bit lengths wraps around and frames the message differently."""

TEXT: Final = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
"""Every octet a field value may hold (RFC 9110 section 5.5)."""

WINDOW: Final = 4096
"""How much of an unfinished head is looked at anew for every piece that arrives."""
LOOK: Final = 512
"""Octets of a head after which it is looked at again in any case."""

_DIGITS = re.compile(rb"[0-9]{1,19}")
_CODINGS = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:[ \t]*,[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+)*")


class HeadLimits(NamedTuple):
    """What one head may cost, in octets and in field lines."""

    head: int = 32768
    fields: int = 128
    target: int = 8192


def body_length(value: bytes) -> int | None:
    """The number of a Content-Length, None if it is anything but one plain decimal number.

    No sign, no list, no more than 19 digits: leading zeros beyond that serve nobody, and `int` on
    thousands of digits raises.
    """
    if not _DIGITS.fullmatch(value):
        return None
    length = int(value)
    return length if length <= LONGEST_BODY else None


def transfer_coding(value: bytes) -> Literal["chunked", "unknown", "faulty"]:
    """Judge a Transfer-Encoding value: only `chunked` alone can be framed here (RFC 9112 section 6.3).

    "unknown" is a sound list that ends in chunked, with a coding before it that we do not decode.
    """
    if value.lower() == b"chunked":
        return "chunked"
    if not _CODINGS.fullmatch(value):
        return "faulty"
    codings = [coding.strip(b" \t").lower() for coding in value.split(b",")]
    if codings[-1] != b"chunked" or codings.count(b"chunked") > 1:
        return "faulty"
    return "unknown"


def stray_octets(data: bytes, start: int) -> bool:
    """Whether the end of `data[start:]`, the unfinished rest of a head, holds a control or half a line end.

    Found now rather than when the head is complete: a client that ends its lines with a bare LF never
    completes one, and would learn of its mistake from a time-out only. Only the last few octets, because this
    runs again for every piece of a head that trickles in; the complete head is judged line by line anyway.
    """
    rest = data[max(start, len(data) - WINDOW) :].removeprefix(b"\n")  # its CR may lie before the window
    ends = CRLF * rest.count(CRLF) + (b"\r" if rest.endswith(b"\r") else b"")
    return rest.translate(None, TEXT) != ends


def may_decide(begun: bytes, piece: bytes, limits: HeadLimits) -> bool:
    """Whether it is worth parsing again an unfinished head now that `piece` has come behind what has `begun`.

    Reading it anew for every octet that trickles in costs quadratic time. A head can be complete, or wrong in a new
    way, only where a line ends or a control comes; what its first line may hold is looked at every few hundred octets.
    """
    size = len(begun) + len(piece)
    if len(begun) < LOOK or len(begun) // LOOK != size // LOOK or size > limits.head:
        return True
    tail = begun[-3:] + piece
    if HEAD_END in tail or stray_octets(tail, 2):
        return True
    return b"\n" in piece and begun.count(b"\n") >= limits.fields
