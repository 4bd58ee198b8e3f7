"""How much a head may hold by default: 32 KiB, 128 field lines, a target of 8,192 octets."""

from __future__ import annotations

from tests.conformance.case import RequestTable, get

LIMITS = RequestTable(
    "limits",
    "9112 §3",
    "RFC 9112 asks for request lines of 8,000 octets at least. Each limit has its own status, and the connection is "
    "closed.",
)
_T = LIMITS
HEAD, FIELDS, TARGET = 32 * 1024, 128, 8192


def _filled(size: int) -> bytes:
    """A GET whose head has `size` octets before the empty line that ends it."""
    bare = len(get(b"X: ")) - 4
    return get(b"X: " + b"a" * (size - bare))


_T.passed("a target at its limit", get(target=b"/" + b"a" * (TARGET - 1)))
_T.refused("a target beyond its limit", get(target=b"/" + b"a" * TARGET), 414, rfc="9110 §15.5.15")
_T.refused("a target far beyond its limit", get(target=b"/" + b"a" * 40_000), 414, rfc="9110 §15.5.15")
_T.refused("a target without end", b"GET /" + b"a" * 20_000, 414, rfc="9110 §15.5.15")
_T.passed("a head at its limit", _filled(HEAD), rfc="9110 §5.4")
_T.refused("a head beyond its limit", _filled(HEAD + 1), 431, rfc="6585 §5")
_T.refused("a head far beyond its limit", _filled(100_000), 431, rfc="6585 §5")
_T.refused("a head without end", get(b"X: " + b"a" * 40_000)[:-4], 431, rfc="6585 §5")
_T.refused("field lines without end", get(*[b"X: 1"] * 1000)[:-4], 431, rfc="6585 §5")
_T.passed("field lines at their limit", get(*[b"X-%d: 1" % n for n in range(FIELDS - 1)]), rfc="9110 §5.4")
_T.refused("field lines beyond their limit", get(*[b"X-%d: 1" % n for n in range(FIELDS)]), 431, rfc="6585 §5")
_T.passed("one name of 10,000 octets", get(b"X" * 10_000 + b": 1"), rfc="9110 §5.4")
_T.passed("127 fields of 200 octets", get(*[b"X-%d: %b" % (n, b"a" * 200) for n in range(FIELDS - 1)]), rfc="9110 §5.4")
