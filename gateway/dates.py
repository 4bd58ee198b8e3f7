"""When what the configuration names will expire; read from the bundle, so that `control` opens no file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.snapshot import Bundle

Dates = dict[str, dict[str, float]]


def dates(bundle: Bundle) -> Dates:
    """{"certificates": {file: notAfter}, "crls": {issuer: nextUpdate}} in Unix time; the earliest of each file."""
    certificates: dict[str, float] = {}
    lists: dict[str, float] = {}
    for listener in bundle.config.listeners.values():
        trust = listener.trust
        for path in (listener.certificate, *trust.anchors, *trust.intermediates):
            ends = [cert.not_valid_after_utc.timestamp() for cert in _certificates(bundle.files.get(str(path), b""))]
            if ends:
                certificates[str(path)] = min(ends)
        for path in trust.crls:
            for crl in _lists(bundle.files.get(str(path), b"")):
                if crl.next_update_utc is not None:
                    lists[crl.issuer.rfc4514_string()] = crl.next_update_utc.timestamp()
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
