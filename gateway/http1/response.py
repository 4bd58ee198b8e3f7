"""Response heads: read as strictly as requests, because a node's answer reaches an institution
(RFC 9112 sections 4, 6.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.errors import NodeProtocolError
from gateway.http1 import fields as f
from gateway.http1.framing import (
    CHUNKED,
    CRLF,
    HEAD_END,
    UNTIL_CLOSE,
    HeadLimits,
    body_length,
    stray_octets,
    transfer_coding,
)
from gateway.http1.lookalikes import FRAMING, HOP_BY_HOP, fold

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_LINE_BEGUN = b"HTTP/1."
_UNREMOVABLE = frozenset({b"content-length"})
"""Unlike a request's: some servers name Transfer-Encoding here, which ends at this hop anyway."""

_VARIES_BY_CLIENT = frozenset({b"client-cert", b"client-cert-chain", b"x-institution-id"})


@dataclass(slots=True)
class ResponseHead:
    """One response head, understood and written anew."""

    status: int
    length: int
    """Octets of the body, CHUNKED or UNTIL_CLOSE; 0 where none may follow, whatever Content-Length says."""
    keep_alive: bool
    """The node's connection may be used again after the body."""
    dated: bool
    """It has a Date; a proxy adds one where it is missing (RFC 9110 section 6.6.1)."""
    head: bytes = field(repr=False)
    """For the client, without Transfer-Encoding, Connection (but for 101) and the empty line that ends it."""
    end: int
    """Octets of the data that the head took."""


class _StatusLine(NamedTuple):
    status: int
    http10: bool
    start: bytes


remembered: dict[bytes, _StatusLine] = {}


def parse_response(data: bytes, limits: HeadLimits, method: bytes, upgrade: bool) -> ResponseHead | None:
    """The head of the answer to a request with `method`; None if it is not complete yet.

    `upgrade`: the request asked for WebSocket, so that 101 is an answer. Raises NodeProtocolError.
    """
    end = data.find(HEAD_END)
    if end < 0:
        _refuse_early(data, limits)
        return None
    if end > limits.head:
        raise NodeProtocolError("the response head is longer than the limit")
    lines = data[:end].split(CRLF, limits.fields + 1)
    line = remembered.get(lines[0]) or read_status_line(lines[0])
    if len(lines) - 1 > limits.fields:
        raise NodeProtocolError("more field lines than the limit")
    known = _memo.lines.get
    kept: list[bytes] = []
    notes: list[f.Note] = []
    for text in lines[1:]:
        verdict = known(text)
        if verdict is None:
            verdict = _memo.learn(text)
        if isinstance(verdict, bytes):
            kept.append(verdict)
        else:
            notes.append(verdict)
    return _compose(line, kept, notes, method, upgrade, end + len(HEAD_END))


def _compose(
    line: _StatusLine, kept: list[bytes], notes: list[f.Note], method: bytes, upgrade: bool, end: int
) -> ResponseHead:
    length: int | None = None
    framing = b""
    flags = 0
    named: frozenset[bytes] = frozenset()
    chunked = websocket = dated = False
    for kind, text, number, names in notes:
        if kind == f.LENGTH:
            if length is not None and length != number:
                raise NodeProtocolError("two Content-Lengths that differ")
            length, framing = number, text
        elif kind == f.DATE:
            dated = True
            kept.append(text)
        elif kind == f.CONNECTION:
            flags |= number
            named |= names
        elif kind == f.CODING:
            if chunked:
                raise NodeProtocolError("more than one Transfer-Encoding")
            chunked = True
        else:
            websocket = websocket or number == 1
    if chunked and (length is not None or line.http10):
        raise NodeProtocolError("Transfer-Encoding together with Content-Length, or in HTTP/1.0")
    if named:
        kept = f.without(kept, named)

    status = line.status
    bodiless = status < 200 or status == 204
    sound = True
    if bodiless:
        # Framing fields mean nothing here; a node that sends them may send a body, too.
        sound = not (chunked or length)
        length, framing = 0, b""
        if status == 101:
            if not (upgrade and websocket and flags & f.UPGRADES) or line.http10:
                raise NodeProtocolError("101 where no WebSocket was asked for")
            framing = b"Connection: upgrade\r\nUpgrade: websocket\r\n"
    elif method == b"HEAD" or status == 304:
        length = 0
    elif chunked:
        length = CHUNKED
    elif length is None:
        length = UNTIL_CLOSE

    reusable = not flags & f.CLOSE and (not line.http10 or flags & f.KEEP_ALIVE != 0)
    return ResponseHead(
        status,
        length,
        reusable and sound and length != UNTIL_CLOSE,
        dated and b"date" not in named,
        b"%b%b%b" % (line.start, b"".join(kept), framing),
        end,
    )


def _classify(name: bytes) -> f.Rule:
    """What becomes of a response's fields of this name."""
    folded = fold(name)
    if name.lower() != folded:
        if folded in FRAMING:
            raise NodeProtocolError("a framing field in a misleading spelling")
    elif folded in RULES:
        return RULES[folded]
    if folded in HOP_BY_HOP:
        return f.Rule(f.drop)
    return f.Rule(f.canonical, folded not in f.NOT_REMEMBERED)


def _length(_name: bytes, value: bytes) -> f.Note:
    length = body_length(value)
    if length is None:
        raise NodeProtocolError("Content-Length is not a plain number")
    return f.Note(f.LENGTH, b"Content-Length: %d\r\n" % length, length)


def _coding(_name: bytes, value: bytes) -> f.Note:
    if transfer_coding(value) != "chunked":
        raise NodeProtocolError("Transfer-Encoding is not chunked")
    return f.Note(f.CODING)


def _connection(_name: bytes, value: bytes) -> f.Note:
    return f.connection_note(value, _UNREMOVABLE, NodeProtocolError)


def _upgrade(_name: bytes, value: bytes) -> f.Note:
    return f.Note(f.UPGRADE, b"", int(value.lower() == b"websocket"))


def _date(name: bytes, value: bytes) -> f.Note:
    return f.Note(f.DATE, f.canonical(name, value))


def _vary(name: bytes, value: bytes) -> bytes:
    """The client did not send what the gateway added, and cannot vary it (RFC 9440 section 2.4)."""
    members = (member.strip(b" \t") for member in value.lower().split(b","))
    return f.canonical(name, value if _VARIES_BY_CLIENT.isdisjoint(members) else b"*")


RULES: Final = {
    b"connection": f.Rule(_connection),
    b"content-length": f.Rule(_length),
    b"date": f.Rule(_date),
    b"transfer-encoding": f.Rule(_coding),
    b"upgrade": f.Rule(_upgrade),
    b"vary": f.Rule(_vary),
}


def read_status_line(line: bytes) -> _StatusLine:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise NodeProtocolError("not a status line of HTTP/1.0 or HTTP/1.1")
    status = int(match[2])
    start = b"HTTP/1.1 %d %b\r\n" % (status, match[3] or b"")
    return f.remember(remembered, line, _StatusLine(status, match[1] == b"0", start))


def _refuse_early(data: bytes, limits: HeadLimits) -> None:
    """Refuse an unfinished head that can no longer become a good one, as soon as that shows."""
    cut = data.find(CRLF)
    if cut >= 0:
        _ = remembered.get(data[:cut]) or read_status_line(data[:cut])
        if data.count(b"\n", cut) - 1 > limits.fields:
            raise NodeProtocolError("more field lines than the limit")
    elif not _LINE_BEGUN.startswith(data[: len(_LINE_BEGUN)]):
        raise NodeProtocolError("not a status line of HTTP/1.0 or HTTP/1.1")
    if stray_octets(data, max(cut, 0)):
        raise NodeProtocolError("a control character or half a line end in the head")
    if len(data) > limits.head + len(HEAD_END) - 1:
        raise NodeProtocolError("the response head is longer than the limit")


_memo = f.FieldMemo(_classify, NodeProtocolError)
