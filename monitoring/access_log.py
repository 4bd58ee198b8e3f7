# cython: language_level=3, annotation_typing=False
"""The access log: one JSON line per exchange and one per refused connection.

A worker's loop must never wait for its log, so lines gather in memory and go out by a timer or at size. A sink that
is full or fails keeps the newest lines out, never the worker waiting: what did not fit is counted and, once lines
flow again, said in the log itself. Where the octets go is the affair of `log_sink`.

Lines are pure ASCII (anything else is escaped), end in LF, and are at most `LINE_LIMIT` octets long, so that whole
lines always fit into one atomic write to a pipe that several workers share.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _escape
from typing import TYPE_CHECKING, Final

from monitoring.log_sink import PIPE_ATOMIC, Sink
from settings.twins import COMPILED

FLUSH_AFTER: Final = 0.25
"""Seconds a line may wait in memory."""
FLUSH_AT: Final = 48 << 10
"""Octets at which the buffer goes out before its timer."""
WRITE_LIMIT: Final = 64 << 10
"""Octets in one write to a file: other workers append to it between two writes of ours, never within one."""
CAPACITY: Final = 1 << 20
"""Octets kept while the sink takes nothing; lines beyond it are dropped and counted."""
LINE_LIMIT: Final = PIPE_ATOMIC
TEXT_LIMIT: Final = 1536
"""Octets one foreign text may take in a line after escaping; the longest line then stays below LINE_LIMIT."""
NAME_LIMIT: Final = 200


def quoted(text: str | None, limit: int = TEXT_LIMIT) -> str:
    """`text` as a JSON value in ASCII, cut to at most `limit` octets inside its quotes; None is null."""
    if text is None:
        return "null"
    value = _escape(text)
    if len(value) - 2 <= limit:
        return value
    size = 3  # of the three dots
    for kept, character in enumerate(text):
        size += len(_escape(character)) - 2
        if size > limit:
            return _escape(text[:kept] + "...")
    raise AssertionError("a text is not longer than its characters")


@lru_cache(maxsize=8192)
def _name(text: str | None) -> str:
    """Names repeat (listeners, pools, nodes, institutions): their quoted form is remembered."""
    return quoted(text, NAME_LIMIT)


@lru_cache(maxsize=8192)
def _named(first: str, value: str | None, second: str, other: str | None) -> str:
    """Two fields whose values come from the configuration and therefore repeat together."""
    return f'"{first}":{_name(value)},"{second}":{_name(other)}'


def _verb(name: bytes) -> str:
    """A method or a request id: tokens from the wire."""
    return quoted(name.decode("utf-8", "backslashreplace"), NAME_LIMIT)


def _octets(octets: bytes) -> str:
    """Octets from the wire; what is not UTF-8 stays visible as \\xNN."""
    return quoted(octets.decode("utf-8", "backslashreplace"))


def exchange_line(
    prefix: str,
    micros: int,
    listener: str,
    institution: str | None,
    client: str,
    method: bytes,
    target: bytes,
    status: int,
    pool: str | None,
    node: str | None,
    bytes_in: int,
    bytes_out: int,
    duration: float,
    upstream_duration: float | None,
    request_id: bytes,
    tls: str | None,
    resumed: bool,
    reason: str | None,
    attempts: int,
) -> str:
    """The line of one exchange that ended `micros` after the second that `prefix` spells."""
    upstream = "null" if upstream_duration is None else _seconds(upstream_duration)
    return (
        f'{{"time":"{prefix}.{micros:06d}Z","event":"exchange",'
        f'{_named("listener", listener, "institution", institution)},"client":{quoted(client, NAME_LIMIT)},'
        f'"method":{_verb(method)},"target":{_octets(target)},'
        f'"status":{status},{_named("pool", pool, "node", node)},"bytes_in":{bytes_in},"bytes_out":{bytes_out},'
        f'"duration":{_seconds(duration)},"upstream_duration":{upstream},"request_id":{_verb(request_id)},'
        f'"resumed":{"true" if resumed else "false"},"attempts":{attempts},'
        f"{_named('tls', tls, 'reason', reason)}}}\n"
    )


def _seconds(seconds: float) -> str:
    """With six decimals; never below zero, whatever a clock does."""
    micros = int(seconds * 1e6 + 0.5) if seconds > 0 else 0
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


PURE_LINE: Final = exchange_line
if COMPILED and not TYPE_CHECKING:
    from monitoring._line import exchange_line


class AccessLog:
    """Buffer in front of one sink, for one worker.

    `call_later(seconds, callback)` is the loop's; without one (a synchronous process) the owner flushes.
    """

    __slots__ = (
        "_call_later",
        "_clock",
        "_lines",
        "_prefix",
        "_second",
        "_silent",
        "_sink",
        "_size",
        "_timer",
        "_untold",
        "dropped",
    )

    def __init__(
        self,
        sink: Sink,
        call_later: Callable[[float, Callable[[], None]], object] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sink = sink
        self._silent = sink.silent
        self._call_later = call_later
        self._clock = clock
        self._lines: deque[str] = deque()
        self._size = 0
        self._timer = False
        self._second = -1
        self._prefix = ""
        self._untold = 0
        self.dropped = 0
        """Lines lost since the start."""

    def __repr__(self) -> str:
        return f"<AccessLog to {self._sink!r}, {len(self._lines)} lines waiting, {self.dropped} dropped>"

    def exchange(
        self,
        listener: str,
        institution: str | None,
        client: str,
        method: bytes,
        target: bytes,
        status: int,
        pool: str | None,
        node: str | None,
        bytes_in: int,
        bytes_out: int,
        duration: float,
        upstream_duration: float | None,
        request_id: bytes,
        tls: str | None,
        resumed: bool,
        reason: str | None,
        attempts: int,
    ) -> None:
        """One exchange has ended. Durations in seconds; `status` 0 where the client got no answer at all.

        Pass the arguments by position where it counts: matching seventeen keywords costs a third of the whole.
        """
        if self._silent:
            return
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second_begins(second)
        self._add(
            exchange_line(
                self._prefix,
                int((now - second) * 1e6),
                listener,
                institution,
                client,
                method,
                target,
                status,
                pool,
                node,
                bytes_in,
                bytes_out,
                duration,
                upstream_duration,
                request_id,
                tls,
                resumed,
                reason,
                attempts,
            )
        )

    def refused(
        self,
        *,
        listener: str,
        client: str,
        reason: str,
        institution: str | None = None,
        tls: str | None = None,
        resumed: bool = False,
        detail: str | None = None,
    ) -> None:
        """A connection or handshake that ended without an exchange."""
        if self._sink.silent:
            return
        self._add(
            f'{{"time":"{self._now()}","event":"refused","listener":{_name(listener)},'
            f'"institution":{_name(institution)},"client":{quoted(client, NAME_LIMIT)},"tls":{_name(tls)},'
            f'"resumed":{"true" if resumed else "false"},"reason":{_name(reason)},"detail":{quoted(detail)}}}\n'
        )

    def flush(self) -> None:
        """Write what waits, as far as the sink takes it now. Never raises, never waits."""
        limit = PIPE_ATOMIC if self._sink.atomic else WRITE_LIMIT
        while self._lines or self._untold:
            lines, size = self._batch(limit)
            whole = self._sink.write(lines)
            if whole == len(lines) == len(self._lines):
                self._lines.clear()
                self._size = 0
            elif whole:
                for _ in range(whole):
                    self._lines.popleft()
                self._size -= size if whole == len(lines) else sum(map(len, lines[:whole]))
            if whole < len(lines):
                self._arm()  # full or failing: the timer tries again
                return

    def reopen(self) -> str | None:
        """Take up a file that logrotate has put in the place of ours. What went wrong in words, else None."""
        self.flush()
        return self._sink.reopen()

    def close(self) -> None:
        """Write what the sink still takes, then let go of it; the rest counts as dropped."""
        self.flush()
        self.dropped += len(self._lines)
        self._lines.clear()
        self._size = self._untold = 0
        self._sink.close()

    def _now(self) -> str:
        """RFC 3339 in UTC with microseconds; the part that changes once a second is remembered."""
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second_begins(second)
        return f"{self._prefix}.{int((now - second) * 1e6):06d}Z"

    def _second_begins(self, second: int) -> None:
        self._second = second
        self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))

    def _add(self, line: str) -> None:
        size = self._size + len(line)
        if size > CAPACITY:
            self.dropped += 1
            self._untold += 1
            return
        self._lines.append(line)
        self._size = size
        if size >= FLUSH_AT and size - len(line) < FLUSH_AT:
            self.flush()  # only when the mark is crossed: a full sink is not tried again at every line
        elif not self._timer:
            self._arm()

    def _arm(self) -> None:
        if self._call_later is not None and not self._timer:
            self._timer = True
            self._call_later(FLUSH_AFTER, self._due)

    def _due(self) -> None:
        self._timer = False
        self.flush()

    def _batch(self, limit: int) -> tuple[list[str], int]:
        """Whole lines from the front, as many as one write may hold."""
        if self._untold and self._size + LINE_LIMIT <= CAPACITY:
            # Lines before the loss are still queued: the note goes behind them, where the gap is.
            note = f'{{"time":"{self._now()}","event":"dropped","lines":{self._untold}}}\n'
            self._untold = 0
            self._lines.append(note)
            self._size += len(note)
        if self._size <= limit:
            return list(self._lines), self._size
        lines: list[str] = []
        size = 0
        for line in self._lines:
            if lines and size + len(line) > limit:
                break
            lines.append(line)
            size += len(line)
        return lines, size
