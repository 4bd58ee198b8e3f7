"""One data-plane process: accepts, sweeps deadlines, swaps snapshots, drains.

The life of a worker: forked by the supervisor with its sockets, its row of the scoreboard and the stock of blank TLS
contexts → builds the snapshot → says `ready` → is told to `accept` → serves until told to drain, or until the
supervisor is gone.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import secrets
import signal
import socket
from email.utils import formatdate
from time import monotonic, monotonic_ns, time
from typing import TYPE_CHECKING, Final

import uvloop

from gateway import listening
from gateway.channel import Channel, ChannelClosedError, DescriptorsLostError, Message, unpack
from gateway.counting import Counting
from gateway.hardening import let_signals_through, name_process, no_memory_dumps
from gateway.links import Links
from gateway.listening import BACKLOG
from gateway.session import Phase, Session
from gateway.snapshot import Prepared, SnapshotError, build
from monitoring.access_log import AccessLog
from monitoring.log_sink import open_sink

if TYPE_CHECKING:
    from OpenSSL import SSL

    from gateway.listening import Sockets
    from gateway.scoreboard import Scoreboard
    from gateway.snapshot import Bundle, ListenerRuntime, Snapshot

log = logging.getLogger("settlegate.worker")

ACCEPTS_PER_TURN: Final = 16
SWEEP: Final = 0.25
"""Seconds between two looks at every session's deadline: one timer for all instead of one per request."""
LINKS_SWEEP: Final = 20
"""Sweeps between two looks at idle links."""
REVIEW_SWEEP: Final = 12 * LINKS_SWEEP
"""Sweeps between two reviews of all live sessions: once a minute, 5 µs each."""
PAUSE: Final = 0.5
"""Seconds without accepting when descriptors have run out."""
DRAIN: Final = 60.0
"""Seconds an exchange in progress may still take after SIGTERM."""
TWO_NIGHTS: Final = 2 * 86_400.0
"""Age in seconds at which a connection is closed: ticket keys are rotated nightly, and none outlives two."""
REVIEWS_PER_TURN: Final = 64
RESERVE: Final = 32
"""Descriptors kept back, so that clients who use up all others cannot keep a revocation from being taken up."""
PROBLEM_LIMIT: Final = 2000
"""Characters of a problem told to the supervisor."""
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


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
        self.sockets = sockets
        self.channel = channel
        self.draining = False
        self.sessions: dict[Session, int] = {}
        """And the slot of the listener that each is counted for: a session outlives its listener."""
        self._parting: set[Session] = set()
        """Those whose listener has been removed."""
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.links = Links(self.loop)
        self.count = Counting(board, AccessLog(open_sink(bundle.config.log.access), self.loop.call_later))
        self.stopped = self.loop.create_future()
        self._left = False
        self._open = False
        """The supervisor has said `accept`."""
        self._accepting: dict[int, tuple[str, socket.socket]] = {}
        self._adopted: set[int] = set()
        self._arrived: Sockets = {}
        """New sockets that came ahead of the configuration they belong to."""
        self._incomplete = False
        """Some of them got lost."""
        self._pending: tuple[int, Prepared, Sockets] | None = None
        self._reserve: list[int] = []
        self._paused = False
        self._starved = False
        """Nothing could be accepted at the last attempt: said once, not twice a second."""
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

    def session_closed(self, session: Session) -> None:
        slot = self.sessions.pop(session, None)
        if slot is not None:
            self._parting.discard(session)
            self.count.listener_connection(slot, -1)
            if self.draining and not self.sessions:
                self._leave()

    # ---- accepting

    def start(self) -> None:
        self.count.mine.generation[0] = self.snapshot.generation
        self._keep_reserve()
        self.loop.add_reader(self.channel.fileno(), self._message)
        self.loop.add_signal_handler(signal.SIGTERM, self.drain)
        let_signals_through()
        self.loop.call_later(SWEEP, self._sweep)
        self.channel.send("ready", generation=self.snapshot.generation)

    def _listen(self) -> None:
        """Accept on the own sockets and on those of a dead neighbour, for every listener of the snapshot."""
        wanted: dict[int, tuple[str, socket.socket]] = {}
        if self._open and not self.draining:
            for (name, _), sockets in self.sockets.items():
                if name in self.snapshot.listeners:
                    for index in (self.index, *self._adopted):
                        if index < len(sockets):
                            wanted[sockets[index].fileno()] = (name, sockets[index])
        for fd in [fd for fd in self._accepting if fd not in wanted]:
            self.loop.remove_reader(fd)
            del self._accepting[fd]
        for fd, (name, sock) in wanted.items():
            if fd not in self._accepting:
                self._accepting[fd] = (name, sock)
                if not self._paused:
                    self.loop.add_reader(fd, self._accept, name, sock)

    def _accept(self, name: str, sock: socket.socket, most: int = ACCEPTS_PER_TURN) -> None:
        listener = self.snapshot.listeners[name]
        for _ in range(most):
            try:
                connection, address = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in _OUT_OF_DESCRIPTORS:
                    self._pause(error)
                else:
                    log.warning("accept on %s: %s", name, error)
                return
            if self._starved:
                self._starved = False
                log.info("accepting again")
            self._begin(listener, connection, address[0])

    def _begin(self, listener: ListenerRuntime, connection: socket.socket, client: str) -> None:
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.count.listener_connections(listener.slot) >= listener.connections_limit:
                self.count.over_limit(listener, client)
                connection.close()
                return
            session = Session(self, listener, connection, client)
        except Exception:
            log.exception("a connection from %s could not be taken", client)
            connection.close()
            return
        self.sessions[session] = listener.slot
        self.count.listener_connection(listener.slot, 1)

    def _pause(self, error: OSError) -> None:
        if self._paused:
            return
        self._paused = True
        if not self._starved:
            self._starved = True
            log.error("cannot accept: %s; trying again every %g s", error.strerror, PAUSE)
        for fd in self._accepting:
            self.loop.remove_reader(fd)
        self.loop.call_later(PAUSE, self._resume)

    def _resume(self) -> None:
        self._paused = False
        for fd, (name, sock) in self._accepting.items():
            self.loop.add_reader(fd, self._accept, name, sock)

    # ---- deadlines

    def _sweep(self) -> None:
        self.loop.call_later(SWEEP, self._sweep)
        now = monotonic()
        self.count.mine.heartbeat[0] = monotonic_ns()
        for session in [session for session in self.sessions if session.deadline < now]:
            try:
                session.expire()
            except Exception:
                log.exception("closing %r after an unexpected error", session)
                session.abort()
        for session in list(self.sessions if self.draining else self._parting):
            if session.phase is Phase.OPEN:
                session.drain()  # its handshake or its exchange may have ended since it was told last
        self._sweeps += 1
        if not self._sweeps % LINKS_SWEEP:
            self.links.expire(now, self.snapshot.link_idle)
            if not self._sweeps % REVIEW_SWEEP:
                self._review(list(self.sessions))  # certificates expire and lists become stale without a reload
            for session in [session for session in self.sessions if now - session.born > TWO_NIGHTS]:
                session.drain()

    # ---- messages from the supervisor

    def _message(self) -> None:
        """What comes with a message needs descriptors; there are some, whatever clients do."""
        self._spend_reserve()
        try:
            received = self.channel.receive()
            if received is not None:
                self._handle(*received)
        except DescriptorsLostError as error:
            log.error("%s", error)
            self._lost(error)
        except ChannelClosedError:
            log.error("the supervisor is gone; draining")
            self.loop.remove_reader(self.channel.fileno())
            self.drain()
        finally:
            self._keep_reserve()

    def _keep_reserve(self) -> None:
        try:
            while len(self._reserve) < RESERVE:
                self._reserve.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            pass  # the next message tries again

    def _spend_reserve(self) -> None:
        for fd in self._reserve:
            os.close(fd)
        self._reserve.clear()

    def _handle(self, message: Message, fds: list[int]) -> None:
        kind = message["kind"]
        if kind == "accept":
            self._open = True
            self.count.mine.accepting[0] = int(not self.draining)
            self._listen()
        elif kind == "sockets":
            self._take_sockets(message, fds)
        elif kind == "prepare":
            self._prepare(int(message["generation"]), fds[0])
        elif kind == "commit":
            self._commit(int(message["generation"]))
        elif kind == "discard":
            self._discard()
        elif kind == "adopt":
            self._adopted.add(int(message["index"]))
            self._listen()
        elif kind == "release":
            self._adopted.discard(int(message["index"]))
            self._listen()

    def _take_sockets(self, message: Message, fds: list[int]) -> None:
        handles = iter(fds)
        for name, address, count in message["sockets"]:
            self._arrived[name, address] = [socket.socket(fileno=next(handles)) for _ in range(count)]

    def _prepare(self, generation: int, packed: int) -> None:
        """Build the next snapshot beside the one in force; nothing of it shows yet."""
        opened, self._arrived = self._arrived, {}
        incomplete, self._incomplete = self._incomplete, False
        self._discard()
        try:
            if incomplete:
                raise SnapshotError("too many open files to take new sockets")
            prepared = build(unpack(packed), self.stock, self.board, self.index, self.snapshot)
        except Exception as error:  # whatever it is, the answer is no and the old one stays in force
            listening.close(opened)
            if not isinstance(error, SnapshotError):
                log.exception("preparing generation %d", generation)
            self._refuse(generation, str(error))
            return
        finally:
            os.close(packed)
        self._pending = (generation, prepared, opened)
        self.channel.send("ready", generation=generation)

    def _lost(self, error: DescriptorsLostError) -> None:
        """Sockets or a configuration did not get here: nothing of it can be taken up."""
        message = error.message
        if message["kind"] == "prepare":
            self._discard()
            self._refuse(int(message["generation"]), str(error))
        elif message["kind"] == "sockets":
            self._incomplete = True

    def _refuse(self, generation: int, problem: str) -> None:
        self.channel.send("not_ready", generation=generation, problem=problem[:PROBLEM_LIMIT])

    def _discard(self) -> None:
        listening.close(self._arrived)
        self._arrived = {}
        if self._pending is not None:
            listening.close(self._pending[2])
            self._pending = None

    def _commit(self, generation: int) -> None:
        if self._pending is None or self._pending[0] != generation:
            return
        _, prepared, opened = self._pending
        self._pending = None
        self._change_log(prepared.snapshot)
        prepared.install()
        self.snapshot = prepared.snapshot
        self.sockets.update(opened)
        self._close({key: sockets for key, sockets in self.sockets.items() if not self._bound(key)})
        self._listen()
        self.links.expire(monotonic(), self.snapshot.link_idle)
        self.count.mine.generation[0] = generation
        self.channel.send("committed", generation=generation)
        self._review(list(self.sessions))

    def _change_log(self, snapshot: Snapshot) -> None:
        """Another target, or another file under the same name: logrotate has been here."""
        target = snapshot.bundle.config.log.access
        if target != self.snapshot.bundle.config.log.access:
            before, self.count.access = self.count.access, AccessLog(open_sink(target), self.loop.call_later)
            before.close()
        elif problem := self.count.access.reopen():
            log.error("access log: %s", problem)

    def _close(self, sockets: Sockets) -> None:
        """Whoever waits in the queue of an address has been promised a connection: take them before it goes."""
        for key, several in sockets.items():
            for sock in several:
                if self._open and key[0] in self.snapshot.listeners:
                    self._accept(key[0], sock, BACKLOG)
                if sock.fileno() in self._accepting:
                    self.loop.remove_reader(sock.fileno())
                    del self._accepting[sock.fileno()]
                sock.close()
            del self.sockets[key]

    def _bound(self, key: tuple[str, str]) -> bool:
        name, address = key
        listener = self.snapshot.bundle.config.listeners.get(name)
        return listener is not None and address in {str(bind) for bind in listener.bind}

    def _review(self, sessions: list[Session]) -> None:
        """Look at live sessions in the light of the new snapshot, a few in each turn of the loop."""
        for session in sessions[:REVIEWS_PER_TURN]:
            try:
                if session.listener.name in self.snapshot.listeners:
                    session.review()
                elif session.phase is Phase.HANDSHAKE:
                    session.abort()  # nobody would ever look at it again
                elif session in self.sessions:
                    self._parting.add(session)
            except Exception:
                log.exception("closing %r after an unexpected error", session)
                session.abort()
        if len(sessions) > REVIEWS_PER_TURN:
            self.loop.call_soon(self._review, sessions[REVIEWS_PER_TURN:])

    # ---- leaving

    def drain(self) -> None:
        """Stop accepting, finish what is in flight, leave."""
        if self.draining:
            return
        self.draining = True
        self.count.mine.accepting[0] = 0
        self._close(self.sockets.copy())
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
        self.count.access.close()
        self.stopped.set_result(None)


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
        channel.send("not_ready", generation=bundle.generation, problem=str(error))
        return 1
    except ChannelClosedError:
        return 1
    return 0
