"""What a connection to the nodes of one pool begins with, before any HTTP: a PROXY header, TLS, or both.

A pool without either has none of this. Owns which kept connections may serve the pool, too: one that began in another
way, under another trust, or for another client, is another connection although it leads to the same address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.announcing import AnnouncingStream
from gateway.complaints import Complaints
from gateway.links import Link
from gateway.proxy_protocol import Ends, build
from gateway.upstream_tls import NodeStream

if TYPE_CHECKING:
    from certs.upstream import NodeTLS
    from gateway.links import Links
    from gateway.session import Session

IDLE_FOR_ONE: Final = 60.0
"""Seconds for which a connection that can serve one client alone is kept at most."""


class Preamble:
    """Of one pool in one worker."""

    __slots__ = ("_mark", "announces", "complaints", "tls")

    def __init__(self, pool: str, tls: NodeTLS | None, *, announces: bool, previous: Preamble | None = None) -> None:
        self.tls = tls
        self.announces = announces
        """Whether nodes are told in a PROXY header who the client is."""
        self.complaints: Complaints = Complaints(pool) if previous is None else previous.complaints
        self._mark = (" proxy" if announces else "") + (f" tls {tls.identity}" if tls is not None else "")

    def __repr__(self) -> str:
        return f"<Preamble announces={self.announces} {self.tls!r}>"

    def like(self, other: Preamble) -> bool:
        """Whether connections and sessions of one are good for the other."""
        return self._mark == other._mark

    def kind(self, node: str) -> str:
        """What all kept connections of this pool to this node have in common."""
        return node + self._mark

    def key(self, node: str, session: Session | None) -> str:
        """Under which connections are kept that may serve this client."""
        if not self.announces or session is None:
            return node + self._mark
        (client, _), (host, port) = ends_of(session)
        return f"{node}{self._mark}|{client} {host} {port}"

    def idle(self, seconds: float) -> float:
        return min(seconds, IDLE_FOR_ONE) if self.announces else seconds

    def dial(self, links: Links, node: str, address: tuple[str, int], session: Session | None) -> Link:
        """Begin a new connection. Raises StreamError."""
        header = build(ends_of(session)) if self.announces and session is not None else b""
        key = self.key(node, session)
        if self.tls is None:
            link = Link(links, key, AnnouncingStream.announce(links.loop, address, header))
            link.octets = len(header)  # acknowledged like what is written later
            return link
        return Link(links, key, NodeStream.dial(links.loop, address, self.tls, node, self.complaints, header))


def ends_of(session: Session) -> Ends:
    """Who the client is and what it has reached: as a balancer in front has told, else as the socket knows."""
    if session.ends is None:
        sock = session.stream.sock
        try:
            here = sock.getsockname()
        except OSError:  # closed meanwhile
            here = ("::" if ":" in session.client else "0.0.0.0", 0)
        try:
            there = sock.getpeername()
        except OSError:
            there = (session.client, 0)
        # A connection that its balancer made for itself has the balancer's address.
        session.ends = Ends((there[0].partition("%")[0], there[1]), (here[0].partition("%")[0], here[1]))
    return session.ends
