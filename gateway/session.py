# cython: language_level=3, annotation_typing=False
"""One client connection from accept to close: handshake, credential, admission, then one exchange after the other.

A connection that is not admitted gets one answer that says why (`refusal: explain`) or none at all (`close`);
either way no octet of it reaches a node.
"""

from __future__ import annotations

import logging
import socket
import sys
from enum import Enum, auto
from time import monotonic
from typing import TYPE_CHECKING, Final

from OpenSSL import SSL

from gateway import answers
from gateway.admission import Admission, Refusal
from gateway.door import OF_THE_LISTENER
from gateway.errors import BadRequest, GatewayError, RequestTimeout
from gateway.exchange import Exchange
from gateway.http1 import HeadLimits, RequestHead, may_decide, parse_request
from gateway.pacing import watch
from gateway.runtime import NOBODY
from gateway.stream import StreamError
from gateway.tls_stream import TLSStream, tls_reason
from gateway.wire import RECORD

if TYPE_CHECKING:
    from certs.credential import Credential
    from gateway.pacing import Transfer
    from gateway.proxy_protocol import Ends
    from gateway.runtime import InstitutionRuntime, ListenerRuntime
    from gateway.worker import Worker

log = logging.getLogger("settlegate.session")

PIPELINE_LIMIT: Final = 65_536
"""Octets read ahead of the exchange in progress before the client has to wait."""
REFUSED_HEAD: Final = HeadLimits(head=8192, fields=64, target=4096)
"""What a refused connection may say before it gets its one answer."""
BURST: Final = 2
"""Reads in one turn of the loop: the second finds the end that no readiness of the socket may announce."""
HELD_AT_MOST: Final = 16_384
"""Octets for the client that may wait for the end of the turn: one record."""
VAIN: Final = 1000
"""Reads in a row that bring nothing of a request: key updates without end, or records cut into single octets."""
LAST_WORD: Final = 1.5
"""Seconds an exchange in progress may still take once its institution has lost its admission."""


class Phase(Enum):
    HANDSHAKE = auto()
    OPEN = auto()
    REFUSED = auto()
    CLOSING = auto()


class Session:
    """Callbacks of the client's stream; everything it decides by itself is when to read, answer and close."""

    __slots__ = (
        "_held",
        "born",
        "buffer",
        "certificate",
        "chain",
        "client",
        "count",
        "credential",
        "deadline",
        "ends",
        "exchange",
        "institution",
        "leaving",
        "listener",
        "origin",
        "outbox",
        "phase",
        "refusal",
        "requests",
        "resumed",
        "stream",
        "tls_version",
        "transfer",
        "vain",
        "vain_mark",
        "worker",
    )

    def __init__(self, worker: Worker, listener: ListenerRuntime, sock: socket.socket, client: str) -> None:
        self.worker = worker
        self.count = worker.count
        self.outbox = worker.outbox
        self.listener = listener
        self.client = client
        self.ends: Ends | None = None
        """Of the client's connection, where a balancer has announced them or a node wants to know."""
        self.phase = Phase.HANDSHAKE
        self.born = monotonic()
        self.deadline = self.born + listener.handshake_timeout
        self.buffer = b""
        self._held = b""
        """For the client, leaving at the end of this turn."""
        self.exchange: Exchange | None = None
        self.certificate = b""
        """In base64."""
        self.origin = b""
        """What nodes are told of the client's address, behind its certificate."""
        self.institution: InstitutionRuntime = NOBODY
        """Set by admission; a session without it never leaves HANDSHAKE or REFUSED."""
        self.credential: Credential | None = None
        self.chain: tuple[bytes, ...] = ()
        self.refusal: Refusal | None = None
        self.leaving = False
        """No further request is taken: this session ends with the exchange in progress."""
        self.requests = 0
        self.resumed = False
        self.tls_version = ""
        self.transfer: Transfer | None = None
        """What `pacing` remembers of it."""
        self.vain = 0
        self.vain_mark = (-1, 0, 0)
        self.stream = TLSStream(worker.loop, sock, listener.terminator.accept(sock))
        self.stream.on_readable = self._handshake
        self.stream.on_closed = self._closed
        self.stream.start_reading()

    def __repr__(self) -> str:
        return f"<Session {self.client} {self.institution.id or '-'} {self.phase.name} {self.exchange!r}>"

    client_unknown = False
    """Its address is that of the client."""

    @property
    def fd(self) -> int:
        return self.stream.fd

    # ---- handshake and admission

    def _handshake(self) -> None:
        self.worker.handshakes.step(self)

    def shake(self) -> None:
        """Go on with the handshake; when is decided by `Handshakes`."""
        if self.phase is not Phase.HANDSHAKE:
            return  # asked for twice while it waited
        try:
            if not self.stream.handshake():
                self._in_vain()
                self.stream.look_again()
                return
            self._admit()
        except SSL.Error as error:
            self._handshake_failed(error)
        except StreamError:
            self.abort()
        except Exception:
            # Fail closed: whatever goes wrong between here and admission ends this connection and no other.
            log.exception("admission failed for %s", self.client)
            self._count_refusal(Refusal("internal", "unexpected error"))
            self.abort()

    def _handshake_failed(self, error: SSL.Error) -> None:
        reason = tls_reason(error)
        if reason == "http request":
            self._count_refusal(Refusal("plain_http", "plain HTTP on a TLS port"))
            self._answer_in_plain_text()
            return
        failure = self.listener.terminator.failure(self.stream.tls)
        if failure is None and reason == "peer did not return a certificate":
            failure = Refusal("certificate_missing")
        self._count_refusal(failure or Refusal("handshake_failed", reason or "connection closed in the handshake"))
        if failure is None:
            self.abort()
        else:
            self._hang_up()  # the alert that says why must not be overtaken by a reset

    def _answer_in_plain_text(self) -> None:
        page = answers.plain_http(self.worker.next_request_id().decode())
        try:
            # One short packet into an empty socket buffer: no need to wait for room.
            self.stream.sock.send(page)
        except OSError:
            self.abort()
            return
        self._hang_up()

    def _hang_up(self) -> None:
        self.phase = Phase.CLOSING
        self.deadline = float("inf")
        self.stream.close_without_tls()

    def _admit(self) -> None:
        worker, tls = self.worker, self.stream.tls
        evidence = self.listener.terminator.finish(tls)
        listener = worker.snapshot.listeners.get(self.listener.name)
        if listener is None:
            self.abort()  # removed while the handshake was under way
            return
        if listener is not self.listener:
            if listener.terminator is not self.listener.terminator and evidence.credential is not None:
                evidence = listener.terminator.reverify(evidence.credential, evidence.chain)
            self.listener = listener
        self.resumed = evidence.resumed
        self.tls_version = sys.intern(tls.get_protocol_version_name())
        self.count.handshake(listener.slot, resumed=evidence.resumed)
        decision = worker.snapshot.decide(listener, evidence)
        if isinstance(decision, Admission):
            institution = worker.snapshot.institution(decision.institution)
            limit = institution.connections_limit
            if limit is not None and self.count.institution_connections(institution.slot) >= limit:
                decision = Refusal("limit_exceeded", f"{limit} connections at a time")
            elif worker.door.full(listener):
                decision = Refusal("limit_exceeded", OF_THE_LISTENER)
        if isinstance(decision, Refusal):
            self._refuse(decision, evidence.credential)
            return
        self._open(institution, decision.credential, evidence.chain)

    def _open(self, institution: InstitutionRuntime, credential: Credential, chain: tuple[bytes, ...]) -> None:
        self.institution = institution
        self.credential = credential
        self.chain = chain
        self.worker.door.admitted(self)
        self.count.institution_connection(institution.slot, 1)
        self.certificate = credential.encoded
        self.origin = b":\r\nX-Forwarded-For: %s\r\n" % self.client.encode()
        self.phase = Phase.OPEN
        self.leaving = self.worker.draining
        self.deadline = monotonic() + (LAST_WORD if self.leaving else self.listener.idle_timeout)
        self.stream.on_readable = self._readable
        self._readable()

    def _refuse(self, refusal: Refusal, credential: Credential | None) -> None:
        self.refusal = refusal
        self.credential = credential
        self._count_refusal(refusal)
        if not self.listener.explain:
            self.abort()
            return
        self.phase = Phase.REFUSED
        self.deadline = monotonic() + self.listener.head_timeout
        self.stream.on_readable = self._refused_readable
        self._refused_readable()

    def _count_refusal(self, refusal: Refusal) -> None:
        self.count.refusal(self, refusal)

    def _refused_readable(self) -> None:
        """Wait for one request head, answer it with the reason, close."""
        try:
            data = self.stream.recv()
        except StreamError:
            self.abort()
            return
        if data is None:
            self._in_vain()
            return
        head: RequestHead | None = None
        if data:
            decides = may_decide(self.buffer, data, REFUSED_HEAD)
            self.buffer += data
            if not decides:
                return
            try:
                head = parse_request(self.buffer, REFUSED_HEAD)
            except BadRequest:
                data = b""
        if data and head is None:
            return
        self.send(answers.refused(self, head))
        self.close()

    # ---- the client speaks

    def _readable(self) -> None:
        stream = self.stream
        try:
            for _ in range(BURST):
                data = stream.recv()
                if data is None:
                    self._in_vain()
                    stream.look_again()
                    return
                if not data:
                    self._ended()
                    return
                self._feed(data)
                if len(data) < RECORD:
                    break
                if not stream.reading:
                    return
            else:
                stream.read_on()
            exchange = self.exchange
            if exchange is None or exchange.body.left or exchange.tunnel:
                stream.look_again()
        except StreamError:
            self._lost()

    def _in_vain(self) -> None:
        """The socket had something and there was nothing in it for us."""
        self.vain += 1
        exchange = self.exchange
        if self.vain % VAIN or (exchange is not None and exchange.tunnel):
            return
        mark = (self.requests, exchange.body.octets if exchange is not None else 0, len(self.buffer))
        if mark == self.vain_mark:
            self.count.over_limit(self.listener, self.client, "records without data", monotonic())
            self._lost()
        self.vain_mark = mark

    def _feed(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is not None:
            data = exchange.client_data(data)
            if data:
                self._keep(data)
        elif self.phase is Phase.OPEN:
            begun = self.buffer
            if not begun:
                self._head(data)
            elif may_decide(begun, data, self.listener.head_limits):
                self._head(begun + data)
            else:
                self.buffer = begun + data

    def _keep(self, data: bytes) -> None:
        """Octets behind the current request wait for their turn (pipelining, RFC 9112 9.3.2)."""
        self.buffer += data
        if self.exchange is None:
            self.worker.loop.call_soon(self._next)
        elif len(self.buffer) > PIPELINE_LIMIT:
            self.stream.stop_reading()

    def _next(self) -> None:
        # While answers are queued none is begun: a client that asks and never reads could fill the memory with them.
        if self.exchange is None and self.phase is Phase.OPEN and self.buffer and not self.stream.queued:
            data, self.buffer = self.buffer, b""
            try:
                self._head(data)
            except Exception:  # called by the loop, not by the stream, which would have caught it
                log.exception("closing %r after an unexpected error", self)
                self.abort()

    def _head(self, data: bytes) -> None:
        try:
            head = parse_request(data, self.listener.head_limits)
        except BadRequest as error:
            self._reject(error)
            return
        if head is None:
            if self.stream.eof:
                self._reject(BadRequest("the head ended early"))
                return
            if not _begins(self.buffer) and _begins(data):
                self.deadline = monotonic() + self.listener.head_timeout
            self.buffer = data
            self.stream.start_reading()  # a head may be longer than what is read ahead
            return
        self.buffer = b""
        self.requests += 1
        if head.final:
            # A body would be read as the next request: nobody is there to take it.
            head.keep_alive = head.keep_alive and not head.length
            self.buffer = data[head.end :]
            self.send(answers.options(head))
            self.exchange_ended(head.keep_alive, monotonic())
            return
        self.exchange = exchange = Exchange(self, head, monotonic())
        rest = exchange.begin(data[head.end :] if head.end < len(data) else b"")
        if rest:
            self._keep(rest)
        if self.stream.eof and self.exchange is exchange:
            exchange.client_ended()

    def _reject(self, error: BadRequest) -> None:
        """A head that cannot be trusted to end where it seems to: answer and close."""
        self.buffer = b""
        request_id = self.worker.next_request_id().decode()
        page = answers.rejected(error, request_id)
        self.count.rejected(self, error, len(page), request_id)
        self.send(page)
        self.close()

    def _ended(self) -> None:
        """The client has ended its side. What it asked for completely is still answered."""
        self.stream.stop_reading()
        if self.exchange is not None:
            self.exchange.client_ended()
        elif _begins(self.buffer) and self.phase is Phase.OPEN:
            self._next()  # a whole request may be waiting for its turn; half a one is refused
        else:
            self.close()

    # ---- towards the client

    def send(self, data: bytes) -> bool:
        """Write to the client, now or at the end of the turn; False when it has to take some of it first.

        A dead client ends the session.
        """
        if self.stream.queued or len(self._held) + len(data) > HELD_AT_MOST:
            return self._write(data)
        if self._held:
            self._held += data
        else:
            self._held = data
            self.outbox.add_answer(self)
        return True

    def _write(self, data: bytes) -> bool:
        """What is held, and this."""
        held = self._held
        if held:
            self._held = b""
            data = held + data
        stream = self.stream
        try:
            done = stream.write(data)
        except StreamError:
            self._lost()
            return False
        if not done:
            stream.on_drained = self._drained
        return done

    def leave(self) -> None:
        """The turn ends; to be called by the outbox."""
        if not self._held or self._write(b""):
            return
        if self.exchange is not None:
            self.exchange.client_full()
        elif self.phase is Phase.OPEN:
            self.stream.stop_reading()  # see `exchange_ended`
            self.wait_for_client()

    def _drained(self) -> None:
        if self.exchange is not None:
            self.exchange.client_drained()
        elif self.phase is Phase.OPEN:
            self._await_next(monotonic())

    def resume_reading(self) -> None:
        if not self.stream.eof and len(self.buffer) <= PIPELINE_LIMIT:
            self.stream.start_reading()

    def problem(self, error: GatewayError, exchange: Exchange) -> bytes:
        return answers.problem(error, exchange)

    def tunnel_begins(self) -> None:
        """What was read ahead behind an upgrade request belongs to the tunnel."""
        rest, self.buffer = self.buffer, b""
        if rest and self.exchange is not None:
            self.exchange.client_data(rest)

    def exchange_ended(self, keep_alive: bool, now: float) -> None:
        if self.phase is not Phase.OPEN:
            return
        if not keep_alive or self.nothing_follows():
            self.close()
            return
        if self.stream.queued:
            self.stream.stop_reading()
            self.wait_for_client()
            return
        self._await_next(now)

    def _await_next(self, now: float) -> None:
        self.deadline = now + self.listener.idle_timeout
        if self.buffer:
            self.worker.loop.call_soon(self._next)
        self.resume_reading()

    def nothing_follows(self) -> bool:
        """No further request will be taken: the session leaves, or the client has ended and all it said is answered."""
        return self.leaving or (self.stream.eof and not _begins(self.buffer))

    def wait_for_client(self) -> None:
        """Give the client its time to take what is queued; see `expire`."""
        self.deadline = monotonic() + self.listener.body_timeout
        self.stream.progressed()
        watch(self)

    # ---- the end

    def expire(self) -> None:
        """The deadline has passed."""
        if self.phase is Phase.HANDSHAKE:
            self._count_refusal(Refusal("handshake_timeout", "the handshake took too long"))
            self.abort()
        elif self.stream.queued and self.stream.progressed():
            self.deadline = monotonic() + self.listener.body_timeout
        elif self.exchange is not None:
            self.exchange.expire()
        elif self.phase is Phase.CLOSING:
            self.abort()
        elif self.phase is Phase.REFUSED:
            self.close()
        elif self.stream.queued:
            self.abort()
        elif _begins(self.buffer):
            self._reject(RequestTimeout("the request head did not arrive in time"))
        else:
            self.close()

    def too_slow(self, error: RequestTimeout) -> None:
        """Below the listener's minimum rate: an upload is answered, an answer that has begun is cut."""
        self.count.turned_away(self.listener.slot, error.reason)
        if self.exchange is not None and (self.exchange.bytes_out or not self.stream.queued):
            self.exchange.fail(error)
        else:
            self.cut()

    def drain(self) -> None:
        """The worker leaves: finish what is under way; an idle client has a moment to send what is on its way."""
        if self.phase is not Phase.OPEN:
            if self.phase in (Phase.HANDSHAKE, Phase.CLOSING):
                return  # a started handshake may carry a claim behind it
            self.close()
            return
        self.leaving = True
        if self.exchange is None:
            self.deadline = min(self.deadline, monotonic() + LAST_WORD)
        elif self.exchange.tunnel:
            self.exchange.expire()

    def review(self) -> None:
        """The snapshot has changed: this session goes on only if it would be admitted today."""
        if self.phase is not Phase.OPEN or self.credential is None:
            return
        worker = self.worker
        listener = worker.snapshot.listeners.get(self.listener.name)
        if listener is None:
            self.drain()
            return
        self.listener = listener
        evidence = listener.terminator.reverify(self.credential, self.chain)
        decision = worker.snapshot.decide(listener, evidence)
        if isinstance(decision, Admission) and decision.institution == self.institution.id:
            slot = self.institution.slot
            self.institution = worker.snapshot.institution(decision.institution)
            if self.institution.slot != slot:
                self.count.institution_connection(slot, -1)
                self.count.institution_connection(self.institution.slot, 1)
            return
        refusal = decision if isinstance(decision, Refusal) else Refusal("internal", "institution changed")
        log.info("%s of %s loses its admission: %s", self.client, self.institution.id, refusal.reason)
        self._count_refusal(refusal)
        self.leaving = True
        if self.exchange is not None and not self.exchange.tunnel:
            worker.loop.call_later(LAST_WORD, self.abort)
        elif self.stream.queued:  # of an answer that is complete
            self.close()
            worker.loop.call_later(LAST_WORD, self.abort)
        else:
            self.abort()

    def close(self) -> None:
        """Flush, close_notify, and read the client out; see `Stream.close`."""
        if self._held:
            self._write(b"")
        self.phase = Phase.CLOSING
        self.deadline = float("inf")  # the stream has its own deadlines from here
        self.stream.close()

    def abort(self) -> None:
        if self._held:
            self._write(b"")  # an answer that is complete
        self.stream.abort()

    def cut(self) -> None:
        """End in the middle of an answer, and so that the client cannot take it for a whole one."""
        self.stream.reset()

    def _lost(self) -> None:
        if self.exchange is not None:
            self.exchange.client_lost()
        self.stream.abort()

    def _closed(self) -> None:
        self._held = b""
        self.phase = Phase.CLOSING
        try:
            if self.exchange is not None:
                self.exchange.client_lost()
        finally:
            if self.institution is not NOBODY:
                self.count.institution_connection(self.institution.slot, -1)
            self.worker.session_closed(self)


def _begins(octets: bytes) -> bool:
    """Whether there is something of a request: an empty line behind a body is none, and old clients send one
    (RFC 9112 2.2)."""
    return bool(octets.strip(b"\r\n"))
