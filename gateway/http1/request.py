"""Request heads: strict reading, and the head that goes to the node (RFC 9112 sections 2, 3, 6)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.errors import BadRequest, HeadTooLarge, TargetTooLong
from gateway.http1 import fields as f
from gateway.http1.framing import CHUNKED, CRLF, HEAD_END, HeadLimits, stray_octets
from gateway.http1.request_fields import memo
from gateway.http1.request_line import RequestLine, read_line, refuse_unfinished_line, remembered

EMPTY_LINES: Final = 2
"""Tolerated before a request line: old clients send one after a POST body (RFC 9112 section 2.2)."""

_MAX_FORWARDS = re.compile(rb"[0-9]{1,9}")


@dataclass(slots=True)
class RequestHead:
    """One request head, understood and written anew."""

    method: bytes
    target: bytes
    """Origin form, or `*`; what is forwarded."""
    path: bytes
    """The target without its query, not normalised."""
    host: bytes
    """Of the effective request URI, lower case, with its port; empty if an HTTP/1.0 client named none."""
    http10: bool
    length: int
    """Octets of the body, 0 for none, or CHUNKED."""
    keep_alive: bool
    """The client side may be used again after this exchange."""
    expect_continue: bool
    upgrade: bool
    """WebSocket asked for, well formed; the head then carries Connection and Upgrade."""
    request_id: bytes | None
    """The client's own, sound X-Request-Id: its line is in `head`."""
    final: bool
    """OPTIONS with Max-Forwards 0: the gateway answers, no node sees it (RFC 9110 section 7.6.2)."""
    head: bytes = field(repr=False)  # may hold secrets
    """For the node, without the empty line that ends it."""
    end: int
    """Octets of the data that the head took."""


def parse_request(data: bytes, limits: HeadLimits) -> RequestHead | None:
    """The first head in `data`; None if it is not complete yet. Raises BadRequest or one of its children."""
    start = _skip_empty_lines(data) if data.startswith(b"\r") else 0
    end = data.find(HEAD_END, start)
    if end < 0:
        _refuse_early(data, start, limits)
        return None
    if end - start > limits.head:
        _refuse_early(data[:end], start, limits)  # a target too long is the better answer
        raise HeadTooLarge("the head is longer than the limit")
    lines = data[start:end].split(CRLF, limits.fields + 1)
    line = _read_line(lines[0], limits)
    if len(lines) - 1 > limits.fields:
        raise HeadTooLarge("more field lines than the limit")
    known = memo.lines.get
    kept: list[bytes] = []
    notes: list[f.Note] = []
    for text in lines[1:]:
        verdict = known(text)
        if verdict is None:
            verdict = memo.learn(text)
        if isinstance(verdict, bytes):
            kept.append(verdict)
        else:
            notes.append(verdict)
    return _compose(line, kept, notes, end + len(HEAD_END))


def _read_line(line: bytes, limits: HeadLimits) -> RequestLine:
    read = remembered.get(line)
    if read is None:
        if len(line) > limits.target and len(line.partition(b" ")[2].partition(b" ")[0]) > limits.target:
            raise TargetTooLong("the request target is longer than the limit")  # whatever comes behind it
        read = read_line(line)
    if read.asked > limits.target:
        raise TargetTooLong("the request target is longer than the limit")
    return read


def _compose(line: RequestLine, kept: list[bytes], notes: list[f.Note], end: int) -> RequestHead:
    """Apply what concerns the message as a whole, and write it anew."""
    host: bytes | None = None
    length: int | None = None
    framing = b""
    flags = 0
    named: frozenset[bytes] = frozenset()
    request_ids: list[bytes] = []
    rare: list[f.Note] = []
    for note in notes:
        kind, text, number, names = note
        if kind == f.HOST:
            if host is not None:
                raise BadRequest("more than one Host")
            host = text
        elif kind == f.LENGTH or kind == f.CODING:
            if length is not None:
                raise BadRequest("more than one of Content-Length and Transfer-Encoding")
            length, framing = number, text
        elif kind == f.CONNECTION:
            flags |= number
            named |= names
        elif kind == f.REQUEST_ID:
            request_ids.append(text)
        else:
            rare.append(note)

    if host is None and not line.http10:
        raise BadRequest("no Host")
    if line.authority is not None:
        host = line.authority  # RFC 9112 section 3.2.2: Host is ignored
    if length == CHUNKED and line.http10:
        raise BadRequest("Transfer-Encoding in HTTP/1.0")
    request_id = None
    if request_ids:
        request_id = _the_only(request_ids, named)
        if request_id:
            kept.append(b"X-Request-Id: %b\r\n" % request_id)
    asks = _rare(line, rare, flags, length or 0, kept) if rare else _ASKS_NOTHING
    if named:
        kept = f.without(kept, named)

    return RequestHead(
        line.method,
        line.target,
        line.path,
        host or b"",
        line.http10,
        length or 0,
        not (line.http10 or flags & f.CLOSE),  # a proxy keeps no HTTP/1.0 client: RFC 9112 section 9.3
        asks.expect_continue,
        asks.upgrade,
        request_id,
        asks.final,
        b"%b%b%b%b%b"
        % (line.start, b"Host: %b\r\n" % host if host else b"Host:\r\n", b"".join(kept), framing, asks.lines),
        end,
    )


def _the_only(request_ids: list[bytes], named: frozenset[bytes]) -> bytes | None:
    if len(request_ids) > 1 or b"x-request-id" in named:
        return None
    return request_ids[0] or None


class _Asks(NamedTuple):
    expect_continue: bool = False
    upgrade: bool = False
    final: bool = False
    lines: bytes = b""


_ASKS_NOTHING: Final = _Asks()


def _rare(line: RequestLine, notes: list[f.Note], flags: int, length: int, kept: list[bytes]) -> _Asks:
    """Expect, Upgrade and Max-Forwards: kept where they mean something, dropped where they do not."""
    kinds = {note.kind for note in notes}
    expects = f.EXPECT in kinds and length != 0 and not line.http10
    upgrade = (
        any(note.kind == f.UPGRADE and note.number for note in notes)
        and bool(flags & f.UPGRADES)
        and line.method == b"GET"
        and length == 0
        and not line.http10
    )
    forwards = [note.text for note in notes if note.kind == f.MAX_FORWARDS]
    final = bool(forwards) and line.method == b"OPTIONS" and _forward_once_less(forwards)
    kept += forwards
    lines = b"Expect: 100-continue\r\n" * expects + b"Connection: upgrade\r\nUpgrade: websocket\r\n" * upgrade
    return _Asks(expects, upgrade, final, lines)


def _forward_once_less(lines: list[bytes]) -> bool:
    """Count Max-Forwards down, in place; True if it was 0 already."""
    value = lines[0].partition(b":")[2].strip()
    if len(lines) > 1 or not _MAX_FORWARDS.fullmatch(value):
        raise BadRequest("Max-Forwards is not one plain number")
    lines[0] = b"Max-Forwards: %d\r\n" % max(int(value) - 1, 0)
    return int(value) == 0


def _skip_empty_lines(data: bytes) -> int:
    start = 0
    while data.startswith(CRLF, start):
        start += len(CRLF)
    if start > EMPTY_LINES * len(CRLF):
        raise BadRequest("too many empty lines before a request")
    return start


def _refuse_early(data: bytes, start: int, limits: HeadLimits) -> None:
    """Refuse an unfinished head that can no longer become a good one, as soon as that shows."""
    cut = data.find(CRLF, start)
    if cut < 0:
        refuse_unfinished_line(data[start:], limits.target)
    else:
        _read_line(data[start:cut], limits)
        if stray_octets(data, cut):
            raise BadRequest("a control character or half a line end in the head")
        if data.count(b"\n", cut) - 1 > limits.fields:
            raise HeadTooLarge("more field lines than the limit")
    # A complete head may be followed by up to three octets of its end.
    if len(data) - start > limits.head + len(HEAD_END) - 1:
        raise HeadTooLarge("the head is longer than the limit")
