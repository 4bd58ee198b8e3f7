"""A small certificate authority: for the demonstration, for tests, and for a site that has none of its own.

It makes what section 4 and 5 of RFC 5280 ask for (key identifiers, key usages, CRL numbers) with EC P-256 keys. It is
no PKI: it keeps no register, and whoever can read its key file can admit anybody.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
Usage = Literal["client", "server"]

USAGES: Final[Mapping[str, ObjectIdentifier]] = {
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
}
BACKDATED: Final = timedelta(minutes=5)
"""Clocks of institutions run slow."""


class AuthorityError(ValueError):
    """What was asked for cannot be issued."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate, its key where we made it, and the CA certificates a peer needs beside it."""

    certificate: x509.Certificate
    key: PrivateKey | None = field(default=None, repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        """Leaf first, then the chain: what a TLS server or client sends."""
        return certificates_pem((self.certificate, *self.chain))

    @property
    def key_pem(self) -> bytes:
        if self.key is None:
            raise AuthorityError("the key of a signing request never leaves its owner")
        return private_key_pem(self.key)

    def save(self, certificate: Path, key: Path) -> None:
        write_secret(key, self.key_pem)
        certificate.write_bytes(self.pem)


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA certificate with its key; `issuers` are the CAs above it, without the root."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)
    issuers: tuple[x509.Certificate, ...] = ()

    @classmethod
    def create(
        cls,
        common_name: str,
        *,
        days: float = 3650,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        key: PrivateKey | None = None,
    ) -> Authority:
        """A root: self-signed, valid from five minutes ago."""
        key = key or new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = _builder(subject, subject, key.public_key(), key.public_key(), days, not_before, not_after)
        return cls(_as_authority(builder, None).sign(key, hashes.SHA256()), key)

    @classmethod
    def load(cls, certificate_pem: bytes, key_pem: bytes) -> Authority:
        """From PEM files: the CA certificate first, then those above it without the root."""
        certificate, *issuers = x509.load_pem_x509_certificates(certificate_pem)
        key = serialization.load_pem_private_key(key_pem, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise AuthorityError("the CA key must be EC or RSA")
        return cls(certificate, key, tuple(issuers))

    def intermediate(
        self,
        common_name: str,
        *,
        days: float = 1825,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        key: PrivateKey | None = None,
        path_length: int | None = 0,
    ) -> Authority:
        """An issuing CA below this one; it may issue leaves only, unless `path_length` says otherwise."""
        key = key or new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = self._for(subject, key.public_key(), days, not_before, not_after)
        certificate = _as_authority(builder, path_length).sign(self.key, hashes.SHA256())
        return Authority(certificate, key, self.chain)

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """What a leaf of this CA is sent with: nothing below a root."""
        root = self.certificate.subject == self.certificate.issuer
        return () if root else (self.certificate, *self.issuers)

    @property
    def pem(self) -> bytes:
        return certificates_pem((self.certificate,))

    @property
    def key_pem(self) -> bytes:
        return private_key_pem(self.key)

    def save(self, certificate: Path, key: Path) -> None:
        write_secret(key, self.key_pem)
        certificate.write_bytes(certificates_pem((self.certificate, *self.chain[1:])))

    def issue(
        self,
        common_name: str | None = None,
        *,
        uid: str | Sequence[str] = (),
        usage: Usage | Sequence[Usage] = "client",
        days: float = 397,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        san: Sequence[str] = (),
        attributes: Iterable[x509.NameAttribute[str]] = (),
        key: PrivateKey | None = None,
        serial: int | None = None,
    ) -> Issued:
        """A leaf with a new key, unless one is given.

        `san`: host names, IP addresses, or URIs (anything with a colon that is no address).
        """
        key = key or new_key()
        subject = _subject(common_name, uid, attributes)
        certificate = self._leaf(subject, key.public_key(), usage, days, not_before, not_after, san, serial)
        return Issued(certificate, key, self.chain)

    def sign_csr(
        self,
        csr_pem: bytes,
        *,
        uid: str,
        common_name: str | None = None,
        days: float = 397,
        san: Sequence[str] = (),
    ) -> Issued:
        """A client certificate for a key on a token. Only the key is taken from the request.

        What the request says about its sender is a wish; the operator says who it is.
        """
        request = x509.load_pem_x509_csr(csr_pem)
        if not request.is_signature_valid:
            raise AuthorityError("the request is not signed with its own key")
        public = request.public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise AuthorityError("the request's key must be EC or RSA")
        if isinstance(public, rsa.RSAPublicKey) and not 2048 <= public.key_size <= 4096:
            raise AuthorityError(f"an RSA key of {public.key_size} bits; 2048 to 4096 are accepted by the gateway")
        subject = _subject(common_name, uid, ())
        return Issued(self._leaf(subject, public, "client", days, None, None, san, None), None, self.chain)

    def crl(
        self,
        revoked: Iterable[int] = (),
        *,
        number: int = 1,
        last_update: datetime | None = None,
        next_update: datetime | None = None,
    ) -> x509.CertificateRevocationList:
        """The list of revoked serials, valid for a week unless said otherwise."""
        last_update = last_update or datetime.now(UTC) - BACKDATED
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(last_update)
            .next_update(next_update or datetime.now(UTC) + timedelta(days=7))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for serial in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(last_update).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA256())

    def _for(
        self,
        subject: x509.Name,
        public: PublicKey,
        days: float,
        not_before: datetime | None,
        not_after: datetime | None,
        serial: int | None = None,
    ) -> x509.CertificateBuilder:
        issuer, issuer_key = self.certificate.subject, self.certificate.public_key()
        assert isinstance(issuer_key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)  # noqa: S101 - as `load` checked
        return _builder(subject, issuer, public, issuer_key, days, not_before, not_after, serial)

    def _leaf(
        self,
        subject: x509.Name,
        public: PublicKey,
        usage: Usage | Sequence[Usage],
        days: float,
        not_before: datetime | None,
        not_after: datetime | None,
        san: Sequence[str],
        serial: int | None,
    ) -> x509.Certificate:
        purposes = [USAGES[name] for name in ((usage,) if isinstance(usage, str) else usage)]
        builder = (
            self._for(subject, public, days, not_before, not_after, serial)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        )
        if san:
            names = x509.SubjectAlternativeName([_alternative(name) for name in san])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def private_key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificates_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    return b"".join(entry.public_bytes(serialization.Encoding.PEM) for entry in certificates)


def crl_pem(crl: x509.CertificateRevocationList) -> bytes:
    return crl.public_bytes(serialization.Encoding.PEM)


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, from its first octet on; replaces what was there in one step."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: PublicKey,
    issuer_key: PublicKey,
    days: float,
    not_before: datetime | None,
    not_after: datetime | None,
    serial: int | None = None,
) -> x509.CertificateBuilder:
    begin = not_before or datetime.now(UTC) - BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(not_after or begin + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _as_authority(builder: x509.CertificateBuilder, path_length: int | None) -> x509.CertificateBuilder:
    return builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True).add_extension(
        _usage(key_cert_sign=True, crl_sign=True), critical=True
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(
    common_name: str | None, uid: str | Sequence[str], attributes: Iterable[x509.NameAttribute[str]]
) -> x509.Name:
    uids = (uid,) if isinstance(uid, str) else tuple(uid)
    named = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    return x509.Name([*named, *(x509.NameAttribute(NameOID.USER_ID, value) for value in uids), *attributes])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.UniformResourceIdentifier(name) if ":" in name else x509.DNSName(name)
