"""What a connection to the nodes of one pool begins with, before any HTTP: TLS.

A pool without it has none of this. Owns which kept connections may serve the pool, too: one that began in another way,
or under another trust, is another connection although it leads to the same address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.complaints import Complaints
from gateway.links import Link
from gateway.upstream_tls import NodeStream

if TYPE_CHECKING:
    from certs.upstream import NodeTLS
    from gateway.links import Links


class Preamble:
    """Of one pool in one worker."""

    __slots__ = ("_mark", "complaints", "tls")

    def __init__(self, pool: str, tls: NodeTLS, previous: Preamble | None = None) -> None:
        self.tls = tls
        self.complaints: Complaints = Complaints(pool) if previous is None else previous.complaints
        self._mark = f" tls {tls.identity}"

    def __repr__(self) -> str:
        return f"<Preamble {self.tls!r}>"

    def key(self, node: str) -> str:
        """Under which connections to this node are kept."""
        return node + self._mark

    def dial(self, links: Links, node: str, address: tuple[str, int]) -> Link:
        """Begin a new connection. Raises StreamError."""
        return Link(links, self.key(node), NodeStream.dial(links.loop, address, self.tls, node, self.complaints))
