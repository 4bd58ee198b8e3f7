"""Nodes of a pool and how exchanges are shared among them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from settings.errors import RuleError, RulesError
from settings.types import (
    AgentAddress,
    Bool,
    Duration,
    Int,
    Model,
    NodeAddress,
    Number,
    Percent,
    seconds,
)

Policy = Literal["round_robin", "least_connections", "peak_ewma", "random_two", "hash"]


class NodeConfig(Model):
    """One address of a pool."""

    address: NodeAddress
    """Where the node serves; also its name in metrics and admin API. A host name is looked up at start and reload."""
    weight: Number = Field(1.0, gt=0, le=1000)
    """Its share of the work against the pool's other nodes."""
    max_requests: Int | None = Field(None, ge=1, le=1_000_000)
    """Requests in flight, over all workers; default: no limit."""
    backup: Bool = False
    """Takes requests only while no other node of the pool can."""
    snmp: AgentAddress | None = None
    """Its SNMP agent; default: the node's host and the check's port."""


class EjectionConfig(Model):
    """Passive, timed removal of a node that fails real exchanges."""

    consecutive: Int = Field(5, ge=1, le=1000)
    """Failures in a row."""
    share: Percent = 0.5
    """At most this share of the pool's nodes is ejected at a time."""
    base: Duration = seconds(10)
    """The first removal; each further one lasts that much longer."""
    longest: Duration = seconds(300)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.longest < self.base:
            raise RuleError("longest must not be below base", "longest", uses=(("base",),))
        return self


class QueueConfig(Model):
    """Where requests wait when every node is at `max_requests`; fair between institutions."""

    length: Int = Field(1000, ge=0, le=1_000_000)
    """Requests that wait at most; 0: nobody waits."""
    timeout: Duration = seconds(3)
    """A request that waited so long is answered 504."""


class PoolTimeouts(Model):
    """How long a node may take."""

    connect: Duration = seconds(3)
    response: Duration = seconds(60)
    """From the last octet of the request to the head of the response."""
    idle: Duration = seconds(300)
    """A tunnel or body without an octet either way; also how long an unused connection to a node is kept."""

    @model_validator(mode="after")
    def _above_zero(self) -> Self:
        problems = [
            RuleError("must be above zero", name) for name in ("connect", "response", "idle") if not getattr(self, name)
        ]
        if problems:
            raise RulesError(problems)
        return self


class RetryConfig(Model):
    """Another node after a failed connect; never a request whose first octet left, unless it is idempotent."""

    attempts: Int = Field(2, ge=0, le=10)
    """Further nodes tried after the first; 0: none."""
    budget: Percent = 0.1
    """Retries as a share of the pool's requests; above it none is made."""


class BalancingConfig(Model):
    """What the balancer has to know of a pool."""

    policy: Policy = "least_connections"
    """Which node takes the next request."""
    nodes: tuple[NodeConfig, ...] = Field(min_length=1)
    """Addresses that serve the same."""
    min_healthy: Int = Field(1, ge=0)
    """Passive ejection and SNMP never leave fewer nodes than this."""
    slow_start: Duration = seconds(30)
    """A node that comes up reaches its full weight after so long; 0: at once."""
    ejection: EjectionConfig = EjectionConfig()
    queue: QueueConfig = QueueConfig()
    timeouts: PoolTimeouts = PoolTimeouts()
    retries: RetryConfig = RetryConfig()

    @model_validator(mode="after")
    def _nodes_make_a_pool(self) -> Self:
        problems = []
        first: set[NodeAddress] = set()
        for index, node in enumerate(self.nodes):
            if node.address in first:
                message = "the pool has this node already"
                problems.append(RuleError(message, "nodes", index, "address"))
            first.add(node.address)
        if all(node.backup for node in self.nodes):
            message = "every node is a backup; a backup needs a node it stands in for"
            problems.append(RuleError(message, "nodes"))
        if self.min_healthy > len(self.nodes):
            message = "that is more than the pool has nodes; lower it or add nodes"
            problems.append(RuleError(message, "min_healthy", uses=(("nodes",),)))
        if problems:
            raise RulesError(problems)
        return self
