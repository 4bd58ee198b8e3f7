"""When what the configuration names will expire; read with the files, so that `control` opens none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from certs.revocation import RevocationList
    from certs.trust import Trust
    from gateway.config import GatewayConfig

Dates = dict[str, dict[str, float]]


def dates(config: GatewayConfig, files: Mapping[str, bytes], trusts: Mapping[str, Trust]) -> Dates:
    """{"certificates": {file: notAfter}, "crls": {issuer: nextUpdate}} in Unix time; the earliest of each.

    `trusts`: what was built of each listener's trust, by name.
    """
    certificates: dict[str, float] = {}
    lists: dict[str, float] = {}
    for name, listener in config.listeners.items():
        trust = listener.trust
        for path in (listener.certificate, *trust.anchors, *trust.intermediates):
            ends = [cert.not_valid_after_utc.timestamp() for cert in _certificates(files.get(str(path), b""))]
            if ends:
                certificates[str(path)] = min(ends)
        for issuer, end in _ends(trusts[name].revocations.lists):
            lists[issuer] = min(end, lists.get(issuer, end))
    return {"certificates": certificates, "crls": lists}


def _ends(lists: Iterable[RevocationList]) -> Iterable[tuple[str, float]]:
    """A newer list takes the place of an older one of its issuer and scope; one without an end has no date."""
    newest = {(crl.issuer, crl.scope): crl for crl in sorted(lists, key=lambda crl: (crl.this_update, crl.number))}
    return [(crl.issuer.rfc4514_string(), crl.next_update) for crl in newest.values() if crl.next_update is not None]


def _certificates(data: bytes) -> Iterable[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        return ()
