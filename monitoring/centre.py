"""What the admin API asks of the rest of the gateway, and in which words it is answered.

`gateway` fulfils the Protocol in the control process; the tests with a fake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NotRequired, Protocol, TypedDict

AdminAction = Literal["drain", "ready", "maintenance"]
ACTIONS: tuple[AdminAction, ...] = ("drain", "ready", "maintenance")


class NodeView(TypedDict):
    """A node as the admin API shows it. Keys may be added, never renamed."""

    state: str
    """One of checking up down ejected draining maintenance."""
    reason: str
    """Why it is in that state, in an English sentence."""
    reason_zh: str
    """The same in Chinese."""
    requests: int
    """In flight."""
    weight: float
    """Effective."""
    configured_weight: NotRequired[float]
    factors: NotRequired[Mapping[str, float]]
    """What the configured weight was multiplied by: slow_start, load, admin."""
    readings: NotRequired[Mapping[str, float | None]]
    """SNMP: metric name to a fraction 0 to 1; None while unknown."""
    max_requests: NotRequired[int | None]
    backup: NotRequired[bool]
    since: NotRequired[float]
    """When the state began, in Unix time."""


class PoolView(TypedDict):
    """A pool as the admin API shows it."""

    nodes: Mapping[str, NodeView]
    """By address, in the order of the configuration."""
    policy: NotRequired[str]
    queue: NotRequired[int]
    """Requests waiting."""


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """How a reload ended; without `ok` the configuration before it is still in force."""

    ok: bool
    generation: int
    """Of the configuration in force now."""
    problems: tuple[str, ...] = ()
    """Each with its place: file:line:column: path: message."""
    notices: tuple[str, ...] = field(default=())
    """What changed, and what needs a restart."""


class UnknownPoolError(LookupError):
    """No pool of that name."""


class UnknownNodeError(LookupError):
    """No node of that address in the pool."""


class ReloadUnderWayError(Exception):
    """One reload at a time; ask again when it has ended."""


class Centre(Protocol):
    """The control process, seen from its admin API. Everything here answers at once unless it is `async`."""

    def pools(self) -> Mapping[str, PoolView]:
        """Every pool and node as they stand now."""

    def alive(self) -> bool:
        """The process does its work: its loop turns and its tasks have not died."""

    def ready(self) -> tuple[bool, str]:
        """Whether connections are accepted, and a sentence about it."""

    async def reload(self) -> ReloadResult:
        """Read the configuration again. Raises ReloadUnderWayError."""

    async def set_admin(self, pool: str, address: str, action: AdminAction) -> NodeView:
        """Change what the operator wants of a node; its new view. Raises UnknownPoolError, UnknownNodeError."""

    def metrics_text(self) -> bytes:
        """/metrics in the text format."""

    def institutions_metrics_text(self) -> bytes:
        """/metrics/institutions in the text format. Called in a thread of its own: read only what is safe there."""
