"""What is probed and what is reported: the vocabulary between the monitor, its caller and the probes.

Identity (`Target`) apart from state (`Report`): a reload brings new targets, and health stays with their ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from healthcheck.config import CheckConfig
from healthcheck.health import State
from healthcheck.usage import Sample
from healthcheck.words import Words

Label = Literal["connect", "timeout", "status", "body", "protocol", "unknown_data", "over_limit", "auth", "internal"]
"""Why a probe failed, as a metric label."""


class Opening(Protocol):
    """What a connection to a node begins with before a check says anything, such as TLS. The caller plugs it in."""

    def wrap(self, check: asyncio.Protocol, *, port: int) -> asyncio.Protocol:
        """A protocol for a connection to this port, which does its part and then lets `check` speak.

        Where it fails, `check` gets nothing but `connection_lost(OpeningError)`.
        """


class OpeningError(OSError):
    """The connection was made, and the check has not come to say anything on it."""

    def __init__(self, words: str = "", *, untrusted: bool = False) -> None:
        super().__init__(words)
        self.untrusted = untrusted
        """It is the node's certificate that is not accepted."""


@dataclass(frozen=True, slots=True)
class Target:
    """One node of one pool."""

    id: str
    """The caller's own name for it; opaque here, and what health stays with over a reload."""
    host: str
    port: int
    checks: tuple[CheckConfig, ...] = ()
    snmp: tuple[str, int] | None = None
    """The agent's host and port; default: the node's host and the check's port."""
    opening: Opening | None = field(default=None, compare=False)
    """What a connection to this node begins with; None: nothing."""
    server_name: str | None = None
    """Name of the node for the Host field; default: its host."""


class Verdict(NamedTuple):
    """How one probe ended. `passed` is None where it has no say by itself: SNMP readings are judged over time."""

    passed: bool | None
    words: Words
    label: Label | None = None
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What active checks and SNMP say of one node; admin state and passive ejection are others' inputs."""

    target: str
    active: State
    active_reason: Words
    snmp_eject: bool
    """SNMP wants it out; `pool_guard.allowed_ejections` decides whether the pool can do without it."""
    snmp_reason: Words
    factor: float
    """Of the configured weight, 0.1 to 1."""
    readings: Mapping[str, float | None]
    """Metric -> share in use at the last poll, None if unknown. A change of these alone is not published."""


class Publisher(Protocol):
    """Where changes go. Called from the monitor's loop: must not block."""

    def publish(self, report: Report) -> None:
        """State, factor or reason of a node changed."""

    def announce(self, target: str, words: Words) -> None:
        """Something a person should know that changes no state: an agent's identity changed."""


class Observer(Protocol):
    """Metrics of the probes themselves."""

    def observe_probe(self, target: str, check: str, duration: float, reason: Label | None) -> None:
        """`check` is http, tcp or snmp, from the second of a kind on with a number; `duration` in seconds."""
