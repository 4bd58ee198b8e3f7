"""Whose certificates are believed, and what we show to nodes that speak TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from settings.addresses import ip_address
from settings.errors import RuleError, RulesError
from settings.types import FilePath, Matching, Model

_NODE_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}"


class TrustConfig(Model):
    """Which client certificates a listener accepts and how a certificate names its institution."""

    anchors: tuple[FilePath, ...] = Field(min_length=1)
    """Files with the CA certificates we accept (PEM, one or several in a file)."""
    intermediates: tuple[FilePath, ...] = ()
    """Issuing CAs that clients may leave out of their chain; resumption needs them too."""
    crls: tuple[FilePath, ...] = ()
    """Revocation lists (PEM or DER), watched. Without any, revocation is not checked."""
    stale_crl: Literal["refuse", "warn"] = "refuse"
    """What to do under a list whose next update is overdue."""
    institution_id: Literal["subject.CN", "subject.UID", "san.uri", "san.dns", "fingerprint"] = "subject.CN"
    """Where the certificate carries the institution id; it must occur there exactly once."""
    unlisted: Literal["refuse", "admit"] = "refuse"
    """An institution without an entry: refuse it, or admit it because the authority's word is enough."""


class UpstreamTLSConfig(Model):
    """Speak TLS 1.2 or 1.3 to the nodes of a pool and verify them; a node that fails this counts as unreachable."""

    anchors: tuple[FilePath, ...] = Field(min_length=1)
    """Files with the CA certificates that may issue the nodes' certificates."""
    crls: tuple[FilePath, ...] = ()
    """Revocation lists (PEM or DER), watched. Without any, revocation is not checked."""
    stale_crl: Literal["refuse", "warn"] = "refuse"
    """What to do under a list whose next update is overdue."""
    server_name: Annotated[str, Matching(_NODE_NAME, "a host name or an IP address is wanted")] | None = None
    """The name that every node's certificate must carry as subjectAltName; a host name is sent as SNI. Default: each
    node's own host, as written in its address."""
    certificate: FilePath | None = None
    """Our client certificate, chain with the leaf first, for nodes that ask for one."""
    key: FilePath | None = None
    """Its private key, without passphrase."""
    check_certificate: FilePath | None = None
    """What health checks show instead, so that the process that runs them holds no key that may settle; default: the
    same."""
    check_key: FilePath | None = None
    """Its private key."""

    @property
    def intermediates(self) -> tuple[()]:
        """Nodes send theirs."""
        return ()

    @property
    def pair(self) -> tuple[Path, Path] | None:
        """Certificate and key for requests."""
        return None if self.certificate is None or self.key is None else (self.certificate, self.key)

    @property
    def check_pair(self) -> tuple[Path, Path] | None:
        """Certificate and key for checks."""
        if self.check_certificate is None or self.check_key is None:
            return self.pair
        return self.check_certificate, self.check_key

    @model_validator(mode="after")
    def _certificate_and_key_come_together(self) -> Self:
        problems = []
        for certificate, key in (("certificate", "key"), ("check_certificate", "check_key")):
            if getattr(self, certificate) is not None and getattr(self, key) is None:
                message = f"{key} is missing; a certificate needs its key"
                problems.append(RuleError(message, certificate, uses=((key,),)))
            if getattr(self, key) is not None and getattr(self, certificate) is None:
                message = f"{certificate} is missing; a key needs its certificate"
                problems.append(RuleError(message, key, uses=((certificate,),)))
        if self.server_name is not None and ":" in self.server_name and ip_address(self.server_name) is None:
            problems.append(RuleError("with a colon only an IPv6 address is wanted, without port", "server_name"))
        if problems:
            raise RulesError(problems)
        return self
