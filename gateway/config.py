"""The whole configuration: listeners, institutions, routes, and the pools assembled from the leaves' parts.

What holds between two sections is in `gateway.config_rules`; what the files named here contain is looked at by
`gateway.check_files`. Names (institution, pool, route, listener) become metric labels, hence their alphabet.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from balancer.config import BalancingConfig
from certs.config import TrustConfig, UpstreamTLSConfig
from gateway.config_rules import broken_rules
from healthcheck.config import CheckConfig
from monitoring.config import AdminConfig, AlertsConfig, LogConfig
from settings.errors import RuleError, RulesError
from settings.include import include
from settings.load import Document, load, read_document
from settings.types import (
    BindAddress,
    Bool,
    ByteRate,
    Duration,
    FilePath,
    Int,
    Matching,
    Model,
    Name,
    Network,
    Rate,
    RequestPath,
    Size,
    seconds,
)

KeyPin = Annotated[str, Matching(r"sha256:[0-9a-f]{64}", "a pin is sha256: and 64 lower-case hexadecimal digits")]
RouteHost = Annotated[
    str, Matching(r"[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\]", "a host is a name or an IP address, without port")
]


class SessionTimeouts(Model):
    """How long a client may take."""

    handshake: Duration = seconds(10)
    """From accept to the end of the TLS handshake."""
    head: Duration = seconds(10)
    """The whole request head."""
    body: Duration = seconds(30)
    """Nothing read or taken for so long."""
    idle: Duration = seconds(75)
    """Between two requests, and in a tunnel."""

    @model_validator(mode="after")
    def _above_zero(self) -> Self:
        names = ("handshake", "head", "body", "idle")
        problems = [RuleError("must be above zero", name) for name in names if not getattr(self, name)]
        if problems:
            raise RulesError(problems)
        return self


class ListenerLimits(Model):
    """How much one listener takes."""

    connections: Int = Field(20000, ge=1, le=10_000_000)
    """Admitted, over all workers."""
    handshakes: Int = Field(4096, ge=1, le=10_000_000)
    """Connected and not admitted yet, refused ones included; each worker has its part. A newcomer beyond it takes the
    place of one that is silent."""
    connections_per_address: Int | None = Field(None, ge=1, le=10_000_000)
    """Open from one address, admitted or not; the /64 of an IPv6 address. Many institutions may share one."""
    handshakes_per_address: Int | None = Field(None, ge=1, le=10_000_000)
    """Not admitted yet, from one address."""
    head: Size = Field(32 * 1024, ge=1024, le=1024 * 1024)
    """A request head with its field lines."""
    fields: Int = Field(128, ge=8, le=10_000)
    """Field lines in a head."""
    target: Size = Field(8 * 1024, ge=64, le=1024 * 1024)
    """The request target."""
    minimum_rate: ByteRate | None = None
    """Either way, after the first 5 s; slower connections are closed."""

    @model_validator(mode="after")
    def _a_target_fits_a_head(self) -> Self:
        if self.target > self.head:
            raise RuleError("a target must fit into a head; lower target or raise head", "target", uses=(("head",),))
        return self


class ResumptionConfig(Model):
    """TLS session tickets: they save work and prove nothing."""

    enabled: Bool = True
    lifetime: Duration = Field(seconds(3600), ge=1, le=172_800)
    """From the full handshake; a ticket is not renewed by its use."""


def _as_list(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else (value,)


class ProxyProtocolConfig(Model):
    """Balancers in front of a listener, which announce each client in a PROXY header (version 1 or 2).

    From these networks a header is demanded; everybody else is refused, as anybody could announce anything.
    """

    networks: tuple[Network, ...] = Field(alias="from", min_length=1)
    """Networks or addresses of the balancers, as 10.0.0.0/8."""


class ListenerConfig(Model):
    """An address that accepts institutions: HTTP/1.1 and WebSocket over mutual TLS."""

    bind: Annotated[
        tuple[BindAddress, ...],
        BeforeValidator(_as_list),
        Field(min_length=1),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string", "examples": ["127.0.0.1:18443", "[::]:443"]},
                    {"type": "array", "items": {"type": "string"}, "minItems": 1},
                ]
            }
        ),
    ]
    """One address or a list of them."""
    certificate: FilePath
    """Chain, leaf first."""
    key: FilePath
    """The certificate's private key, without passphrase."""
    minimum_tls: Literal["1.2", "1.3"] = "1.2"
    """In quotes."""
    trust: TrustConfig
    """Whose certificates are accepted."""
    proxy_protocol: ProxyProtocolConfig | None = None
    """Default: clients connect directly, and a PROXY header is no TLS and refused."""
    refusal: Literal["explain", "close"] = "explain"
    """explain: finish the handshake and answer 403 with the reason; close: fail the handshake."""
    timeouts: SessionTimeouts = SessionTimeouts()
    limits: ListenerLimits = ListenerLimits()
    resumption: ResumptionConfig = ResumptionConfig()


class InstitutionLimits(Model):
    """What one institution may use at a time; default: no limit."""

    requests: Int | None = Field(None, ge=1, le=1_000_000)
    """In flight."""
    rate: Rate | None = None
    """New requests."""
    connections: Int | None = Field(None, ge=1, le=1_000_000)
    """Open at a time."""


class InstitutionConfig(Model):
    """A hospital or pharmacy that may enter."""

    name: str = Field("", max_length=200)
    """For people: shown in logs and on pages."""
    enabled: Bool = True
    """false refuses it, and closes what it has open."""
    routes: tuple[str, ...] | None = None
    """Names of the routes it may use; default: all."""
    keys: tuple[KeyPin, ...] = ()
    """Pins: sha256: and the SHA-256 of the certificate's public key (SPKI) in hex. Any other key is refused."""
    limits: InstitutionLimits = InstitutionLimits()


class RouteConfig(Model):
    """A rule that chooses a pool; the first that matches wins."""

    name: Name
    listener: str | None = None
    """Default: every listener."""
    host: RouteHost | None = None
    """Without port, in any case; default: every host."""
    path: RequestPath = "/"
    """Prefix of the normalised path."""
    pool: str
    """Name of the pool that serves it."""


class PoolConfig(BalancingConfig):
    """Interchangeable nodes."""

    upstream_tls: UpstreamTLSConfig | None = None
    """Default: plain text to the nodes."""
    proxy_protocol: Literal["v2"] | None = None
    """v2: each connection to a node begins with a PROXY header that names the client, before TLS; a kept connection
    serves requests of that client alone. Default: none."""
    checks: tuple[CheckConfig, ...] = ()
    """All must pass. A pool without checks is up at once."""


def _processors() -> int:
    return min(64, len(os.sched_getaffinity(0)))


# The rule itself is in config_rules: said there, it does not hide what else is wrong with the file.
_AT_LEAST_ONE: dict[str, Any] = {"minProperties": 1}


class GatewayConfig(Model):
    """One gateway: its listeners, who may enter, and where requests go."""

    model_config = ConfigDict(json_schema_extra={"required": ["listeners", "pools"]})

    workers: Int = Field(default_factory=_processors, ge=1, le=64)
    """Data-plane processes; default: one per CPU."""
    listeners: dict[Name, ListenerConfig] = Field(default_factory=dict, json_schema_extra=_AT_LEAST_ONE)
    """Addresses that accept institutions; at least one."""
    institutions: dict[Name, InstitutionConfig] = Field(default_factory=dict)
    """Who may enter, by institution id."""
    institutions_from: str | None = Field(None, min_length=1)
    """Pattern of further files with institutions, as `institutions/*.yaml`; relative to this file."""
    routes: tuple[RouteConfig, ...] = ()
    """Which requests go to which pool, in order."""
    pools: dict[Name, PoolConfig] = Field(default_factory=dict, json_schema_extra=_AT_LEAST_ONE)
    """Nodes that serve; at least one pool."""
    alerts: AlertsConfig = AlertsConfig()
    admin: AdminConfig = AdminConfig()
    log: LogConfig = LogConfig()

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        problems = broken_rules(self)
        if problems:
            raise RulesError(problems)
        return self


def read_gateway(path: Path) -> Document:
    """The file and those with institutions, as they are written; `document.files` are all that were read."""
    document = read_document(path)
    include(document, "institutions_from", "institutions")
    return document


def load_document(document: Document) -> GatewayConfig:
    """Raises `ConfigError` with every problem."""
    return load(document, GatewayConfig)


def load_gateway(path: Path) -> GatewayConfig:
    """Raises `ConfigError` with every problem of the file and of those with institutions."""
    return load_document(read_gateway(path))
