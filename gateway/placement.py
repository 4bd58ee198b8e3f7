# cython: language_level=3, annotation_typing=False
"""Finding a node that takes the request: lease, connect, and on to the next one while nothing has been sent.

Ends in one of two ways: `send` was called with a link, or `give_up` was called with the reason. Whoever finds that the
link had been closed before an octet was written to it goes on with `again`.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from balancer.pool import Lease, NoNodeReady
from gateway.errors import GatewayError, NodeUnreachable, NoNode, QueueFull
from gateway.stream import StreamError

if TYPE_CHECKING:
    from gateway.links import Link
    from gateway.runtime import PoolRuntime
    from gateway.session import Session
    from gateway.worker import Worker


class Placement:
    """The search of one exchange. Holds the lease until `release`."""

    __slots__ = (
        "_client",
        "_give_up",
        "_lease",
        "_send",
        "_tried",
        "_worker",
        "attempts",
        "deadline",
        "link",
        "node",
        "pool",
    )

    def __init__(
        self,
        worker: Worker,
        pool: PoolRuntime,
        send: Callable[[Link], None],
        give_up: Callable[[GatewayError], None],
        client: Session | None = None,
    ) -> None:
        """`send` takes the connection that the request is to be written to.

        `client`: for pools whose nodes are told who it is.
        """
        self.pool = pool
        self.link: Link | None = None
        """The connection being made or in use."""
        self.node = ""
        """Address of the node tried last."""
        self.attempts = 0
        self.deadline = 0.0
        """When the connect in progress has taken too long; 0 while there is none."""
        self._client = client
        self._worker = worker
        self._send = send
        self._give_up = give_up
        self._lease: Lease | None = None
        self._tried: set[str] = _NONE

    def __repr__(self) -> str:
        return f"<Placement {self.pool.name} node={self.node or '-'} attempts={self.attempts} {self.link!r}>"

    @property
    def slot(self) -> int:
        """Of the leased node; -1 while there is none."""
        return self._lease.node.slot if self._lease is not None else -1

    def start(self) -> None:
        """Raises GatewayError when there is no node; what fails later is told to `give_up`."""
        self._search(None)

    def expire(self) -> None:
        """The connect has taken too long."""
        self._retry(f"no connection within {self.pool.connect_timeout:g} s")

    def again(self, why: str) -> None:
        """The connection had ended before an octet of the request reached the node: nothing has been sent after all."""
        self._retry(why)

    def release(self) -> None:
        """The exchange is over; what remains is what the log wants to know."""
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.release()
        # The exchange holds this search and is held by it: cut, or its session stays until the collector comes.
        self._send = self._give_up = _over
        self._client = None
        self.link = None

    def _search(self, failure: NodeUnreachable | None) -> None:
        pool, links = self.pool, self._worker.links
        while True:
            if failure is not None and len(self._tried) > pool.retries:
                raise failure
            try:
                self._lease = lease = pool.balancer.lease(exclude=self._tried)
            except NoNodeReady as none:
                raise failure or (QueueFull if none.full else NoNode)(str(none)) from None
            if failure is not None:
                self._worker.count.retry(pool.slot)
            self.attempts += 1
            self.node = node = lease.node.address
            preamble = pool.preamble
            link = links.take(node if preamble is None else preamble.key(node, self._client))
            if link is not None:
                self.link = link
                self._send(link)
                return
            try:
                if preamble is None:
                    self.link = link = links.dial(node, pool.endpoints[node])
                else:
                    self.link = link = preamble.dial(links, node, pool.endpoints[node], self._client)
            except StreamError as error:
                failure = self._failed(str(error))
                continue
            link.stream.on_drained = self._connected
            link.stream.on_closed = self._connect_failed
            self.deadline = monotonic() + pool.connect_timeout
            return

    def _connected(self) -> None:
        link = self.link
        self.deadline = 0.0
        if link is not None:
            self._send(link)

    def _connect_failed(self) -> None:
        self._retry(self.link.stream.error if self.link is not None else "")

    def _retry(self, why: str) -> None:
        try:
            self._search(self._failed(why))
        except GatewayError as error:
            self._give_up(error)

    def _failed(self, why: str) -> NodeUnreachable:
        """Give the lease back and remember the node: nothing of the request has reached it."""
        lease, self._lease = self._lease, None
        link, self.link = self.link, None
        self.deadline = 0.0
        stale = link is not None and link.exchanges > 0
        if link is not None:
            link.let_go()
        if lease is not None:
            lease.release(failed=True)
            if not stale:
                # A kept connection that had gone stale says nothing about the node; a new one will.
                self._tried = {*self._tried, self.node}
                self._worker.count.node_failed(lease.node.slot)
        return NodeUnreachable(f"{self.node}: {why}" if why else self.node)


def _over(_: object) -> None:
    """Nothing is searched any more."""


_NONE: set[str] = set()
