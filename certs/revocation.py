"""Revocation lists: read, matched to the key that signed them, asked about a certificate.

OpenSSL is not asked: it would hash and verify a whole list in every handshake (14 ms for one of 20,000 entries),
with whatever key a stranger presents as the issuer's, and it knows no "checked where a list exists". Here a list's
signature is verified once per issuer key, and only for issuers on a path that already leads to an anchor.

A list is used only if it says all there is to say about the certificates it covers: delta lists, indirect lists,
lists for some reasons only, and lists with a critical extension we do not know are refused with a warning.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from certs.credential import clean, spki_of
from certs.verdict import CERT_REVOKED, CRL_HAS_EXPIRED, CRL_NOT_YET_VALID, UNABLE_TO_GET_CRL

_PEM: Final = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)
_UNDERSTOOD: Final = frozenset({ExtensionOID.ISSUING_DISTRIBUTION_POINT, ExtensionOID.AUTHORITY_KEY_IDENTIFIER})
ISSUERS_REMEMBERED: Final = 256


class RevocationError(ValueError):
    """The list cannot be used; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Issuer:
    """A CA certificate on a verified path."""

    certificate: x509.Certificate = field(repr=False)
    der: bytes = field(repr=False)
    spki: str
    """SHA-256 of its public key, hex: revocation is keyed by this, because names can be taken by anybody."""

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Issuer:
        return cls(certificate, certificate.public_bytes(Encoding.DER), spki_of(certificate))

    @property
    def subject(self) -> str:
        return clean(self.certificate.subject.rfc4514_string())

    @property
    def may_sign_lists(self) -> bool:
        try:
            usage = self.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        except x509.ExtensionNotFound:
            return True
        return usage.crl_sign


@dataclass(frozen=True, slots=True)
class Subject:
    """What a list has to know of a certificate: all that is kept of it, for thousands of them are remembered."""

    serial: int
    points: tuple[str, ...] = ()
    """Its distribution points."""

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Subject:
        return cls(certificate.serial_number, tuple(sys.intern(point) for point in sorted(_points_of(certificate))))


@dataclass(frozen=True, slots=True)
class Scope:
    """Which certificates of its issuer a list speaks of (RFC 5280 5.2.5)."""

    points: frozenset[str] | None = None
    """Only certificates that name one of these distribution points; None: all."""
    leaves: bool = True
    authorities: bool = True

    def covers(self, subject: Subject, *, authority: bool) -> bool:
        if not (self.authorities if authority else self.leaves):
            return False
        return self.points is None or not self.points.isdisjoint(subject.points)


@dataclass(frozen=True, slots=True, eq=False)
class RevocationList:
    """One list as it was read; nothing is believed before an issuer's key has verified it."""

    source: str
    issuer: x509.Name
    this_update: float
    """Unix seconds."""
    next_update: float | None
    """None: the list names no end, so nobody can say that it is fresh; it counts as stale."""
    number: int
    scope: Scope
    revoked: frozenset[int] = field(repr=False)
    crl: x509.CertificateRevocationList = field(repr=False)

    def signed_by(self, issuer: Issuer) -> bool:
        if self.issuer != issuer.certificate.subject or not issuer.may_sign_lists:
            return False
        try:
            return self.crl.is_signature_valid(issuer.certificate.public_key())  # type: ignore[arg-type]
        except Exception:  # noqa: BLE001 - key types without signatures raise TypeError, others raise what they like
            return False

    def stale(self, now: float) -> int | None:
        """The code that says why this list cannot be relied on at `now`."""
        if self.this_update > now:
            return CRL_NOT_YET_VALID
        if self.next_update is None or self.next_update <= now:
            return CRL_HAS_EXPIRED
        return None


class Revocations:
    """Every list of a listener, found by the issuer's key. Asked, it answers; it never changes."""

    def __init__(self, lists: Iterable[RevocationList], *, configured: bool, incomplete: bool = False) -> None:
        self.lists = tuple(lists)
        self.incomplete = incomplete
        """Some list that was asked for could not be read: nobody knows whose it was, so every issuer needs one."""
        self.configured = configured
        """Whether lists were asked for: then a certificate without one is refused, even if none could be read."""
        self._by_key: dict[str, tuple[RevocationList, ...]] = {}

    def of(self, issuer: Issuer) -> tuple[RevocationList, ...]:
        """The lists this very key has signed, newest first. Call it for issuers on a verified path only."""
        found = self._by_key.get(issuer.spki)
        if found is None:
            signed = [entry for entry in self.lists if entry.signed_by(issuer)]
            found = tuple(sorted(signed, key=lambda entry: (entry.this_update, entry.number), reverse=True))
            if len(self._by_key) < ISSUERS_REMEMBERED:
                self._by_key[issuer.spki] = found
        return found

    def judge(self, issuer: Issuer, subject: Subject, depth: int, now: float) -> tuple[int, ...]:
        """Codes that speak against this certificate at `now`; the issuer's place on the path is already proven."""
        covering = [entry for entry in self.of(issuer) if entry.scope.covers(subject, authority=depth > 0)]
        if not covering:
            return (UNABLE_TO_GET_CRL,) if self.configured and (depth == 0 or self.incomplete) else ()
        # A list published ahead of its time does not displace the one that is in force.
        newest = next((entry for entry in covering if entry.this_update <= now), covering[0])
        codes = [CERT_REVOKED] if subject.serial in newest.revoked else []
        stale = newest.stale(now)
        return (*codes, stale) if stale is not None else tuple(codes)

    def holds(self, issuer_spki: str, serial: int) -> bool:
        """Whether a list that this key has signed names the serial; only keys already met can be answered for."""
        newest: dict[Scope, RevocationList] = {}
        for entry in self._by_key.get(issuer_spki, ()):
            newest.setdefault(entry.scope, entry)
        return any(serial in entry.revoked for entry in newest.values())


def load(
    paths: Sequence[Path], files: Mapping[str, bytes], known: Sequence[Issuer]
) -> tuple[Revocations, tuple[str, ...]]:
    """Read every list of `paths`; whatever is wrong becomes a warning, because a bad list must not stop the start."""
    lists: list[RevocationList] = []
    warnings: list[str] = []
    incomplete = False
    for path in paths:
        data = files.get(str(path))
        if data is None:
            warnings.append(f"{path}: the list cannot be read")
            incomplete = True
            continue
        blocks = _PEM.findall(data) or [data]
        for block in blocks:
            try:
                lists.append(read(block, str(path)))
            except RevocationError as error:
                warnings.append(f"{path}: {error}")
                incomplete = True
    warnings.extend(filter(None, (_doubt(entry, known) for entry in lists)))
    return Revocations(lists, configured=bool(paths), incomplete=incomplete), tuple(warnings)


def _doubt(entry: RevocationList, known: Sequence[Issuer]) -> str | None:
    namesakes = [issuer for issuer in known if issuer.certificate.subject == entry.issuer]
    name = clean(entry.issuer.rfc4514_string())
    if not namesakes:
        return f"{entry.source}: list of {name}, which is neither an anchor nor an intermediate here"
    if not any(entry.signed_by(issuer) for issuer in namesakes):
        return f"{entry.source}: not signed by {name}; not used"
    if entry.next_update is None:
        return f"{entry.source}: names no next update and counts as stale"
    return None


def read(data: bytes, source: str) -> RevocationList:
    """One list, PEM or DER. Raises RevocationError."""
    try:
        return _read(data, source)
    except RevocationError:
        raise
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic in cryptography's Rust is not an Exception
        raise RevocationError(f"the list cannot be read: {clean(str(error))}") from error


def _read(data: bytes, source: str) -> RevocationList:
    pem = data.lstrip().startswith(b"-----")
    crl = x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)
    for extension in crl.extensions:
        if extension.oid == ExtensionOID.DELTA_CRL_INDICATOR:
            raise RevocationError("delta lists are not supported; not used")
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise RevocationError(f"unknown critical extension {extension.oid.dotted_string}; not used")
    return RevocationList(
        source=source,
        issuer=crl.issuer,
        this_update=crl.last_update_utc.timestamp(),
        next_update=None if crl.next_update_utc is None else crl.next_update_utc.timestamp(),
        number=_number(crl),
        scope=_scope(crl),
        revoked=frozenset(entry.serial_number for entry in crl),
        crl=crl,
    )


def _number(crl: x509.CertificateRevocationList) -> int:
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return -1


def _scope(crl: x509.CertificateRevocationList) -> Scope:
    try:
        point = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return Scope()
    if point.indirect_crl or point.only_some_reasons or point.only_contains_attribute_certs or point.relative_name:
        raise RevocationError("indirect and partial lists are not supported; not used")
    return Scope(
        points=_uris(point.full_name) if point.full_name else None,
        leaves=not point.only_contains_ca_certs,
        authorities=not point.only_contains_user_certs,
    )


def _points_of(certificate: x509.Certificate) -> frozenset[str]:
    """Empty where they cannot be read: lists for certain points do not speak of it then, and where lists are asked for
    that refuses it."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        return frozenset().union(*(_uris(point.full_name or ()) for point in points))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - a panic in cryptography's Rust is not an Exception
        return frozenset()


def _uris(names: Iterable[x509.GeneralName]) -> frozenset[str]:
    return frozenset(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))
