"""Header field lines: their grammar (RFC 9112 section 5), and how verdicts on them are remembered.

Clients repeat themselves: of ten field lines eight are those of the request before. The verdict on each
distinct line is kept in a bounded dict, so a repeated line costs one look-up instead of two scans.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from gateway.errors import GatewayError
from gateway.http1.framing import TEXT
from gateway.http1.lookalikes import HOP_BY_HOP, fold

TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_NAME = re.compile(TOKEN)

MEMO_LINES: Final = 4096
MEMO_LINE_SIZE: Final = 512
"""4,096 lines of 512 octets and what they became: 5 MiB per memo at the very most, whatever is sent."""

NOT_REMEMBERED: Final = frozenset(
    {b"authorization", b"cookie", b"set-cookie", b"x-request-id", b"traceparent", b"idempotency-key"}
)
"""Secrets stay in memory no longer than their exchange; what differs every time would only push others out."""

# What a line can be beside kept or dropped.
HOST: Final = 1
LENGTH: Final = 2
CODING: Final = 3
CONNECTION: Final = 4
UPGRADE: Final = 5
EXPECT: Final = 6
REQUEST_ID: Final = 7
MAX_FORWARDS: Final = 8
DATE: Final = 9

# `Note.number` of a CONNECTION line, added up.
CLOSE: Final = 1
KEEP_ALIVE: Final = 2
UPGRADES: Final = 4


class Note(NamedTuple):
    """The verdict on a line that steers the message; what the members hold depends on `kind`."""

    kind: int
    text: bytes = b""
    number: int = 0
    names: frozenset[bytes] = frozenset()


Verdict = bytes | Note
"""Octets are the line to pass on, with its CRLF; none of them means the line is dropped."""


class Rule(NamedTuple):
    """What to do with the fields of one name."""

    judge: Callable[[bytes, bytes], Verdict]
    """Takes the name as spelled and the value."""
    remember: bool = True


Classify = Callable[[bytes], Rule]
"""From a sound name, as spelled, to its rule."""

_V = TypeVar("_V")


class FieldMemo:
    """Verdicts on lines of one side (requests or responses), learned once and then looked up in `lines`."""

    __slots__ = ("_classify", "_error", "_rules", "lines")

    def __init__(self, classify: Classify, error: type[GatewayError]) -> None:
        self.lines: dict[bytes, Verdict] = {}
        self._rules: dict[bytes, Rule] = {}  # by name as spelled: values change more often than names
        self._classify = classify
        self._error = error

    def learn(self, line: bytes) -> Verdict:
        """Judge a line that is not in `lines`; raises the side's error."""
        name, colon, value = line.partition(b":")
        rule = self._rules.get(name)
        if rule is None:
            rule = remember(self._rules, name, self._classify(sound_name(name, self._error)))
        if not colon:
            raise self._error("a field line without a colon")
        verdict = rule.judge(name, sound_value(value, self._error))
        return remember(self.lines, line, verdict) if rule.remember else verdict


def sound_name(name: bytes, error: type[GatewayError]) -> bytes:
    """The name, or `error`. White space before the colon (RFC 9112 section 5.1) and folded lines (5.2) are
    refused here: no token may hold what they begin with."""
    if not _NAME.fullmatch(name):
        raise error("a field name that is not a token")
    return name


def sound_value(value: bytes, error: type[GatewayError]) -> bytes:
    """The value without the white space around it, or `error`.

    Strip and translate, because a regular expression needs quadratic time on a value full of blanks.
    """
    value = value.strip(b" \t")
    if value.translate(None, TEXT):
        raise error("a control character in a field value")
    return value


def split_field(line: bytes, error: type[GatewayError]) -> tuple[bytes, bytes]:
    """Name and value of one field line without its CRLF, or `error`."""
    name, colon, value = line.partition(b":")
    if not colon:
        raise error("a field line without a colon")
    return sound_name(name, error), sound_value(value, error)


def canonical(name: bytes, value: bytes) -> bytes:
    """The line as it leaves: the sender's spelling of the name, one blank, no blanks around the value."""
    return b"%b: %b\r\n" % (name, value) if value else b"%b:\r\n" % name


def members(value: bytes, error: type[GatewayError]) -> list[bytes]:
    """The tokens of a comma-separated list, in lower case; empty members are allowed and skipped."""
    tokens = [member for part in value.lower().split(b",") if (member := part.strip(b" \t"))]
    if not all(map(_NAME.fullmatch, tokens)):
        raise error("a list of options holds something else than tokens")
    return tokens


def connection_note(value: bytes, critical: frozenset[bytes], error: type[GatewayError]) -> Note:
    """What a Connection line asks for; its `names` are the fields to remove that would pass otherwise.

    Naming a field of `critical` is refused: removing it would change what the message means or where it ends.
    """
    options = frozenset(map(fold, members(value, error)))
    if not critical.isdisjoint(options):
        raise error("Connection names a field that cannot be removed")
    flags = CLOSE * (b"close" in options) + KEEP_ALIVE * (b"keep-alive" in options) + UPGRADES * (b"upgrade" in options)
    return Note(CONNECTION, b"", flags, options - HOP_BY_HOP - {b"close"})


def without(lines: list[bytes], names: frozenset[bytes]) -> list[bytes]:
    """The canonical lines whose folded name is not among `names`."""
    return [line for line in lines if fold(line.partition(b":")[0]) not in names]


def remember(memo: dict[bytes, _V], line: bytes, verdict: _V) -> _V:
    """Keep the verdict if the line is short; start afresh when full, which costs less than any bookkeeping."""
    if len(line) <= MEMO_LINE_SIZE:
        if len(memo) >= MEMO_LINES:
            memo.clear()
        memo[line] = verdict
    return verdict


def drop(_name: bytes, _value: bytes) -> bytes:
    return b""
