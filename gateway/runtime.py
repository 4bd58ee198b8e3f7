# cython: language_level=3, annotation_typing=False
"""What the way of a request reads of a snapshot: institutions, listeners, pools. Set once, read ten times a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from balancer.pool import Pool
    from certs.contexts import Terminator
    from gateway.http1 import HeadLimits
    from gateway.preamble import Preamble
    from gateway.proxied import Network


class InstitutionRuntime:
    """Who has been admitted; `admission` reads `enabled` and `keys`."""

    __slots__ = ("connections_limit", "enabled", "header", "id", "keys", "rate", "requests_limit", "routes", "slot")

    def __init__(
        self,
        id: str,  # noqa: A002 - the word of the configuration
        slot: int,
        *,
        enabled: bool = True,
        keys: tuple[str, ...] = (),
        routes: frozenset[str] | None = None,
        requests_limit: int | None = None,
        connections_limit: int | None = None,
        rate: float | None = None,
    ) -> None:
        self.id = id
        self.header = b"X-Institution-Id: %s\r\nClient-Cert: :" % id.encode()
        """What nodes are told; the certificate goes on behind it."""
        self.slot = slot
        self.enabled = enabled
        self.keys = keys
        self.routes = routes
        self.requests_limit = requests_limit
        self.connections_limit = connections_limit
        self.rate = rate
        """New requests a second, over all workers."""

    def __repr__(self) -> str:
        return f"<InstitutionRuntime {self.id} slot={self.slot}>"


NOBODY = InstitutionRuntime("", -1, enabled=False, routes=frozenset())
"""Whose a connection is before its admission."""


class ListenerRuntime:
    """Times in seconds."""

    __slots__ = (
        "body_timeout",
        "connections_limit",
        "connections_per_address",
        "explain",
        "handshake_timeout",
        "handshakes_per_address",
        "handshakes_share",
        "head_limits",
        "head_timeout",
        "idle_timeout",
        "institution_field",
        "minimum_rate",
        "name",
        "proxies",
        "slot",
        "terminator",
        "unlisted",
    )

    def __init__(
        self,
        *,
        name: str,
        slot: int,
        terminator: Terminator,
        explain: bool,
        head_limits: HeadLimits,
        handshake_timeout: float,
        head_timeout: float,
        body_timeout: float,
        idle_timeout: float,
        connections_limit: int,
        handshakes_share: int,
        connections_per_address: int | None,
        handshakes_per_address: int | None,
        minimum_rate: int,
        institution_field: str,
        unlisted: str,
        proxies: tuple[Network, ...] = (),
    ) -> None:
        self.name = name
        self.slot = slot
        self.terminator = terminator
        self.explain = explain
        self.head_limits = head_limits
        self.handshake_timeout = handshake_timeout
        self.head_timeout = head_timeout
        self.body_timeout = body_timeout
        self.idle_timeout = idle_timeout
        self.connections_limit = connections_limit
        """Admitted, over all workers."""
        self.handshakes_share = handshakes_share
        """Not admitted, in this worker."""
        self.connections_per_address = connections_per_address
        """Over all workers, as the next."""
        self.handshakes_per_address = handshakes_per_address
        self.minimum_rate = minimum_rate
        """Octets a second either way; 0: none."""
        self.institution_field = institution_field
        self.unlisted = unlisted
        self.proxies = proxies
        """The only peers, and each has to send a PROXY header; empty: clients connect directly."""

    def __repr__(self) -> str:
        return f"<ListenerRuntime {self.name}>"


class PoolRuntime:
    """Times in seconds."""

    __slots__ = (
        "balancer",
        "connect_timeout",
        "endpoints",
        "idle_timeout",
        "name",
        "preamble",
        "response_timeout",
        "retries",
        "slot",
    )

    def __init__(
        self,
        *,
        name: str,
        slot: int,
        balancer: Pool,
        endpoints: Mapping[str, tuple[str, int]],
        retries: int,
        connect_timeout: float,
        response_timeout: float,
        idle_timeout: float,
        preamble: Preamble | None = None,
    ) -> None:
        self.name = name
        self.slot = slot
        self.balancer = balancer
        self.endpoints = endpoints
        self.retries = retries
        self.connect_timeout = connect_timeout
        self.response_timeout = response_timeout
        self.idle_timeout = idle_timeout
        self.preamble = preamble
        """What comes before HTTP on a connection to a node; None: nothing."""

    def __repr__(self) -> str:
        return f"<PoolRuntime {self.name}>"
