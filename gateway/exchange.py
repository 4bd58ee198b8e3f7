"""One request and its response: route → limits → lease of a node → request sent → response relayed → lease released.

Bodies flow both ways at once, each side paused while the other cannot take more. What an exchange never does: send
a request to a second node once an octet of it left for the first (a settlement may have been booked by then), or
leave the client without a full answer or a clear error.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from balancer.pool import Lease, NoNodeReady
from gateway.errors import (
    BadRequest,
    GatewayError,
    LimitExceeded,
    NodeProtocolError,
    NodeTimeout,
    NodeUnreachable,
    NoNode,
    NoRoute,
    QueueFull,
    RequestTimeout,
    RouteForbidden,
)
from gateway.http1 import CHUNKED, ChunkReader, RequestHead, ResponseHead, parse_response
from gateway.links import Link
from gateway.stream import StreamError

if TYPE_CHECKING:
    from gateway.session import Session
    from gateway.snapshot import PoolRuntime

CLIENT_GONE: Final = 499
"""Status in the log when the client left before its answer began; nothing is sent."""


class Exchange:
    """From a complete request head to the end of its response; the session hands in what the client sends."""

    __slots__ = (
        "_chunks_down",
        "_chunks_up",
        "_connecting",
        "_down_left",
        "_link",
        "_node_ended",
        "_reuse",
        "_sent",
        "_tried",
        "_unsent",
        "_up_left",
        "_upload_dead",
        "_wire",
        "answer",
        "attempts",
        "bytes_in",
        "bytes_out",
        "counted",
        "head",
        "institution",
        "keep_alive",
        "lease",
        "node",
        "node_started",
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
        self.lease: Lease | None = None
        self.node: str | None = None
        self.answer: ResponseHead | None = None
        self.status = 0
        self.reason = ""
        self.attempts = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.tunnel = False
        self.keep_alive = head.keep_alive
        self.request_id = head.request_id or session.worker.next_request_id()
        self._link: Link | None = None
        self._tried: set[str] | None = None
        self._wire = b""
        self._unsent = b""
        self._connecting = False
        self._sent = False
        self._upload_dead = False
        self._node_ended = False
        self._reuse = False
        self._up_left = head.length  # octets of the request body still to come; CHUNKED while its end is unknown
        self._chunks_up = ChunkReader(BadRequest) if head.length == CHUNKED else None
        self._down_left = 0
        self._chunks_down: ChunkReader | None = None

    def __repr__(self) -> str:
        where = self._link.key if self._link else "-"
        return f"<Exchange {self.head.method!r} {self.head.path!r} node={where} up_left={self._up_left} {self.status}>"

    # ---- the beginning

    def begin(self, rest: bytes) -> bytes:
        """Start with what came behind the head; returns what does not belong to this request's body."""
        leftover = b""
        try:
            pool = self._authorise()
            leftover = self._upload(rest) if rest else b""
            session = self.session
            head = self.head
            number = b"" if head.request_id else b"X-Request-Id: %s\r\n" % self.request_id
            self._wire = b"%s%sX-Forwarded-Host: %s\r\n%s\r\n" % (head.head, session.identity, head.host, number)
            self._find_node(pool)
        except GatewayError as error:
            self.fail(error)
        return leftover

    def _authorise(self) -> PoolRuntime:
        session, head = self.session, self.head
        worker = session.worker
        snapshot = worker.snapshot
        route = snapshot.router.find(session.listener.name, head.host, head.path)
        if route is None:
            raise NoRoute("no route matches this host and path")
        institution = self.institution
        if institution.routes is not None and route.name not in institution.routes:
            raise RouteForbidden(f"route {route.name}")
        limit = institution.requests_limit
        if limit is not None and worker.count.institution_active(institution.slot) >= limit:
            raise LimitExceeded(f"{limit} requests at a time")
        self.counted = True
        worker.count.begin(institution.slot)
        self.pool = pool = snapshot.pools[route.pool]
        if pool.refuses:
            raise NoNode(pool.refuses)
        return pool

    def _find_node(self, pool: PoolRuntime) -> None:
        """Lease a node and send the request, on an idle link or a new one."""
        session = self.session
        worker = session.worker
        failure: NodeUnreachable | None = None
        while True:
            if self._tried is not None and len(self._tried) > pool.retries:
                raise failure or NodeUnreachable(f"{len(self._tried)} nodes did not answer")
            try:
                lease = pool.balancer.lease(exclude=self._tried or ())
            except NoNodeReady as none:
                if self._tried:
                    raise failure or NodeUnreachable(str(none)) from None
                raise (QueueFull if none.full else NoNode)(str(none)) from None
            self.lease = lease
            self.attempts += 1
            self.node = key = lease.node.address
            link = worker.links.take(key)
            try:
                if link is not None:
                    self._link = link
                    self._send(link)
                    return
                self._link = link = worker.links.dial(key, pool.endpoints[key])
            except StreamError as error:
                failure = self._no_connection(str(error))
                continue
            self._connecting = True
            link.stream.on_drained = self._connected
            link.stream.on_closed = self._connect_failed
            session.stream.stop_reading()
            session.deadline = monotonic() + pool.connect_timeout
            return

    def _no_connection(self, why: str) -> NodeUnreachable:
        """Give the lease back and remember the node as tried: nothing of the request has reached it."""
        lease, link = self.lease, self._link
        assert lease is not None  # noqa: S101 - for the type checker: called only with a lease
        node = lease.node
        self.lease = None
        self._link = None
        self._connecting = False
        lease.release(failed=True)
        if self._tried is None:
            self._tried = set()
        fresh = link is None or link.exchanges == 0
        if fresh:
            self._tried.add(node.address)
        if link is not None:
            link.stream.on_closed = _ignore
            link.stream.abort()
        worker = self.session.worker
        if self.pool is not None:
            worker.count.retry(self.pool.slot)
        if fresh:
            worker.count.node_failed(node.slot)
        return NodeUnreachable(f"{node.address}: {why}" if why else node.address)

    def _connected(self) -> None:
        link = self._link
        assert link is not None  # noqa: S101
        self._connecting = False
        try:
            self._send(link)
        except StreamError as error:
            self._retry(str(error))

    def _connect_failed(self) -> None:
        self._retry(self._link.stream.error if self._link is not None else "")

    def _retry(self, why: str) -> None:
        failure = self._no_connection(why)
        try:
            if self.pool is None or len(self._tried or ()) > self.pool.retries:
                raise failure  # noqa: TRY301
            self._find_node(self.pool)
        except GatewayError as error:
            self.fail(failure if isinstance(error, NoNode) else error)

    def _send(self, link: Link) -> None:
        """Head and what has come of the body in one write. Raises StreamError only when not an octet has left."""
        stream = link.stream
        stream.on_readable = self._node_readable
        stream.on_drained = self._node_drained
        stream.on_closed = self._node_closed
        self.node_started = now = monotonic()
        unsent = self._unsent
        done = stream.write(self._wire + unsent if unsent else self._wire)
        self._unsent = b""
        self._sent = True
        stream.start_reading()
        session = self.session
        if done:
            session.stream.start_reading()
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
        elif session.stream.queued or (self._up_left and not self._upload_dead and self._node_idle()):
            session.deadline = now + session.listener.body_timeout
        else:
            session.deadline = now + pool.response_timeout

    def _node_idle(self) -> bool:
        return self._link is not None and not self._link.stream.queued

    # ---- from the client to the node

    def client_data(self, data: bytes) -> bytes:
        """Take octets the client sent; returns those behind the end of this request."""
        if self.tunnel:
            self._to_node(data)
            return b""
        if not self._up_left:
            return data
        try:
            return self._upload(data)
        except GatewayError as error:
            self.fail(error)
            return b""

    def _upload(self, data: bytes) -> bytes:
        left = self._up_left
        self.bytes_in += len(data)
        if left >= 0:
            if len(data) <= left:
                self._up_left = left - len(data)
                rest = b""
            else:
                data, rest = data[:left], data[left:]
                self._up_left = 0
                self.bytes_in -= len(rest)
        else:
            reader = self._chunks_up
            assert reader is not None  # noqa: S101
            data, used = _rechunk(reader, data)
            rest = b""
            if reader.done:
                self._up_left = 0
                self._chunks_up = None
            if used is not None:
                rest = used
                self.bytes_in -= len(rest)
        if data:
            self._to_node(data)
        return rest

    def _to_node(self, data: bytes) -> None:
        if self._upload_dead:
            return
        if not self._sent:
            self._unsent += data
            return
        link = self._link
        assert link is not None  # noqa: S101
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
        elif self._up_left:
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
        early = f"{self._node_name()} closed the connection before its answer was complete"
        self.fail(NodeProtocolError(f"{early}: {why}" if why else early))

    def _node_name(self) -> str:
        return self.node or "the node"

    def _node_readable(self) -> None:
        link = self._link
        if link is None:
            return
        try:
            data = link.stream.recv()
            if data is None:
                return
            if self.tunnel:
                self._from_tunnel(data)
            elif self.answer is not None:
                self._download(data)
            elif data:
                self._answer(link, data)
            else:
                self._node_lost("")
        except StreamError as error:
            self._node_lost(str(error))
        except GatewayError as error:
            self.fail(error)

    def _answer(self, link: Link, data: bytes) -> None:
        """Read response heads: interim ones are passed on, the final one begins the answer."""
        if link.buffer:
            data = link.buffer + data
        session, head = self.session, self.head
        while True:
            answer = parse_response(data, session.worker.snapshot.node_limits, method=head.method, upgrade=head.upgrade)
            if answer is None:
                link.buffer = data
                return
            if answer.status >= 200 or answer.status == 101:
                break
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
        length = answer.length
        self._down_left = length
        self._reuse = answer.keep_alive
        if self._up_left or session.stream.eof or session.worker.draining:
            # An answer before the whole request was read: what is still on its way cannot be told from a new request.
            self.keep_alive = False
        framing = b""
        if length < 0:
            if length == CHUNKED:
                self._chunks_down = ChunkReader(NodeProtocolError)
            if http10:
                self.keep_alive = False
            else:
                framing = b"Transfer-Encoding: chunked\r\n"
        if not self.keep_alive:
            framing += b"Connection: close\r\n"
        elif http10:
            framing += b"Connection: keep-alive\r\n"
        self._download(rest, answer.head + framing + b"\r\n", begin=True)

    def _download(self, data: bytes, out: bytes = b"", *, begin: bool = False) -> None:
        left = self._down_left
        ended = False
        if left >= 0:
            size = len(data)
            if not size and left and not begin:
                self._node_lost("")
                return
            if size > left:
                # Octets behind the end would be read as the next response (RFC 9112 6.3).
                data = data[:left]
                size = left
                self._reuse = False
            self._down_left = left - size
            ended = size == left
            out = out + data if out else data
        elif left == CHUNKED:
            if not data and not begin:
                self._node_lost("")
                return
            out, ended = self._decode(data, out)
        elif not data and not begin:
            ended = True
            if not self.head.http10:
                out = b"0\r\n\r\n"
        elif data:
            out += data if self.head.http10 else b"%x\r\n%s\r\n" % (len(data), data)
        session = self.session
        self.bytes_out += len(out)
        flowing = session.send(out) if out else True
        if self._link is None:
            return  # the client is gone
        if ended:
            self._complete()
        elif not flowing:
            self._link.stream.stop_reading()
            session.deadline = monotonic() + session.listener.body_timeout
        else:
            self._set_deadline(monotonic())

    def _decode(self, data: bytes, out: bytes) -> tuple[bytes, bool]:
        reader = self._chunks_down
        assert reader is not None  # noqa: S101
        if self.head.http10:
            pieces: list[bytes | memoryview] = [out]
            used = reader.feed(data, pieces)
            wire = b"".join(pieces)
        else:
            body, rest = _rechunk(reader, data)
            wire = out + body
            used = len(data) - len(rest or b"")
        if reader.done and used < len(data):
            self._reuse = False
        return wire, reader.done

    def client_drained(self) -> None:
        """The client has taken what was queued: the node may go on."""
        if self._link is not None:
            self._link.stream.start_reading()
            self._set_deadline(monotonic())

    def _complete(self) -> None:
        """The response has been handed over whole."""
        link = self._link
        self._link = None
        if link is not None:
            link.stream.on_closed = _ignore
            if self._reuse and not self._up_left and not link.stream.queued and not self._upload_dead:
                link.links.give_back(link)
            else:
                link.stream.abort()
        self._end(self.status, "")

    # ---- tunnels

    def _begin_tunnel(self, answer: ResponseHead, rest: bytes) -> None:
        self.tunnel = True
        self.keep_alive = False
        self.bytes_out += len(rest)
        if not self.session.send(answer.head + b"\r\n" + rest) and self._link is not None:
            self._link.stream.stop_reading()
        self.session.tunnel_begins()
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
            link.stream.on_closed = _ignore
            link.stream.close()
        self._end(101, "")

    # ---- the end

    def expire(self) -> None:
        """The deadline of whoever had to move has passed."""
        if self.tunnel:
            self._end_tunnel()
        elif self._connecting:
            self._retry(f"no connection within {self.pool.connect_timeout if self.pool else 0:g} s")
        elif self.answer is not None:
            side = "the client took nothing" if self.session.stream.queued else "the node sent nothing"
            self.fail(NodeTimeout(side))
        elif self._up_left and not self._upload_dead and self._node_idle():
            self.fail(RequestTimeout("the request body did not arrive in time"))
        else:
            self.fail(NodeTimeout(f"{self._node_name()} did not answer in time"))

    def fail(self, error: GatewayError) -> None:
        """Answer with a problem document, or cut the connection when an answer has begun."""
        session = self.session
        if session.exchange is not self:
            return
        if isinstance(error, NodeProtocolError | NodeTimeout) and self.lease is not None:
            session.worker.count.node_failed(self.lease.node.slot)
        self._drop_link()
        self.reason = error.reason
        if self.answer is not None:
            # Half an answer cannot be taken back. Without close_notify, last chunk or the announced length the
            # client sees that it is incomplete.
            self._end(self.status, error.reason)
            session.abort()
            return
        self.status = error.status
        self.keep_alive = self.keep_alive and not self._up_left and not isinstance(error, BadRequest)
        self.keep_alive = self.keep_alive and not session.worker.draining and not session.stream.eof
        page = session.problem(error, self)
        self.bytes_out = len(page)
        session.send(page)
        self._end(error.status, error.reason)

    def _drop_link(self) -> None:
        link = self._link
        self._link = None
        if link is not None:
            link.stream.on_closed = _ignore
            link.stream.abort()

    def _end(self, status: int, reason: str) -> None:
        session = self.session
        if session.exchange is not self:
            return
        session.exchange = None
        lease = self.lease
        if lease is not None:
            lease.release()
        session.worker.count.end(self, status, reason, monotonic())
        session.exchange_ended(self.keep_alive)


def _rechunk(reader: ChunkReader, data: bytes) -> tuple[bytes, bytes | None]:
    """Decode strictly and encode anew, so that no reader behind us sees the sender's spelling of the framing."""
    pieces: list[bytes | memoryview] = []
    used = reader.feed(data, pieces)
    wire = b""
    size = sum(map(len, pieces))
    if size:
        wire = b"".join((b"%x\r\n" % size, *pieces, b"\r\n"))
    if not reader.done:
        return wire, None
    return b"%s0\r\n%s\r\n" % (wire, reader.trailers), data[used:]


def _ignore() -> None:
    """The link's end is known already."""
