# cython: language_level=3, annotation_typing=False
"""One request and its response: route → limits → lease of a node → request sent → response relayed → lease released.

Bodies flow both ways at once, each side paused while the other cannot take more. What an exchange never does: send
a request to a second node once an octet of it left for the first (a settlement may have been booked by then), or
leave the client without a full answer or a clear error.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from gateway.bodies import RequestBody, ResponseBody
from gateway.errors import (
    BadRequest,
    GatewayError,
    LimitExceeded,
    NodeProtocolError,
    NodeTimeout,
    NoRoute,
    RequestTimeout,
    RouteForbidden,
)
from gateway.http1 import HeadLimits, may_decide, parse_response
from gateway.links import Link
from gateway.placement import Placement
from gateway.stream import StreamError

if TYPE_CHECKING:
    from gateway.http1 import RequestHead, ResponseHead
    from gateway.runtime import PoolRuntime
    from gateway.session import Session

NODE_LIMITS: Final = HeadLimits(head=65_536, fields=256, target=65_536)
"""What a node's response head may cost."""
FIRST_LOOK: Final = 0.01
LAST_LOOK: Final = 0.7
"""Seconds between two looks at what becomes of a request that met a closing connection; doubled each time."""
INTERIM: Final = 1000
"""Interim answers to one request; a node that sends more has lost its way."""
CLIENT_GONE: Final = 499
"""Status in the log when the client left before its answer began; nothing is sent."""


class Exchange:
    """From a complete request head to the end of its response; the session hands in what the client sends."""

    __slots__ = (
        "_before",
        "_download",
        "_interim",
        "_link",
        "_patience",
        "_sent",
        "_unsent",
        "_upload_dead",
        "_wire",
        "answer",
        "body",
        "bytes_out",
        "counted",
        "head",
        "institution",
        "keep_alive",
        "node_started",
        "placement",
        "pool",
        "reason",
        "request_id",
        "session",
        "started",
        "status",
        "tunnel",
    )

    def __init__(self, session: Session, head: RequestHead, started: float) -> None:
        self.session = session
        self.institution = session.institution
        self.counted = False
        self.head = head
        self.started = started
        self.node_started = started
        self.pool: PoolRuntime | None = None
        self.placement: Placement | None = None
        self.answer: ResponseHead | None = None
        self.status = 0
        self.reason = ""
        self.bytes_out = 0
        self.tunnel = False
        self.keep_alive = head.keep_alive
        self.request_id = head.request_id or session.worker.next_request_id()
        self._link: Link | None = None
        self._wire = b""
        self._unsent = b""
        self._sent = False
        self._before = 0
        self._interim = 0
        self._patience = 0.0
        self._upload_dead = False
        self.body = RequestBody(head.length)
        self._download: ResponseBody | None = None

    def __repr__(self) -> str:
        where = self._link.key if self._link else "-"
        return f"<Exchange {self.head.method!r} {self.head.path!r} node={where} {self.body!r} {self.status}>"

    # ---- the beginning

    def begin(self, rest: bytes) -> bytes:
        """Start with what came behind the head; returns what does not belong to this request's body."""
        leftover = b""
        try:
            # First of all what is the body's and what is not: whatever comes next, pipelined requests must not be lost.
            leftover = self._upload(rest) if rest else b""
            pool = self._authorise()
            session = self.session
            head = self.head
            new_id = b"" if head.request_id else b"\r\nX-Request-Id: " + self.request_id
            self._wire = b"".join(
                (
                    head.head,
                    self.institution.header,
                    session.certificate,  # RFC 9440: a byte sequence of the DER form, between colons
                    session.origin,
                    b"X-Forwarded-Proto: https\r\nVia: 1.1 settlegate\r\nX-Forwarded-Host: ",
                    head.host,
                    new_id,
                    b"\r\n\r\n",
                )
            )
            client = session if pool.preamble is not None else None
            self.placement = placement = Placement(session.worker, pool, self._send, self.fail, client)
            placement.start()
            self._await_connect()
        except GatewayError as error:
            self.fail(error)
        return leftover

    def _authorise(self) -> PoolRuntime:
        session, head = self.session, self.head
        count = session.count
        snapshot = session.worker.snapshot
        route = snapshot.router.find(session.listener.name, head.host, head.path)
        if route is None:
            raise NoRoute("no route matches this host and path")
        institution = self.institution
        if institution.routes is not None and route.name not in institution.routes:
            raise RouteForbidden(f"route {route.name}")
        limit = institution.requests_limit
        if limit is not None and count.institution_active(institution.slot) >= limit:
            raise LimitExceeded(f"{limit} requests at a time")
        if institution.rate is not None:
            count.take_turn(institution.slot, institution.rate)
        self.counted = True
        count.begin(institution.slot)
        self.pool = pool = snapshot.pools[route.pool]
        return pool

    def _send(self, link: Link) -> None:
        """This connection takes the request, at the end of the turn."""
        self._link = link
        self.session.outbox.add_request(self)

    def leave(self) -> None:
        """Head and what has come of the body in one write; to be called by the outbox."""
        link = self._link
        if link is None or self._sent:
            return  # over before it began, or another connection had to be found in this turn
        if link.exchanges and not link.alive():
            # The node has closed it in this turn: it can be known to have got nothing, so nothing is risked.
            link.links.closed(link)
            self._elsewhere("a kept connection had been closed")
            return
        stream = link.stream
        self.node_started = now = monotonic()
        if self._unsent:
            self._wire += self._unsent
            self._unsent = b""
        wire = self._wire
        if link.exchanges:
            self._before = stream.acknowledged() if stream.encrypted else link.octets + 1
        try:
            done = stream.write(wire)
        except StreamError as error:
            # Not an octet of it has left.
            self._elsewhere(str(error))
            return
        if not link.exchanges:
            self._wire = b""  # else kept until the node has said a word: it may have closed before this reaches it
        link.octets += len(wire)
        self._sent = True
        stream.on_readable = self._node_readable
        stream.on_drained = self._node_drained
        stream.on_closed = self._node_closed
        stream.start_reading()
        session = self.session
        if done:
            session.resume_reading()
        else:
            session.stream.stop_reading()
        self._set_deadline(now)

    def _set_deadline(self, now: float) -> None:
        """Whoever has to move next gets its own time: the client its body, the node its answer."""
        session = self.session
        pool = self.pool
        if pool is None:
            return
        if self.tunnel:
            session.deadline = now + pool.idle_timeout
        elif session.stream.queued or self.awaits_body():
            session.deadline = now + session.listener.body_timeout
        else:
            session.deadline = now + (pool.idle_timeout if self.bytes_out else pool.response_timeout)

    def awaits_body(self) -> bool:
        """The client has to move: the node has taken all that came of the body."""
        return bool(self.body.left) and not self._upload_dead and self._node_idle()

    def _node_idle(self) -> bool:
        return self._link is not None and not self._link.stream.queued

    # ---- from the client to the node

    def client_data(self, data: bytes) -> bytes:
        """Take octets the client sent; returns those behind the end of this request."""
        if self.tunnel:
            self._to_node(data)
            return b""
        if not self.body.left:
            return data
        try:
            return self._upload(data)
        except GatewayError as error:
            self.fail(error)
            return b""

    def _upload(self, data: bytes) -> bytes:
        wire, rest = self.body.take(data)
        if wire:
            self._to_node(wire)
        return rest

    def _to_node(self, data: bytes) -> None:
        if self._upload_dead:
            return
        if not self._sent:
            self._unsent += data
            return
        link = self._link
        assert link is not None  # noqa: S101
        self._wire = b""  # more than can be sent again
        link.octets += len(data)
        try:
            if not link.stream.write(data):
                self.session.stream.stop_reading()
        except StreamError:
            # The node may have answered before it stopped reading (413 is typical): its answer is still to be read.
            self._upload_dead = True
        self._set_deadline(monotonic())

    def _node_drained(self) -> None:
        self.session.resume_reading()
        self._set_deadline(monotonic())

    def client_ended(self) -> None:
        """The client ended its side; a complete request is still answered."""
        if self.tunnel:
            self._end_tunnel()
        elif self.body.left and self.bytes_out:
            self._upload_dead = True  # the node has answered without the rest
        elif self.body.left:
            self.fail(BadRequest("the body ended before its announced length"))

    def client_lost(self) -> None:
        """The client is gone: nobody is left to answer."""
        self._drop_link()
        self._end(self.status or CLIENT_GONE, "client_gone")

    # ---- from the node to the client

    def _node_closed(self) -> None:
        link = self._link
        self._node_lost(link.stream.error if link is not None else "")

    def _node_lost(self, why: str) -> None:
        if self.tunnel:
            self._end_tunnel()
            return
        if self._wire and self._came_too_late(why):
            return
        early = f"{self._node_name()} closed the connection before its answer was complete"
        self.fail(NodeProtocolError(f"{early}: {why}" if why else early))

    def _came_too_late(self, why: str) -> bool:
        """A kept connection that the node closed just as the request left: send it again if the node cannot have
        read an octet of it, and only then."""
        link, placement = self._link, self.placement
        if link is None or placement is None or link.buffer or self.answer is not None:
            return False
        proof = link.stream.refused_unread(self._before)
        if proof is None:
            # Its side is closed, and what it does with ours will show within the time a packet takes there and back.
            link.stream.stop_reading()
            link.stream.on_closed = link.stream.on_drained = _nothing
            self._patience = self._patience * 2 or FIRST_LOOK
            if self._patience < LAST_LOOK:
                self.session.worker.loop.call_later(self._patience, self._look_whether_late, link, why)
                return True
        if not proof:
            self._wire = b""
            return False
        self._sent = False
        self._patience = 0.0
        self._elsewhere("a kept connection had been closed")
        return True

    def _elsewhere(self, why: str) -> None:
        """No node has got an octet of the request: find another connection."""
        self._link = None
        if self.placement is not None:
            self.placement.again(why)
            self._await_connect()

    def _await_connect(self) -> None:
        """The body would have nowhere to go while a connection is being made."""
        placement, session = self.placement, self.session
        if placement is not None and placement.deadline:
            session.stream.stop_reading()
            session.deadline = placement.deadline

    def _look_whether_late(self, link: Link, why: str) -> None:
        if self._link is link and self.session.exchange is self:
            self._node_lost(why)

    def _node_name(self) -> str:
        return self.placement.node if self.placement is not None else "the node"

    def _node_readable(self) -> None:
        link = self._link
        if link is None:
            return
        try:
            data = link.stream.recv()
            if data is None:
                link.stream.look_again()
                return
            if self.tunnel:
                self._from_tunnel(data)
            elif self._download is not None:
                self._relay(self._download, data)
            elif data:
                self._answer(link, data)
            else:
                self._node_lost("")
            if self._link is link:
                link.stream.look_again()
        except StreamError as error:
            self._node_lost(str(error))
        except GatewayError as error:
            self.fail(error)

    def _answer(self, link: Link, data: bytes) -> None:
        """Read response heads: interim ones are passed on, the final one begins the answer."""
        self._wire = b""
        if link.buffer:
            decides = may_decide(link.buffer, data, NODE_LIMITS)
            data = link.buffer + data
            if not decides:
                link.buffer = data
                return
        session, head = self.session, self.head
        while True:
            answer = parse_response(data, NODE_LIMITS, head.method, head.upgrade)
            if answer is None:
                link.buffer = data
                return
            if answer.status >= 200 or answer.status == 101:
                break
            self._interim += 1
            if self._interim > INTERIM:
                raise NodeProtocolError("interim answers without end")
            data = data[answer.end :]
            link.buffer = b""
            if not head.http10 and not session.send(answer.head + b"\r\n"):
                link.stream.stop_reading()
            if not data or self._link is None:
                return
        link.buffer = b""
        self.answer = answer
        self.status = answer.status
        if answer.status == 101:
            self._begin_tunnel(answer, data[answer.end :])
            return
        self._begin_download(answer, data[answer.end :])

    def _begin_download(self, answer: ResponseHead, rest: bytes) -> None:
        session, http10 = self.session, self.head.http10
        self._download = ResponseBody(answer.length, http10=http10)
        if self.body.left or session.nothing_follows():
            # An answer before the whole request was read: what is still on its way cannot be told from a new request.
            self.keep_alive = False
        framing = b"\r\n" if answer.dated else session.worker.date_line() + b"\r\n"
        if answer.length < 0:
            if http10:
                self.keep_alive = False
            else:
                framing = b"Transfer-Encoding: chunked\r\n" + framing
        if not self.keep_alive:
            framing = b"Connection: close\r\n" + framing
        elif http10:
            framing = b"Connection: keep-alive\r\n" + framing
        self._relay(self._download, rest, answer.head + framing)

    def _relay(self, body: ResponseBody, data: bytes, out: bytes = b"") -> None:
        if data:
            out += body.take(data)
        elif not out:
            last = body.node_closed()
            if last is None:
                self._node_lost("")
                return
            out = last
        session = self.session
        self.bytes_out += len(out)
        flowing = session.send(out) if out else True
        link = self._link
        if link is None:
            return  # the client is gone
        if body.ended:
            self._complete(body)
        elif not flowing:
            self.client_full()
        else:
            self._set_deadline(monotonic())

    def client_full(self) -> None:
        """The client does not take at once what it got: the node may wait."""
        if self._link is not None:
            self._link.stream.stop_reading()
        if self.tunnel:
            self._set_deadline(monotonic())
        elif self.placement is None or not self.placement.deadline:
            self.session.wait_for_client()

    def client_drained(self) -> None:
        """The client has taken what was queued: the node may go on."""
        if self._link is not None:
            self._link.stream.start_reading()
            self._set_deadline(monotonic())

    def _complete(self, body: ResponseBody) -> None:
        """The response has been handed over whole."""
        link = self._link
        self._link = None
        if link is not None:
            # A node that sends a body where none may be, sends it behind the head: it must not answer the next request.
            bodiless = self.head.method == b"HEAD" or self.status == 304
            reusable = self.answer is not None and self.answer.keep_alive and not body.surplus and not bodiless
            if reusable and not self.body.left and not link.stream.queued and not self._upload_dead:
                link.links.give_back(link)
            else:
                link.let_go()
        self._end(self.status, "")

    # ---- tunnels

    def _begin_tunnel(self, answer: ResponseHead, rest: bytes) -> None:
        self.tunnel = True
        self.keep_alive = False
        self.bytes_out += len(rest)
        if not self.session.send(answer.head + b"\r\n" + rest) and self._link is not None:
            self._link.stream.stop_reading()
        self.session.tunnel_begins()
        if self._link is not None and self._node_idle():
            self.session.resume_reading()  # it may have been stopped by what the client sent ahead
        self._set_deadline(monotonic())

    def _from_tunnel(self, data: bytes) -> None:
        if not data:
            self._end_tunnel()
            return
        self.bytes_out += len(data)
        if not self.session.send(data) and self._link is not None:
            self._link.stream.stop_reading()
        self._set_deadline(monotonic())

    def _end_tunnel(self) -> None:
        link = self._link
        self._link = None
        if link is not None:
            link.let_go(flush=True)
        self._end(101, "")

    # ---- the end

    def expire(self) -> None:
        """The deadline of whoever had to move has passed."""
        if self.tunnel:
            self._end_tunnel()
        elif self._link is not None and not self._sent:
            self.leave()  # this turn's end has been overtaken by a deadline that was the connect's, or an idle client's
        elif self.placement is not None and self.placement.deadline:
            if self.placement.deadline <= monotonic():  # else it is that of another connect than the first
                self.placement.expire()
            if self.placement.deadline:
                self.session.deadline = self.placement.deadline
        elif self.session.stream.queued:
            self.fail(RequestTimeout("the client took nothing of its answer"))
        elif self.answer is not None:
            self.fail(NodeTimeout("the node sent nothing"))
        elif self.awaits_body():
            self.fail(RequestTimeout("the request body did not arrive in time"))
        else:
            self.fail(NodeTimeout(f"{self._node_name()} did not answer in time"))

    def fail(self, error: GatewayError) -> None:
        """Answer with a problem document, or cut the connection when an answer has begun."""
        session = self.session
        if session.exchange is not self:
            return
        if isinstance(error, NodeProtocolError | NodeTimeout) and self.placement is not None:
            session.count.node_failed(self.placement.slot)
        elif isinstance(error, RouteForbidden | LimitExceeded):
            session.count.turned_away(session.listener.slot, error.reason)
        self._drop_link()
        self.reason = error.reason
        if self.bytes_out:
            # Half an answer cannot be taken back: the client must see that it is incomplete.
            self._end(self.status, error.reason, True)
            return
        self.status = error.status
        self.keep_alive = self.keep_alive and not self.body.left and not isinstance(error, BadRequest)
        self.keep_alive = self.keep_alive and not session.nothing_follows()
        page = session.problem(error, self)
        self.bytes_out = len(page)
        session.send(page)
        self._end(error.status, error.reason)

    def _drop_link(self) -> None:
        link = self._link or (self.placement.link if self.placement is not None else None)
        self._link = None
        if link is not None:
            link.let_go()

    def _end(self, status: int, reason: str, cut: bool = False) -> None:
        session = self.session
        if session.exchange is not self:
            return
        session.exchange = None
        if self.placement is not None:
            self.placement.release()
        now = monotonic()
        session.count.end(self, status, reason, now)
        if cut:
            session.cut()
        else:
            session.exchange_ended(self.keep_alive, now)


def _nothing() -> None:
    """The node has said all that it had to say."""
