"""When what the configuration names will expire; read with the files, so that `control` opens none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.config import GatewayConfig

Dates = dict[str, dict[str, float]]


def dates(config: GatewayConfig, files: Mapping[str, bytes]) -> Dates:
    """{"certificates": {file: notAfter}, "crls": {issuer: nextUpdate}} in Unix time; the earliest of each.

    What cannot be parsed has no date here: whether it may be used at all is decided where it is used.
    """
    certificates: dict[str, float] = {}
    lists: dict[str, float] = {}
    for listener in config.listeners.values():
        trust = listener.trust
        for path in (listener.certificate, *trust.anchors, *trust.intermediates):
            ends = [cert.not_valid_after_utc.timestamp() for cert in _certificates(files.get(str(path), b""))]
            if ends:
                certificates[str(path)] = min(ends)
        for path in trust.crls:
            for crl in _lists(files.get(str(path), b"")):
                if crl.next_update_utc is not None:
                    issuer, at = crl.issuer.rfc4514_string(), crl.next_update_utc.timestamp()
                    lists[issuer] = min(at, lists.get(issuer, at))
    return {"certificates": certificates, "crls": lists}


def _certificates(data: bytes) -> Iterable[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        return ()


def _lists(data: bytes) -> Iterable[x509.CertificateRevocationList]:
    for load in (x509.load_pem_x509_crl, x509.load_der_x509_crl):
        try:
            return (load(data),)
        except ValueError:
            continue
    return ()
