# cython: language_level=3, annotation_typing=False
"""Connections to nodes: made, lent to one exchange at a time, kept for the next one.

Owns which idle connection is reused; what travels on a link is the exchange's business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Final

from gateway import wire
from gateway.stream import Stream

IDLE_LINKS_PER_NODE: Final = 1024
"""As many as were in use at the peak, but for the largest. With 256, thousands of clients at once cost twice as much:
each answer closed a connection that the next request had to make again."""
MARGIN: Final = 0.8
"""Share of the time after which a node was seen to close idle connections, for which another one is used. Twice in a
row after about the same time is a habit, once is not."""
MOMENT: Final = 0.05
CLOSES: Final = 3
"""A node that closes within so many seconds, so often in a row, keeps no connections, whatever it says."""
REMEMBERED: Final = 60.0
"""Seconds for which a node's habit is believed; a restart, too, closes connections, once."""


class Link:
    """One connection to a node. `buffer` holds response octets that do not make a whole head yet."""

    __slots__ = ("buffer", "exchanges", "idle_since", "key", "links", "octets", "stream")

    def __init__(self, links: Links, key: str, stream: Stream) -> None:
        self.links = links
        self.key = key
        self.stream = stream
        self.buffer = b""
        self.exchanges = 0
        self.octets = 0
        """Written to the stream so far."""
        self.idle_since = 0.0

    def __repr__(self) -> str:
        return f"<Link {self.key} exchanges={self.exchanges} {self.stream!r}>"

    def idle_readable(self) -> None:
        """An idle node has nothing to say: its end of file, or octets nobody asked for, end the link."""
        if not self.stream.still_silent():
            self.links.closed(self)
            self.links.discard(self)

    def let_go(self, *, flush: bool = False) -> None:
        """End the connection without telling its last exchange; `flush` lets what is queued out first."""
        stream = self.stream
        stream.on_readable = stream.on_drained = stream.on_closed = _ignore
        if flush:
            stream.close()
        else:
            stream.abort()

    def alive(self) -> bool:
        """Whether the node has neither closed nor spoken since the loop last looked.

        One system call that keeps a settlement from being sent into a connection already closed by the node
        (RFC 9112 9.5); such a request could not be repeated.
        """
        said = wire.peek(self.stream.fd)
        return said == wire.NOTHING or (said > 0 and self.stream.still_silent())

    def ended(self) -> bool:
        """Whether the node has closed its side and said nothing before."""
        return self.stream.eof or wire.peek(self.stream.fd) == 0


class Links:
    """The idle links of one worker, by node address."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._idle: dict[str, list[Link]] = {}
        self._habits: dict[str, tuple[float, float]] = {}
        """By key: after how many idle seconds a link is not used any more, and until when that is believed."""
        self._sudden: dict[str, int] = {}
        """By key: idle links that were closed at once, since one was used again and ended well."""
        self._seen: dict[str, float] = {}
        """By key: after how many idle seconds one was closed last."""

    def idle(self, key: str) -> int:
        return len(self._idle.get(key, ()))

    def take(self, key: str) -> Link | None:
        """The most recently used idle link of this node, or None: then `dial`."""
        idle = self._idle.get(key)
        if idle and key in self._habits:
            self._let_go_old(key, idle)
        while idle:
            link = idle.pop()
            if link.alive():
                return link
            self.closed(link)
            link.let_go()
        return None

    def closed(self, link: Link) -> None:
        """The node has closed an idle connection: the next ones are not used for as long.

        A request sent at that moment could neither be known to be unread nor be sent again.
        """
        if not link.ended():
            return  # it spoke out of turn: nothing is learned from that
        now = time.monotonic()
        idle = now - link.idle_since
        if idle <= MOMENT:
            self._sudden[link.key] = sudden = self._sudden.get(link.key, 0) + 1
            limit = 0.0 if sudden >= CLOSES else None
        else:
            last, self._seen[link.key] = self._seen.get(link.key, 0.0), idle
            limit = min(last, idle) * MARGIN if min(last, idle) >= max(last, idle) * MARGIN else None
        if limit is not None:
            before, until = self._habits.get(link.key, (limit, 0.0))
            self._habits[link.key] = (min(before, limit) if until > now else limit, now + REMEMBERED)

    def _let_go_old(self, key: str, idle: list[Link]) -> None:
        """The node would soon close them."""
        limit, until = self._habits[key]
        now = time.monotonic()
        if until < now:
            del self._habits[key]
            return
        young = next((at for at, link in enumerate(idle) if now - link.idle_since < limit), len(idle))
        gone = idle[:young]
        del idle[:young]
        self._abort(gone)

    def dial(self, key: str, address: tuple[str, int]) -> Link:
        """Begin a new connection; see `Stream.connect` for how it ends. Raises `StreamError`."""
        return Link(self, key, Stream.connect(self.loop, address))

    def give_back(self, link: Link) -> None:
        """Keep a link whose last exchange ended cleanly."""
        stream = link.stream
        idle = self._idle.setdefault(link.key, [])
        if stream.closed or stream.error or stream.pending or len(idle) >= IDLE_LINKS_PER_NODE:
            link.let_go()
            return
        link.exchanges += 1
        if self._sudden and link.exchanges > 1:
            self._sudden.pop(link.key, None)
        link.idle_since = time.monotonic()
        stream.on_readable = link.idle_readable
        stream.on_drained = _ignore  # else the link would keep its last exchange and session alive
        stream.on_closed = link.idle_readable
        idle.append(link)
        stream.start_reading()

    def discard(self, link: Link) -> None:
        idle = self._idle.get(link.key)
        if idle and link in idle:
            idle.remove(link)
        link.stream.abort()

    def expire(self, now: float, limits: Mapping[str, float]) -> None:
        """Close links idle for longer than their pool allows, and every link of a node no longer configured."""
        for key, idle in list(self._idle.items()):
            limit = limits.get(key.partition("|")[0], 0.0)  # behind it stands whom the links may serve
            # In the order of their last use: `give_back` appends, `take` takes the last.
            stay = next((at for at, link in enumerate(idle) if now - link.idle_since < limit), len(idle))
            gone = idle[:stay]
            del idle[:stay]
            if not idle:
                del self._idle[key]
            self._abort(gone)

    def close(self) -> None:
        for idle in list(self._idle.values()):
            self._abort(list(idle))
        self._idle.clear()

    @staticmethod
    def _abort(links: Iterable[Link]) -> None:
        for link in links:
            link.let_go()


def _ignore() -> None:
    """The link has been taken off the list already."""
