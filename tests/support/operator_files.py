"""The certificate files an operator puts beside a configuration, good ones and every kind of bad one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self, passphrase: bytes | None = None) -> bytes:
        sealed = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed)


def pair(
    common_name: str,
    issuer: Pair | None = None,
    *,
    ca: bool = False,
    begins: datetime = NOW - DAY,
    ends: datetime = NOW + 365 * DAY,
    usage: ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH,
    names: bool = True,
    key: Key | None = None,
) -> Pair:
    """Signed by `issuer`, else by itself."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(issuer.certificate.subject if issuer else name(common_name))
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if usage is not None and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if names and not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("gateway.example")]), critical=False)
    return Pair(builder.sign(issuer.key if issuer else own, hashes.SHA256()), own)


def revocation_list(
    issuer: Pair,
    *,
    signer: Pair | None = None,
    begins: datetime = NOW - DAY,
    due: datetime = NOW + 7 * DAY,
) -> x509.CertificateRevocationList:
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(begins).next_update(due)
    return builder.sign((signer or issuer).key, hashes.SHA256())


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file, octets in files.items():
        path = folder / file
        path.write_bytes(octets)
        path.chmod(0o600 if file.endswith(".key") else 0o644)


def for_the_example(folder: Path) -> None:
    """What `gateway.example.yaml` names, all of it sound."""
    institutions, nodes = pair("institutions", ca=True), pair("nodes", ca=True)
    gateway = pair("gateway", nodes)
    crl = revocation_list(institutions)
    write(
        folder / "pki",
        {
            "gateway.pem": gateway.pem,
            "gateway.key": gateway.key_pem(),
            "institutions-ca.pem": institutions.pem,
            "institutions.crl": crl.public_bytes(Encoding.PEM),
            "nodes-ca.pem": nodes.pem,
        },
    )
