"""Whether this machine has room for what a configuration promises: descriptors, and places in the accept queue.

Both fail late and quietly. Without descriptors a worker stops accepting at the worst hour of the day; an accept queue
that the kernel has cut drops whoever does not fit, and the client tries again a second later.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.config_rules import Oddity
from gateway.links import IDLE_LINKS_PER_NODE
from gateway.listening import BACKLOG
from gateway.orders import RESERVE

if TYPE_CHECKING:
    from gateway.config import GatewayConfig

OWN: Final = RESERVE + 64
"""Descriptors of a worker that no client is the cause of, sockets to listen on aside."""
_SOMAXCONN: Final = Path("/proc/sys/net/core/somaxconn")


@dataclass(frozen=True, slots=True)
class Machine:
    """What the kernel grants here; None: no limit, or it cannot be seen from here."""

    open_files: int | None
    """Of one process, at most: the hard limit, which a worker takes whole."""
    accept_queue: int | None


def this_machine() -> Machine:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        queue = int(_SOMAXCONN.read_text(encoding="ascii"))
    except (OSError, ValueError):
        queue = None
    return Machine(None if hard == resource.RLIM_INFINITY else hard, queue)


def descriptors(config: GatewayConfig) -> int:
    """What one worker needs when all listeners are full: one for each client, and the kept connections to nodes.

    Clients spread evenly over the workers. Each worker holds the listening sockets of all, so that it can stand in.
    More clients than connections are kept may have a request in a node's hands at the same time, and each tunnel has
    a connection of its own: this is the least that is needed.
    """
    workers, listeners = config.workers, config.listeners.values()
    own = OWN + workers * sum(len(listener.bind) for listener in listeners)
    admitted = -(-sum(listener.limits.connections for listener in listeners) // workers)
    strangers = -(-sum(listener.limits.handshakes for listener in listeners) // workers)
    nodes = sum(len(pool.nodes) for pool in config.pools.values())
    return own + admitted + strangers + min(admitted, nodes * IDLE_LINKS_PER_NODE)


def shortages(config: GatewayConfig, machine: Machine) -> Iterator[Oddity]:
    """What there is too little of; each names the key, the values, and what to do."""
    needed = descriptors(config)
    if machine.open_files is not None and machine.open_files < needed:
        listener = max(config.listeners, key=lambda name: config.listeners[name].limits.connections)
        yield Oddity(
            ("listeners", listener, "limits", "connections"),
            f"a worker needs {needed:,} open files for so many clients and gets {machine.open_files:,} here "
            "(ulimit -Hn): beyond that nobody is accepted; raise LimitNOFILE of the service, have more workers, or "
            "lower connections",
        )
    if machine.accept_queue is not None and machine.accept_queue < BACKLOG:
        yield Oddity(
            ("listeners",),
            f"{machine.accept_queue:,} new connections wait for a worker at most, not {BACKLOG:,}: the kernel cuts the "
            f"queue; set net.core.somaxconn = {BACKLOG}",
        )
