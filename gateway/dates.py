"""When what the configuration names will expire; read with the files, so that `control` opens none."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from certs.revocation import RevocationList
    from certs.trust import Trust
    from gateway.config import GatewayConfig

Dates = dict[str, dict[str, float]]


def dates(
    config: GatewayConfig,
    files: Mapping[str, bytes],
    trusts: Mapping[str, Trust],
    node_trusts: Mapping[str, Trust] = MappingProxyType({}),
) -> Dates:
    """{"certificates": {file: notAfter}, "crls": {issuer: nextUpdate}} in Unix time; the earliest of each.

    `trusts` and `node_trusts`: what was built of the trust of each listener and of each pool, by name.
    """
    certificates: dict[str, float] = {}
    lists: dict[str, float] = {}
    for name, listener in config.listeners.items():
        trust = listener.trust
        certificates |= _last_days((listener.certificate, *trust.anchors, *trust.intermediates), files)
        _note(lists, trusts[name])
    for name, built in node_trusts.items():
        upstream = config.pools[name].upstream_tls
        if upstream is not None:
            ours = [path for path in (upstream.certificate, upstream.check_certificate) if path is not None]
            certificates |= _last_days((*ours, *upstream.anchors), files)
            _note(lists, built)
    return {"certificates": certificates, "crls": lists}


def _last_days(paths: Iterable[Path], files: Mapping[str, bytes]) -> dict[str, float]:
    found = {str(path): list(_certificates(files.get(str(path), b""))) for path in paths}
    return {path: min(cert.not_valid_after_utc.timestamp() for cert in certs) for path, certs in found.items() if certs}


def _note(lists: dict[str, float], trust: Trust) -> None:
    for issuer, end in _ends(trust.revocations.lists):
        lists[issuer] = min(end, lists.get(issuer, end))


def _ends(lists: Iterable[RevocationList]) -> Iterable[tuple[str, float]]:
    """A newer list takes the place of an older one of its issuer and scope; one without an end has no date."""
    newest = {(crl.issuer, crl.scope): crl for crl in sorted(lists, key=lambda crl: (crl.this_update, crl.number))}
    return [(crl.issuer.rfc4514_string(), crl.next_update) for crl in newest.values() if crl.next_update is not None]


def _certificates(data: bytes) -> Iterable[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        return ()
