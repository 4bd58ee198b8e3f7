"""How the nodes of a pool are probed."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from settings.errors import RuleError, RulesError
from settings.types import Duration, Int, Matching, Model, Percent, Port, RequestPath, Secret, seconds

Status = Annotated[Int, Field(ge=100, le=599)]


class HttpCheck(Model):
    """A GET over a fresh connection, judged by its status and, if asked, its body."""

    path: RequestPath = "/"
    """Target of the request, in its encoded form."""
    method: Literal["GET", "HEAD", "OPTIONS"] = "GET"
    """How to ask; HEAD brings no body to search."""
    status: tuple[Status, ...] = Field((200,), min_length=1)
    """What counts as healthy."""
    body_contains: str | None = Field(None, min_length=1, max_length=1024)
    """Text that must occur in the body."""
    host: Annotated[str, Matching(r"[A-Za-z0-9._:\[\]-]{1,255}", "a host is a name or an address")] | None = None
    """Host field to send; default: the node's address."""
    port: Port | None = Field(None, ge=1, le=65535)
    """Default: the node's own."""

    @model_validator(mode="after")
    def _a_body_can_be_searched(self) -> Self:
        if self.body_contains is not None and self.method == "HEAD":
            raise RuleError("a HEAD request has no body to search; use GET", "body_contains", uses=(("method",),))
        return self


class TcpCheck(Model):
    """The node accepts a connection."""

    port: Port | None = Field(None, ge=1, le=65535)
    """Default: the node's own."""


class MetricConfig(Model):
    """One load reading and what it does to a node's weight: full up to `comfort`, none at `limit`."""

    comfort: Percent
    """Up to here the node keeps its full weight."""
    limit: Percent
    """From here on it gets as little as can be."""
    eject_above: Percent | None = None
    """Above this it gets nothing at all, within the pool's `min_healthy`."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.comfort >= self.limit:
            raise RuleError("comfort must be below limit", "comfort", uses=(("limit",),))
        if self.eject_above is not None and self.eject_above < self.limit:
            raise RuleError("eject_above must not be below limit", "eject_above", uses=(("limit",),))
        return self


AuthProtocol = Literal["sha", "sha256", "sha384", "sha512"]
PrivacyProtocol = Literal["aes128", "aes256"]
MetricName = Literal["cpu", "memory"]


def _version_text(value: Any) -> Any:
    """`version: 3` is a number to YAML, and nobody writes quotes there."""
    return "3" if value == 3 and not isinstance(value, bool) else value


class SnmpCheck(Model):
    """Load readings from the agent on the node's host; they weigh, and never take the last nodes away."""

    port: Port = Field(161, ge=1, le=65535)
    """The agent's UDP port on the node's host; a node's own `snmp` goes first."""
    version: Annotated[
        Literal["2c", "3"],
        BeforeValidator(_version_text),
        WithJsonSchema({"enum": ["2c", "3", 3]}),
    ] = "2c"
    """2c sends its community in clear text; 3 is taken only with authentication and privacy."""
    community: Secret | None = None
    """2c only."""
    user: str | None = Field(None, min_length=1, max_length=32)
    """3 only."""
    auth: dict[AuthProtocol, Secret] = Field(default_factory=dict, max_length=1)
    """3 only: one protocol and its passphrase."""
    privacy: dict[PrivacyProtocol, Secret] = Field(default_factory=dict, max_length=1)
    """3 only: one protocol and its passphrase."""
    metrics: dict[MetricName, MetricConfig] = Field(default_factory=dict)
    """What to read. `cpu`: ssCpuRaw deltas, else hrProcessorLoad; `memory`: what is not available of the total."""

    @model_validator(mode="after")
    def _credentials_fit_the_version(self) -> Self:
        three = ("user", "auth", "privacy")
        written = {name for name in (*three, "community") if getattr(self, name)}
        wanted, foreign = ({"community"}, set(three)) if self.version == "2c" else (set(three), {"community"})
        problems = []
        for name in (*three, "community"):
            if name in wanted - written:
                problems.append(RuleError(f"that needs {name}", "version", uses=((name,),)))
            if name in foreign & written:
                problems.append(RuleError(f"not used by version {self.version}; remove it", name, uses=(("version",),)))
        for name in ("auth", "privacy"):
            for protocol, passphrase in getattr(self, name).items():
                if len(passphrase) < 8:  # RFC 3414, 11.2
                    problems.append(RuleError("a passphrase needs at least 8 characters", name, protocol))
        if problems:
            raise RulesError(problems)
        return self


def _default_interval(written: dict[str, Any]) -> float:
    return seconds(10) if written.get("snmp") is not None else seconds(5)


class CheckConfig(Model):
    """One way the nodes of a pool are probed: exactly one of `http`, `tcp` and `snmp`."""

    http: HttpCheck | None = None
    """An answer with the right status, and body."""
    tcp: TcpCheck | None = None
    """A connection is accepted; `tcp: {}` has everything."""
    snmp: SnmpCheck | None = None
    """Load readings that weigh the node."""
    interval: Duration = Field(default_factory=_default_interval)
    """Between two probes of the same node; default 5s, for snmp 10s. At most 1s while in doubt, 2s while down."""
    timeout: Duration = seconds(1)
    """Of one probe, connecting included."""
    fall: Int = Field(3, ge=1, le=100)
    """Failures in a row before an up node is taken out."""
    rise: Int = Field(2, ge=1, le=100)
    """Passes in a row before a down node takes traffic again."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [kind for kind in ("http", "tcp", "snmp") if getattr(self, kind) is not None]
        if not kinds:
            raise RuleError("a check is exactly one of http, tcp, snmp", uses=(("http",), ("tcp",), ("snmp",)))
        if len(kinds) > 1:
            raise RuleError(f"a check is exactly one of http, tcp, snmp; make {kinds[1]} a check of its own", kinds[1])
        return self

    @model_validator(mode="after")
    def _probe_ends_before_the_next(self) -> Self:
        if self.interval < 0.01:
            raise RuleError("interval must be at least 10ms", "interval")
        if self.timeout < 0.001:
            raise RuleError("timeout must be at least 1ms", "timeout")
        if self.timeout >= self.interval:
            raise RuleError(
                "timeout must be below interval; lower timeout or raise interval",
                "timeout",
                uses=(("interval",),),
            )
        return self
