"""What is wrong with one certificate, key or revocation list. Opens nothing; `now` is an argument.

Meant for the operator's own files before they are used. Whether a client is admitted is decided elsewhere, by
OpenSSL and `gateway.admission`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from settings.wording import show_text

E = TypeVar("E", bound=x509.ExtensionType)

SOON: Final = timedelta(days=30)
CRL_SOON: Final = timedelta(hours=6)
_PEM_CRL: Final = b"-----BEGIN X509 CRL-----"
_PEM_CRL_END: Final = b"-----END X509 CRL-----"


class Verdict(NamedTuple):
    """`fatal`: it will not work, or not as meant."""

    fatal: bool
    text: str


def parse_certificates(octets: bytes) -> list[x509.Certificate]:
    """Every certificate of a PEM file, in order. Raises `ValueError` if there is none, or a broken one."""
    try:
        certificates = x509.load_pem_x509_certificates(octets)
        for certificate in certificates:
            # Extensions are parsed late, and a malformed one raises then.
            _ = certificate.extensions, certificate.subject, certificate.issuer
            certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise ValueError("no certificate") from error
    return certificates


def parse_crls(octets: bytes) -> list[x509.CertificateRevocationList]:
    """Every revocation list of a PEM file, or the one of a DER file. Raises `ValueError`."""
    try:
        if _PEM_CRL not in octets:
            return [x509.load_der_x509_crl(octets)]
        pieces = octets.split(_PEM_CRL)[1:]
        return [
            x509.load_pem_x509_crl(_PEM_CRL + piece.split(_PEM_CRL_END)[0] + _PEM_CRL_END + b"\n") for piece in pieces
        ]
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("no revocation list") from error


def chain(certificates: Sequence[x509.Certificate], now: datetime, *, server: bool) -> Iterator[Verdict]:
    """A certificate of ours with the issuing ones behind it."""
    if not certificates:
        return
    leaf = certificates[0]
    for number, certificate in enumerate(certificates):
        yield from _dates(certificate, now, "" if number == 0 else f"certificate {number + 1} of the chain ")
    yield from _purpose(leaf, server=server)
    yield from _strength(leaf)
    if server and not _has_names(leaf):
        yield Verdict(False, "no subjectAltName: browsers refuse it")
    for number, (certificate, issuer) in enumerate(pairwise(certificates), 1):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            yield Verdict(True, f"certificate {number + 1} did not issue certificate {number}; the order is leaf first")
            break


def key(octets: bytes, certificates: Sequence[x509.Certificate]) -> Iterator[Verdict]:
    """The private key of a chain's leaf."""
    try:
        private = serialization.load_pem_private_key(octets, password=None)
    except TypeError:
        yield Verdict(True, "the key is encrypted; write it without a passphrase, readable by the gateway alone")
        return
    except (ValueError, UnsupportedAlgorithm):
        yield Verdict(True, "no private key in PEM")
        return
    if not certificates:
        return
    own = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    matches = [number for number, certificate in enumerate(certificates) if _spki(certificate) == own]
    if not matches:
        yield Verdict(True, "the key does not match the certificate")
    elif matches[0] > 0:
        yield Verdict(True, f"the key matches certificate {matches[0] + 1} of the chain; the leaf must come first")


def authorities(certificates: Sequence[x509.Certificate], now: datetime) -> Iterator[Verdict]:
    """Anchors or intermediates: they must be able to issue."""
    for certificate in certificates:
        name = subject(certificate)
        if not _is_authority(certificate):
            yield Verdict(True, f"{name} is not a CA certificate (basicConstraints, keyUsage)")
        # An expired anchor among others is a nuisance, not a reason to stop: those under it are refused one by one.
        for verdict in _dates(certificate, now, f"{name} "):
            yield Verdict(False, verdict.text)


def crl(found: x509.CertificateRevocationList, issuers: Sequence[x509.Certificate], now: datetime) -> Iterator[Verdict]:
    """A list that proves nothing is an error; one that is merely late never stops the start."""
    name = show_text(found.issuer.rfc4514_string())
    named = [issuer for issuer in issuers if issuer.subject == found.issuer]
    if not named:
        yield Verdict(True, f"its issuer {name} is none of the anchors and intermediates")
    elif not any(_signed(found, issuer) for issuer in named):
        yield Verdict(True, f"its signature is not that of {name}")
    if found.last_update_utc > now:
        yield Verdict(False, f"the list of {name} is from the future: {found.last_update_utc:%Y-%m-%d %H:%M} UTC")
    due = found.next_update_utc
    if due is None:
        yield Verdict(False, f"the list of {name} has no next update: it never counts as overdue")
    elif due <= now:
        text = f"the list of {name} is overdue since {due:%Y-%m-%d %H:%M} UTC: with stale_crl: refuse nobody under it"
        yield Verdict(False, f"{text} may enter")
    elif due - now < CRL_SOON:
        yield Verdict(False, f"the list of {name} is due at {due:%Y-%m-%d %H:%M} UTC")


def without_list(
    issuers: Sequence[x509.Certificate], lists: Sequence[x509.CertificateRevocationList]
) -> Iterator[Verdict]:
    """Once lists are given, OpenSSL wants one of every issuer."""
    listed = {found.issuer for found in lists}
    for issuer in issuers:
        if issuer.subject not in listed:
            yield Verdict(False, f"there is no list of {subject(issuer)}: what it has issued is refused as crl_missing")


def subject(certificate: x509.Certificate) -> str:
    """For messages: cut and cleaned, it is foreign text."""
    return show_text(certificate.subject.rfc4514_string() or "(no subject)")


def _dates(certificate: x509.Certificate, now: datetime, which: str) -> Iterator[Verdict]:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if ends <= now:
        yield Verdict(True, f"{which}expired on {ends:%Y-%m-%d %H:%M} UTC")
    elif begins > now:
        yield Verdict(True, f"{which}is not valid before {begins:%Y-%m-%d %H:%M} UTC")
    elif ends - now < SOON:
        yield Verdict(False, f"{which}expires in {(ends - now).days} days, on {ends:%Y-%m-%d %H:%M} UTC")


def _purpose(leaf: x509.Certificate, *, server: bool) -> Iterator[Verdict]:
    wanted, word = (
        (ExtendedKeyUsageOID.SERVER_AUTH, "serverAuth") if server else (ExtendedKeyUsageOID.CLIENT_AUTH, "clientAuth")
    )
    usage = _extension(leaf, x509.ExtendedKeyUsage)
    if usage is not None and wanted not in usage and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usage:
        yield Verdict(True, f"its extendedKeyUsage does not allow {word}")
    constraints = _extension(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        yield Verdict(False, "the first certificate is a CA certificate; is it the leaf?")


def _strength(leaf: x509.Certificate) -> Iterator[Verdict]:
    public = leaf.public_key()
    if isinstance(public, (rsa.RSAPublicKey, dsa.DSAPublicKey)) and public.key_size < 2048:
        yield Verdict(True, f"a key of {public.key_size} bits is too short; OpenSSL wants 2048")
    if isinstance(public, ec.EllipticCurvePublicKey) and public.key_size < 224:
        yield Verdict(True, f"a curve of {public.key_size} bits is too short")
    digest = leaf.signature_hash_algorithm
    if digest is not None and digest.name in {"md5", "sha1"}:
        yield Verdict(False, f"signed with {digest.name}, which clients refuse")


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    return constraints is not None and constraints.ca and (usage is None or usage.key_cert_sign)


def _has_names(certificate: x509.Certificate) -> bool:
    return _extension(certificate, x509.SubjectAlternativeName) is not None


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _signed(found: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    public = issuer.public_key()
    kinds = (
        rsa.RSAPublicKey,
        dsa.DSAPublicKey,
        ec.EllipticCurvePublicKey,
        ed25519.Ed25519PublicKey,
        ed448.Ed448PublicKey,
    )
    if not isinstance(public, kinds):
        return False
    try:
        return found.is_signature_valid(public)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
