"""Whose certificates are believed, and what we show to nodes that speak TLS."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from settings.errors import RuleError
from settings.types import FilePath, Matching, Model


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
    """Speak TLS to the nodes of a pool and verify them."""

    anchors: tuple[FilePath, ...] = Field(min_length=1)
    """Files with the CA certificates that may issue the nodes' certificates."""
    server_name: Annotated[str, Matching(r"[A-Za-z0-9.:-]{1,253}", "a host name or an IP address is wanted")]
    """The name that every node's certificate must carry; sent as SNI."""
    certificate: FilePath | None = None
    """Our client certificate, chain with the leaf first."""
    key: FilePath | None = None
    """Its private key."""

    @model_validator(mode="after")
    def _certificate_and_key_come_together(self) -> Self:
        if self.certificate is not None and self.key is None:
            raise RuleError("key is missing; a certificate needs its key", "certificate", uses=(("key",),))
        if self.key is not None and self.certificate is None:
            raise RuleError("certificate is missing; a key needs its certificate", "key", uses=(("certificate",),))
        return self
