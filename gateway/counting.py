# cython: language_level=3, annotation_typing=False, boundscheck=False, wraparound=False, cdivision=True
"""What a worker writes down: its row of the scoreboard and its access log.

Plain cell arithmetic on the hot path; no metrics library, no lock, no allocation that can be avoided.
"""

from __future__ import annotations

from array import array
from time import monotonic, monotonic_ns, time
from typing import TYPE_CHECKING

from gateway.board_layout import (
    BUCKETS,
    CLASSES,
    CODE_INDEX,
    CODES,
    REFUSAL_INDEX,
    REFUSAL_REASONS,
    RETRY_REASONS,
)
from gateway.errors import LimitExceeded
from gateway.seldom import Seldom
from gateway.turns import take
from settings.units import write_rate

if TYPE_CHECKING:
    from gateway.admission import Refusal
    from gateway.errors import GatewayError
    from gateway.exchange import Exchange
    from gateway.proxied import Proxied
    from gateway.runtime import ListenerRuntime
    from gateway.scoreboard import Scoreboard
    from gateway.session import Session
    from monitoring.access_log import AccessLog

_CODES = len(CODES)
_BUCKETS = len(BUCKETS)
_REASONS = len(REFUSAL_REASONS)
_CLASSES = len(CLASSES)
_RETRIES = len(RETRY_REASONS)

OF_NOBODY = frozenset({"handshake_failed", "handshake_timeout", "plain_http", "certificate_missing", "issuer_unknown"})
"""Reasons that anybody can cause as often as he likes: they shall not fill a disk."""
STRANGERS_A_SECOND = 20
"""Lines for each of these and each listener."""


class Counting:
    """The counters of one worker, and its access log."""

    __slots__ = (
        "_active",
        "_all_active",
        "_bounds",
        "_buckets",
        "_bytes",
        "_classes",
        "_codes",
        "_last_seen",
        "_limits",
        "_seconds",
        "_strangers",
        "access",
        "board",
        "mine",
    )

    def __init__(self, board: Scoreboard, access: AccessLog) -> None:
        self.board = board
        self.mine = mine = board.mine
        self.access = access
        # Taken once: the end of an exchange writes into all of them.
        self._active = mine.institution_active
        self._codes = mine.pool_codes
        self._buckets = mine.pool_buckets
        self._seconds = mine.pool_seconds
        self._classes = mine.institution_codes
        self._bytes = mine.institution_bytes
        self._last_seen = mine.institution_last_seen
        self._bounds = memoryview(array("d", BUCKETS))
        self._all_active = [row.institution_active for row in board.rows]
        self._limits: Seldom[tuple[str, str]] = Seldom(1)
        self._strangers: Seldom[tuple[str, str]] = Seldom(STRANGERS_A_SECOND)

    # connections

    def listener_connection(self, slot: int, change: int) -> None:
        self.mine.listener_connections[slot] += change

    def listener_stranger(self, slot: int, change: int) -> None:
        self.mine.listener_strangers[slot] += change

    def admitted(self, slot: int) -> int:
        """Connections of a listener whose clients have been admitted, over all workers."""
        return self.board.total("listener_connections", slot) - self.board.total("listener_strangers", slot)

    def institution_connection(self, slot: int, change: int) -> None:
        self.mine.institution_connections[slot] += change

    def institution_connections(self, slot: int) -> int:
        return self.board.total("institution_connections", slot)

    def handshake(self, slot: int, *, resumed: bool) -> None:
        self.mine.listener_handshakes[slot * 2 + resumed] += 1

    def refusal(self, session: Session | Proxied, refusal: Refusal) -> None:
        index = REFUSAL_INDEX.get(refusal.reason, REFUSAL_INDEX["internal"])
        self.mine.listener_refusals[session.listener.slot * _REASONS + index] += 1
        if refusal.reason in OF_NOBODY and not self._strangers.tell(
            (session.listener.name, refusal.reason), monotonic()
        ):
            return
        self.access.refused(
            listener=session.listener.name,
            client=session.client,
            reason=refusal.reason,
            tls=session.tls_version or None,
            resumed=session.resumed,
            detail=refusal.detail,
        )

    def turned_away(self, listener_slot: int, reason: str) -> None:
        """A request of an admitted institution that it may not make; its log line is written at its end."""
        self.mine.listener_refusals[listener_slot * _REASONS + REFUSAL_INDEX[reason]] += 1

    def over_limit(self, listener: ListenerRuntime, client: str, which: str, now: float) -> None:
        """A connection beyond a limit of its listener, closed before it was admitted. One line a second for each."""
        self.mine.listener_refusals[listener.slot * _REASONS + REFUSAL_INDEX["limit_exceeded"]] += 1
        if self._limits.tell((listener.name, which), now):
            self.access.refused(listener=listener.name, client=client, reason="limit_exceeded", detail=which)

    def tell_the_rest(self, now: float) -> None:
        """How many lines have been left out; to be called now and then."""
        for (listener, which), lines in self._limits.kept_back(now):
            more = f"{which}: {lines} more"
            self.access.refused(listener=listener, client="", reason="limit_exceeded", detail=more)
        for (listener, reason), lines in self._strangers.kept_back(now):
            self.access.refused(listener=listener, client="", reason=reason, detail=f"{lines} more")

    # exchanges

    def institution_active(self, slot: int) -> int:
        """Requests in flight over all workers."""
        return max(0, sum([cells[slot] for cells in self._all_active]))

    def begin(self, institution_slot: int) -> None:
        self._active[institution_slot] += 1

    def take_turn(self, institution_slot: int, rate: float) -> None:
        """Raises LimitExceeded if the institution's next request may not begin yet."""
        latest = max([row.institution_next_turn[institution_slot] for row in self.board.rows])
        turn, early = take(latest, monotonic_ns(), rate)
        if early:
            raise LimitExceeded(f"{write_rate(rate)} requests", retry_after=-(-early // 1_000_000_000))
        self.mine.institution_next_turn[institution_slot] = turn

    def retry(self, pool_slot: int, reason: int = 0) -> None:
        self.mine.pool_retries[pool_slot * _RETRIES + reason] += 1

    def node_failed(self, slot: int) -> None:
        self.mine.node_failures[slot] += 1

    def end(self, exchange: Exchange, status: int, reason: str, now: float) -> None:
        """One exchange is over; `now` is the monotonic clock in seconds."""
        duration = now - exchange.started
        institution = exchange.institution
        slot = institution.slot
        if exchange.counted:
            self._active[slot] -= 1
        code = status if 100 <= status < 600 else 599
        pool = exchange.pool
        if pool is not None:
            pool_slot = pool.slot
            bucket = 0
            while duration > self._bounds[bucket]:  # as bisect_left; most exchanges end in one of the first
                bucket += 1
            self._codes[pool_slot * _CODES + CODE_INDEX[code]] += 1
            self._buckets[pool_slot * _BUCKETS + bucket] += 1
            self._seconds[pool_slot] += int(duration * 1e6)
        octets_in, octets_out = exchange.body.octets, exchange.bytes_out
        self._classes[slot * _CLASSES + code // 100 - 1] += 1
        self._bytes[slot * 2] += octets_in
        self._bytes[slot * 2 + 1] += octets_out
        self._last_seen[slot] = int(time())
        session, head, placement = exchange.session, exchange.head, exchange.placement
        # By position: keywords would cost a microsecond here. The order is AccessLog.exchange's.
        self.access.exchange(
            session.listener.name,
            institution.id,
            session.client,
            head.method,
            head.target,
            status,
            pool.name if pool is not None else None,
            placement.node if placement is not None else None,
            octets_in,
            octets_out,
            duration,
            now - exchange.node_started if placement is not None else None,
            exchange.request_id,
            session.tls_version,
            session.resumed,
            reason or None,
            placement.attempts if placement is not None else 0,
        )

    def rejected(self, session: Session, error: GatewayError, size: int, request_id: str) -> None:
        """A request head that was no head: there is no exchange to speak of, but the log shall know."""
        institution = session.institution
        self.mine.institution_codes[institution.slot * _CLASSES + error.status // 100 - 1] += 1
        self.access.exchange(
            listener=session.listener.name,
            institution=institution.id,
            client=session.client,
            method=b"-",
            target=b"-",
            status=error.status,
            pool=None,
            node=None,
            bytes_in=0,
            bytes_out=size,
            duration=0.0,
            upstream_duration=None,
            request_id=request_id.encode(),
            tls=session.tls_version,
            resumed=session.resumed,
            reason=error.reason,
            attempts=0,
        )
