"""Which clients are too slow: looks at a share of a worker's sessions at each sweep, so that every one is seen once a
second, and ends those below their listener's `minimum_rate`.

Nothing is counted on the way of a request. What a transfer has moved is in the request's body and in the kernel's
counters of the connection; the kernel's send buffer would hide a reader that takes nothing.

Charged is only time in which the client has to move: for an upload, while we read from it (a node that takes no more
stops that); for an answer, while octets wait that its window has no room for. A node that is slow to answer or to
read, a tunnel and an idle connection cost nobody anything.
"""

from __future__ import annotations

import socket
import sys
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

from gateway.errors import RequestTimeout
from gateway.pace import GRACE, Pace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gateway.proxied import Proxied
    from gateway.runtime import ListenerRuntime
    from gateway.session import Session

SHARES: Final = 4
"""Sweeps until every session has been looked at."""
_RECENT: Final = 2.5
"""Seconds for which a connection counts as just become idle: its last answer may still lie in the kernel."""
_ACKNOWLEDGED: Final = slice(120, 128)
_UNSENT: Final = slice(144, 148)
"""Where `struct tcp_info` of Linux counts octets the peer has acknowledged, and those it has no window for."""


class Transfer:
    """What is remembered of a session between two looks."""

    __slots__ = ("answer", "began", "body")

    def __init__(self, now: float, acknowledged: int) -> None:
        self.answer = Pace(now, acknowledged)
        self.body: Pace | None = None
        self.began = 0.0
        """Of the exchange whose body that is."""

    def __repr__(self) -> str:
        return f"<Transfer body={self.body!r} answer={self.answer!r}>"


class Pacing:
    """One worker's."""

    def __init__(self) -> None:
        self._turn = 0
        self._round: list[Session | Proxied] = []

    def share(
        self, sessions: Collection[Session | Proxied], listeners: Iterable[ListenerRuntime], now: float
    ) -> list[Session]:
        """Those of the next share that there may be something to judge about."""
        idle = [listener.idle_timeout for listener in listeners if listener.minimum_rate]
        if not idle:
            self._round = []
            return []
        if not self._turn:
            self._round = list(sessions)
        share = self._round[self._turn :: SHARES]
        self._turn = (self._turn + 1) % SHARES
        recent = now + min(idle) - _RECENT
        # This runs for every session, most of which are idle: no call, no system call.
        return [
            cast("Session", session)
            for session in share
            if (session.exchange is not None or session.transfer is not None or session.deadline > recent)
            and not session.client_unknown
        ]


def watch(session: Session) -> None:
    """Look at it from now on: its exchange is over and its client has not taken all of the answer."""
    if session.transfer is None and session.listener.minimum_rate:
        session.transfer = Transfer(monotonic(), _kernel(session.stream.sock)[0])


def judge(session: Session) -> None:
    """End it if its client is too slow."""
    now = monotonic()
    exchange, stream, listener = session.exchange, session.stream, session.listener
    if not listener.minimum_rate or (exchange is not None and exchange.tunnel):
        session.transfer = None
        return
    acknowledged, unsent = _kernel(stream.sock)
    behind = stream.queued > 0 or unsent > 0
    if exchange is None and not behind:
        session.transfer = None
        return
    transfer = session.transfer
    if transfer is None:
        session.transfer = transfer = Transfer(now, acknowledged)
    rate, most = listener.minimum_rate, max(GRACE, listener.body_timeout)
    if exchange is not None:
        if transfer.body is None or transfer.began != exchange.started:
            transfer.body, transfer.began = Pace(now, 0), exchange.started
        octets = exchange.body.octets
        # Who has asked for leave to send (100-continue) waits for the node's word.
        owed = stream.reading and exchange.awaits_body() and (octets > 0 or not exchange.head.expect_continue)
        if not transfer.body.look(now, octets, rate=rate, most=most, owed=owed):
            session.too_slow(RequestTimeout(f"the request body came at less than {rate} octets a second"))
            return
    if not transfer.answer.look(now, acknowledged, rate=rate, most=most, owed=behind):
        session.too_slow(RequestTimeout(f"the answer was taken at less than {rate} octets a second"))


def _kernel(sock: socket.socket) -> tuple[int, int]:
    """Octets the peer has acknowledged so far, and octets that wait for room in its window."""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNSENT.stop)
    except OSError:
        return 0, 0
    return int.from_bytes(info[_ACKNOWLEDGED], sys.byteorder), int.from_bytes(info[_UNSENT], sys.byteorder)
