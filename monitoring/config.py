"""Admin API, access log, and who is told what."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from certs.config import TrustConfig
from settings.errors import RuleError, RulesError
from settings.types import (
    Address,
    BindAddress,
    Bool,
    Duration,
    FilePath,
    Hidden,
    Matching,
    Model,
    Name,
    Secret,
    ServerAddress,
    resolve_path,
    seconds,
)
from settings.wording import nearest

AlertName = Literal[
    "node_down",
    "node_ejected",
    "pool_below_minimum",
    "pool_down",
    "crl_stale",
    "certificate_expiring",
    "reload_failed",
    "worker_died",
    "queue_full",
]


class AdminTLSConfig(Model):
    """The admin listener's own certificate."""

    certificate: FilePath
    """Chain, leaf first."""
    key: FilePath


class AdminConfig(Model):
    """Admin API, metrics and status page."""

    bind: BindAddress = Address("127.0.0.1", 19901)
    """Loopback only."""
    tls: AdminTLSConfig | None = None
    """Its own certificate."""
    trust: TrustConfig | None = None
    """Whose client certificates may use it."""

    @model_validator(mode="after")
    def _nobody_else_gets_in(self) -> Self:
        if ipaddress.ip_address(self.bind.host).is_loopback:
            return self
        if self.tls is None or self.trust is None:
            raise RuleError(
                "must be a loopback address: whoever reaches the admin API may drain nodes",
                "bind",
                uses=(("tls",), ("trust",)),
            )
        raise RuleError(
            "must be a loopback address: admin.tls and admin.trust are accepted, not yet in force, "
            "and without them it must not be reachable from outside",
            "bind",
        )


def _access_target(value: Any, info: ValidationInfo) -> str | Path:
    return value if value in ("stdout", "none") else resolve_path(value, info)


class LogConfig(Model):
    """One line per exchange."""

    access: Annotated[
        Literal["stdout", "none"] | Path,
        PlainValidator(_access_target),
        PlainSerializer(str, return_type=str, when_used="json"),
        WithJsonSchema({"type": "string", "minLength": 1, "examples": ["stdout", "none", "access.log"]}),
    ] = "stdout"
    """stdout, none, or a file."""
    format: Literal["json"] = "json"


MailAddress = Annotated[
    str, Matching(r"[^@\s<>,;:\"\x00-\x1f]{1,64}@[A-Za-z0-9.-]{1,253}", "a mail address is NAME@DOMAIN")
]


class EmailChannel(Model):
    """Mail through one server."""

    server: ServerAddress
    sender: MailAddress = Field(alias="from")
    to: tuple[MailAddress, ...] = Field(min_length=1)
    starttls: Bool = False
    """Ask for TLS on a plain connection and send nothing without it."""
    tls: Bool = False
    """TLS from the first octet."""
    username: str | None = Field(None, min_length=1)
    password: Secret | None = None

    @model_validator(mode="after")
    def _credentials_are_whole_and_covered(self) -> Self:
        problems = []
        if self.tls and self.starttls:
            problems.append(RuleError("either tls or starttls, not both", "starttls", uses=(("tls",),)))
        if self.username is not None and self.password is None:
            problems.append(RuleError("password is missing", "username", uses=(("password",),)))
        if self.password is not None and self.username is None:
            problems.append(RuleError("username is missing", "password", uses=(("username",),)))
        loopback = self.server.host in {"localhost", "::1"} or self.server.host.startswith("127.")
        if self.password is not None and not (self.tls or self.starttls or loopback):
            message = "would cross the network in clear text; set starttls: true or tls: true"
            problems.append(RuleError(message, "password", uses=(("tls",), ("starttls",))))
        if problems:
            raise RulesError(problems)
        return self


def _web_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("an absolute http:// or https:// address is wanted")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address must not carry a password; use headers with !secret")
    return url


HeaderName = Annotated[
    str, Matching(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", "a header name has letters, digits and hyphens")
]
PhoneNumber = Annotated[str, Matching(r"\+?[0-9]{3,20}", "a telephone number has 3 to 20 digits, perhaps a + before")]


def _without_query(url: str) -> str:
    """Many services take their key in the query."""
    address, mark, _ = url.partition("?")
    return address + mark + ("<secret>" if mark else "")


class SmsHttp(Model):
    """One POST per message to a text message service."""

    url: Annotated[
        str, AfterValidator(_web_address), PlainSerializer(_without_query, return_type=str, when_used="json"), Hidden()
    ]
    """Where to post; its query, if any, is treated as a secret."""
    template: str = Field("{text}", min_length=1, max_length=4096)
    """The body to send; {text} and {to} are filled in."""
    headers: dict[HeaderName, Secret] = Field(default_factory=dict)
    """Header fields to add; every value is treated as a secret."""
    timeout: Duration = seconds(5)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if "{text}" not in self.template:
            raise RuleError("must contain {text}", "template")
        return self


class SmsChannel(Model):
    """Text messages."""

    http: SmsHttp
    to: tuple[PhoneNumber, ...] = Field(min_length=1)
    """Telephone numbers, in quotes."""


class ChannelConfig(Model):
    """One way to reach people: exactly one of `email` and `sms`."""

    email: EmailChannel | None = None
    sms: SmsChannel | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.email is None and self.sms is None:
            raise RuleError("a channel is exactly one of email, sms", uses=(("email",), ("sms",)))
        if self.email is not None and self.sms is not None:
            raise RuleError("a channel is exactly one of email, sms; make sms a channel of its own", "sms")
        return self


class AlertRoute(Model):
    """Which alerts go where."""

    when: tuple[AlertName, ...] = Field(min_length=1)
    send: tuple[str, ...] = Field(min_length=1)
    """Names of channels."""


class AlertsConfig(Model):
    """Who is told when something is wrong."""

    channels: dict[Name, ChannelConfig] = Field(default_factory=dict)
    """Ways to reach people, by name."""
    routes: tuple[AlertRoute, ...] = ()
    """All that match are used."""

    @model_validator(mode="after")
    def _channels_exist(self) -> Self:
        problems = []
        for index, route in enumerate(self.routes):
            for number, name in enumerate(route.send):
                if name not in self.channels:
                    meant = nearest(name, self.channels)
                    message = "there is no such channel" + (f'; did you mean "{meant}"?' if meant else "")
                    at = ("routes", index, "send", number)
                    problems.append(RuleError(message, *at, uses=(("channels", name),)))
        if problems:
            raise RulesError(problems)
        return self
