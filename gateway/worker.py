"""One data-plane process: accepts, sweeps deadlines, swaps snapshots, drains.

The life of a worker: forked by the supervisor with its sockets, its row of the scoreboard and the stock of blank TLS
contexts → builds the snapshot → says `ready` → is told to `accept` → serves until told to drain, or until the
supervisor is gone.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import signal
import socket
from email.utils import formatdate
from time import monotonic, monotonic_ns, time
from typing import TYPE_CHECKING, Final

import uvloop

from gateway.accepting import Accepting
from gateway.channel import Channel, ChannelClosedError
from gateway.counting import Counting
from gateway.door import Door
from gateway.handshakes import Handshakes
from gateway.hardening import let_signals_through, name_process, no_memory_dumps
from gateway.links import Links
from gateway.orders import Orders, refuse
from gateway.outbox import Outbox
from gateway.pacing import Pacing, judge
from gateway.portions import in_portions
from gateway.proxied import STRANGER, Proxied, listed
from gateway.session import Phase, Session
from gateway.snapshot import Prepared, SnapshotError, build
from monitoring.access_log import AccessLog
from monitoring.log_sink import open_sink

if TYPE_CHECKING:
    from OpenSSL import SSL

    from gateway.listening import Sockets
    from gateway.runtime import ListenerRuntime
    from gateway.scoreboard import Scoreboard
    from gateway.snapshot import Bundle, Snapshot

log = logging.getLogger("settlegate.worker")

SWEEP: Final = 0.25
"""Seconds between two looks at every session's deadline: one timer for all instead of one per request."""
LINKS_SWEEP: Final = 20
"""Sweeps between two looks at idle links."""
REVIEW_SWEEP: Final = 12 * LINKS_SWEEP
"""Sweeps between two reviews of all live sessions: once a minute, 5 µs each."""
DRAIN: Final = 60.0
"""Seconds an exchange in progress may still take after SIGTERM."""
TWO_NIGHTS: Final = 2 * 86_400.0
"""Age in seconds at which a connection is closed: ticket keys are rotated nightly, and none outlives two."""


class Worker:
    """Everything a session may ask of its process."""

    def __init__(
        self,
        bundle: Bundle,
        stock: list[SSL.Context],
        board: Scoreboard,
        index: int,
        sockets: Sockets,
        channel: Channel,
    ) -> None:
        self.index = index
        self.board = board
        self.stock = stock
        self.draining = False
        self.sessions: dict[Session | Proxied, int] = {}
        """And the slot of the listener that each is counted for: a session outlives its listener."""
        self._parting: set[Session | Proxied] = set()
        """Those whose listener has been removed."""
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.links = Links(self.loop)
        self.count = Counting(board, AccessLog(open_sink(bundle.config.log.access), self.loop.call_later))
        self.door = Door(board, self.count)
        self.outbox = Outbox(self.loop)
        self.handshakes = Handshakes(self.loop, self.outbox)
        self._pacing = Pacing()
        self.accepting = Accepting(self.loop, index, sockets, self._begin)
        self.stopped = self.loop.create_future()
        self._orders = Orders(self, channel)
        self._left = False
        self._sweeps = 0
        self._request_ids = secrets.token_hex(6)
        self._request_number = 0
        self._date = (0, b"")
        prepared = build(bundle, stock, board, index)
        prepared.install()
        self.snapshot: Snapshot = prepared.snapshot

    # ---- what sessions ask for

    def next_request_id(self) -> bytes:
        self._request_number += 1
        return b"%s-%x" % (self._request_ids.encode(), self._request_number)

    def date_line(self) -> bytes:
        """For responses whose node has no clock (RFC 9110 6.6.1); made once a second."""
        now = int(time())
        if now != self._date[0]:
            self._date = (now, b"Date: %s\r\n" % formatdate(now, usegmt=True).encode())
        return self._date[1]

    def replace_session(self, before: Proxied, session: Session) -> None:
        """Still the same connection."""
        self.sessions[session] = self.sessions.pop(before)
        self.door.left(before)
        self.door.entered(session)
        self._parting.discard(before)

    def session_closed(self, session: Session | Proxied) -> None:
        slot = self.sessions.pop(session, None)
        if slot is not None:
            self._parting.discard(session)
            self.door.left(session)
            self.count.listener_connection(slot, -1)
            if self.draining and not self.sessions:
                self._leave()

    # ---- beginning

    def start(self) -> None:
        """Ready, but nobody is let in before `accept`. Raises ChannelClosedError."""
        self.count.mine.generation[0] = self.snapshot.generation
        self.loop.add_signal_handler(signal.SIGTERM, self.drain)
        let_signals_through()
        self.loop.call_later(SWEEP, self._sweep)
        self._orders.listen()

    def accept(self) -> None:
        if not self.draining:
            self.count.mine.accepting[0] = 1
            self.accepting.open()

    def _begin(self, name: str, connection: socket.socket, client: str) -> None:
        try:
            listener = self.snapshot.listeners[name]
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not self.door.opens(listener, client):
                connection.close()
                return
            if listener.proxies:
                self._begin_proxied(listener, connection, client)
                return
            session = Session(self, listener, connection, client)
        except Exception:
            log.exception("a connection from %s could not be taken", client)
            connection.close()
            return
        self.sessions[session] = listener.slot
        self.count.listener_connection(listener.slot, 1)
        self.door.entered(session)

    def _begin_proxied(self, listener: ListenerRuntime, connection: socket.socket, peer: str) -> None:
        trusted = listed(peer, listener.proxies)
        proxied = Proxied(self, listener, connection, peer)
        self.sessions[proxied] = listener.slot
        self.count.listener_connection(listener.slot, 1)
        self.door.entered(proxied)
        if trusted:
            proxied.begin()
        else:
            proxied.refuse(STRANGER, "only the networks of proxy_protocol.from may connect")

    # ---- deadlines

    def _sweep(self) -> None:
        self.loop.call_later(SWEEP, self._sweep)
        now = monotonic()
        self.count.mine.heartbeat[0] = monotonic_ns()
        in_portions(self.loop, _expire, [session for session in self.sessions if session.deadline < now])
        for session in list(self.sessions if self.draining else self._parting):
            if session.phase is Phase.OPEN:
                session.drain()  # its handshake or its exchange may have ended since it was told last
        in_portions(self.loop, judge, self._pacing.share(self.sessions, self.snapshot.listeners.values(), now))
        self.count.tell_the_rest(now)
        self._sweeps += 1
        if not self._sweeps % LINKS_SWEEP:
            self.links.expire(now, self.snapshot.link_idle)
            if not self._sweeps % REVIEW_SWEEP:
                self.review_sessions()  # certificates expire and lists become stale without a reload
            for session in [session for session in self.sessions if now - session.born > TWO_NIGHTS]:
                session.drain()

    # ---- another snapshot

    def take_over(self, prepared: Prepared, opened: Sockets) -> None:
        """Swap it in, with the sockets of addresses that are new."""
        self._change_log(prepared.snapshot)
        prepared.install()
        self.snapshot = snapshot = prepared.snapshot
        self.accepting.renew(opened, self._bound, snapshot.listeners.__contains__)
        self.links.expire(monotonic(), snapshot.link_idle)
        self.count.mine.generation[0] = snapshot.generation

    def _change_log(self, snapshot: Snapshot) -> None:
        target = snapshot.bundle.config.log.access
        if target != self.snapshot.bundle.config.log.access:
            before, self.count.access = self.count.access, AccessLog(open_sink(target), self.loop.call_later)
            before.close()
        else:
            self.reopen_log()

    def reopen_log(self) -> None:
        """Another file may stand under its name now: logrotate has been here."""
        if problem := self.count.access.reopen():
            log.error("access log: %s", problem)

    def _bound(self, key: tuple[str, str]) -> bool:
        name, address = key
        listener = self.snapshot.bundle.config.listeners.get(name)
        return listener is not None and address in {str(bind) for bind in listener.bind}

    def review_sessions(self) -> None:
        """Look at live sessions in the light of the new snapshot."""
        in_portions(self.loop, self._review, list(self.sessions))

    def _review(self, session: Session | Proxied) -> None:
        if session.listener.name in self.snapshot.listeners:
            session.review()
        elif session.phase is Phase.HANDSHAKE:
            session.abort()  # nobody would ever look at it again
        elif session in self.sessions:
            self._parting.add(session)

    # ---- leaving

    def drain(self) -> None:
        """Stop accepting, finish what is in flight, leave."""
        if self.draining:
            return
        self.draining = True
        self.count.mine.accepting[0] = 0
        self.accepting.close()
        for session in list(self.sessions):
            session.drain()
        self.loop.call_later(DRAIN, self._leave)
        if not self.sessions:
            self._leave()

    def _leave(self) -> None:
        if self._left:
            return
        self._left = True
        for session in list(self.sessions):
            session.abort()
        self.links.close()
        self.count.tell_the_rest(float("inf"))
        self.count.access.close()
        self.stopped.set_result(None)


def _expire(session: Session | Proxied) -> None:
    if session.deadline < monotonic():
        session.expire()


def run(
    bundle: Bundle,
    stock: list[SSL.Context],
    board: Scoreboard,
    index: int,
    row: int,
    sockets: Sockets,
    channel: Channel,
) -> int:
    """The forked child's whole life; returns its exit status."""
    board.own(row)
    name_process(f"sg worker {index}")
    no_memory_dumps()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor passes it on
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def serve() -> None:
        worker = Worker(bundle, stock, board, index, sockets, channel)
        worker.start()
        gc.collect()
        gc.freeze()
        # Sessions are freed by counting references; the collector only looks for what callbacks left in circles.
        gc.set_threshold(50_000, 20, 50)
        await worker.stopped

    try:
        uvloop.run(serve())
    except SnapshotError as error:
        log.error("worker %d: %s", index, error)
        refuse(channel, bundle.generation, str(error))
        return 1
    except ChannelClosedError:
        return 1
    return 0
