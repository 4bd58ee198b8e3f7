"""One configuration as the data plane runs it: immutable, built whole, swapped in one step.

The supervisor makes a `Bundle`: configuration, the octets of every file it names, slots of the scoreboard. The same
bundle goes to every worker, which builds a `Snapshot` of it without touching a file. What lives longer than one
configuration (connections, counters, health, tickets) hangs on names and slots, never on a snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from balancer.pickers import picker_for
from balancer.pool import Pool, nodes_of
from certs.contexts import Material, Terminator
from certs.trust import Trust
from certs.upstream import NodeTLS
from gateway.admission import Admission, Refusal, decide
from gateway.http1 import HeadLimits
from gateway.preamble import Preamble
from gateway.router import Router
from gateway.runtime import InstitutionRuntime, ListenerRuntime, PoolRuntime

if TYPE_CHECKING:
    from OpenSSL import SSL

    from certs.evidence import Evidence
    from gateway.config import GatewayConfig, InstitutionConfig, ListenerConfig
    from gateway.scoreboard import Scoreboard
    from gateway.slots import Slots


@dataclass(frozen=True)
class Bundle:
    """All that a process needs to run one configuration; pickled once, read by everybody."""

    generation: int
    config: GatewayConfig
    files: Mapping[str, bytes]
    """Octets of certificates, keys, anchors and CRLs by path."""
    slots: Slots
    bases: Mapping[str, int]
    """Listener → index of its base context in the stock of blank ones."""
    endpoints: Mapping[str, tuple[str, int]]
    """Node address as written → IP address and port, resolved by the supervisor."""


@dataclass(frozen=True)
class Snapshot:
    generation: int
    bundle: Bundle
    listeners: Mapping[str, ListenerRuntime]
    institutions: Mapping[str, InstitutionRuntime]
    pools: Mapping[str, PoolRuntime]
    router: Router
    link_idle: Mapping[str, float]
    """Kind of link (a node's address, or see `Preamble.kind`) → seconds it may idle."""
    unlisted_slot: int

    def decide(self, listener: ListenerRuntime, evidence: Evidence) -> Admission | Refusal:
        return decide(
            evidence,
            institution_field=listener.institution_field,
            unlisted=listener.unlisted,
            institutions=self.institutions,
        )

    def institution(self, name: str) -> InstitutionRuntime:
        """The institution admitted under this name; all without an entry share one slot of the counters."""
        return self.institutions.get(name) or InstitutionRuntime(name, self.unlisted_slot)


UNLISTED = "_unlisted"
"""Counters of all institutions that are admitted without an entry: clients must not be able to mint series."""


class SnapshotError(Exception):
    """The bundle cannot be run here; says which part and why."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A snapshot ready to be swapped in, and the TLS material to put into force with it."""

    snapshot: Snapshot
    material: tuple[tuple[Terminator, Material], ...]

    def install(self) -> None:
        for terminator, material in self.material:
            terminator.install(material)
        for listener in self.snapshot.listeners.values():
            listener.terminator.welcome = partial(_welcome, self.snapshot, listener)
        for pool in self.snapshot.pools.values():
            if pool.preamble is not None and pool.preamble.tls is not None:
                pool.preamble.tls.retain(pool.endpoints.keys())


def build(
    bundle: Bundle, stock: list[SSL.Context], board: Scoreboard, index: int, previous: Snapshot | None = None
) -> Prepared:
    """Everything that can fail, done before anything is swapped. Raises SnapshotError.

    Terminators of listeners that stay are taken over from the previous snapshot: a context that has been used
    refuses other settings, and its tickets must go on working.
    """
    config, slots = bundle.config, bundle.slots
    listeners: dict[str, ListenerRuntime] = {}
    material: list[tuple[Terminator, Material]] = []
    for name, listener in config.listeners.items():
        terminator = _terminator(bundle, name, listener, stock, previous)
        try:
            trust = Trust.build(listener.trust, bundle.files)
            files = bundle.files
            fresh = terminator.prepare(files[str(listener.certificate)], files[str(listener.key)], trust)
        except Exception as error:
            raise SnapshotError(f"listeners.{name}: {error}") from error
        material.append((terminator, fresh))
        listeners[name] = _listener(name, listener, slots.listeners[name], terminator, config.workers)
    pools = {name: _pool(bundle, name, board, index, previous) for name in config.pools}
    snapshot = Snapshot(
        generation=bundle.generation,
        bundle=bundle,
        listeners=listeners,
        institutions={name: _institution(name, entry, slots) for name, entry in config.institutions.items()},
        unlisted_slot=slots.institutions[UNLISTED],
        pools=pools,
        router=Router(config.routes),
        link_idle={kind: seconds for pool in pools.values() for kind, seconds in _link_idle(pool)},
    )
    return Prepared(snapshot, tuple(material))


def _welcome(snapshot: Snapshot, listener: ListenerRuntime, evidence: Evidence) -> bool:
    """Whether a client may have a ticket: a browser must not stick to its refusal after the token is plugged in."""
    return isinstance(snapshot.decide(listener, evidence), Admission)


def _terminator(
    bundle: Bundle, name: str, listener: ListenerConfig, stock: list[SSL.Context], previous: Snapshot | None
) -> Terminator:
    base = bundle.bases[name]
    if previous is not None and previous.bundle.bases.get(name) == base and name in previous.listeners:
        return previous.listeners[name].terminator
    return Terminator(
        stock[base],
        listener=name,
        minimum_tls=listener.minimum_tls,
        explain=listener.refusal == "explain",
        resumption=listener.resumption.enabled,
        lifetime=listener.resumption.lifetime,
    )


def _listener(name: str, config: ListenerConfig, slot: int, terminator: Terminator, workers: int) -> ListenerRuntime:
    limits, timeouts = config.limits, config.timeouts
    return ListenerRuntime(
        name=name,
        slot=slot,
        terminator=terminator,
        explain=config.refusal == "explain",
        head_limits=HeadLimits(head=limits.head, fields=limits.fields, target=limits.target),
        handshake_timeout=timeouts.handshake,
        head_timeout=timeouts.head,
        body_timeout=timeouts.body,
        idle_timeout=timeouts.idle,
        connections_limit=limits.connections,
        handshakes_share=-(-limits.handshakes // workers),
        connections_per_address=limits.connections_per_address,
        handshakes_per_address=limits.handshakes_per_address,
        minimum_rate=limits.minimum_rate or 0,
        institution_field=config.trust.institution_id,
        unlisted=config.trust.unlisted,
        proxies=() if config.proxy_protocol is None else config.proxy_protocol.networks,
    )


def _institution(name: str, config: InstitutionConfig, slots: Slots) -> InstitutionRuntime:
    return InstitutionRuntime(
        id=name,
        slot=slots.institutions[name],
        enabled=config.enabled,
        keys=config.keys,
        routes=None if config.routes is None else frozenset(config.routes),
        requests_limit=config.limits.requests,
        connections_limit=config.limits.connections,
        rate=config.limits.rate,
    )


def _link_idle(pool: PoolRuntime) -> Iterable[tuple[str, float]]:
    preamble = pool.preamble
    for node in pool.endpoints:
        if preamble is None:
            yield node, pool.idle_timeout
        else:
            yield preamble.kind(node), preamble.idle(pool.idle_timeout)


def _preamble(bundle: Bundle, name: str, previous: Snapshot | None) -> Preamble | None:
    """Under the same trust and name the sessions of before may go on being resumed; under others none may."""
    config = bundle.config.pools[name]
    if config.upstream_tls is None and config.proxy_protocol is None:
        return None
    try:
        tls = None if config.upstream_tls is None else NodeTLS.build(config.upstream_tls, bundle.files)
    except ValueError as error:
        raise SnapshotError(f"pools.{name}: {error}") from error
    pool = previous.pools.get(name) if previous is not None else None
    before = pool.preamble if pool is not None else None
    made = Preamble(name, tls, announces=config.proxy_protocol is not None, previous=before)
    return before if before is not None and before.like(made) else made


def _pool(bundle: Bundle, name: str, board: Scoreboard, index: int, previous: Snapshot | None) -> PoolRuntime:
    config, slots = bundle.config.pools[name], bundle.slots
    nodes = nodes_of(name, config, slots.nodes)
    return PoolRuntime(
        name=name,
        slot=slots.pools[name],
        balancer=Pool(name, nodes, picker_for(config.policy), board=board, worker_index=index),
        endpoints={node.address: bundle.endpoints[node.address] for node in nodes},
        retries=config.retries.attempts,
        connect_timeout=config.timeouts.connect,
        response_timeout=config.timeouts.response,
        idle_timeout=config.timeouts.idle,
        preamble=_preamble(bundle, name, previous),
    )
