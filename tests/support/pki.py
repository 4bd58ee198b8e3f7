"""A small world of certificates: good ones, and one of each kind that must stay outside.

`pki.bad["expired"]` is a client certificate with its key, the chain it is sent with, and the reason it is refused for.
Octets are kept by path, the way the supervisor hands them to workers; `save` writes them out for whole processes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from math import lcm
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.authority import Authority, Issued, crl_pem, new_key
from certs.trust import Trust

HOSPITAL = "H410300001"
PHARMACY = "P410300017"
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


class TrustValues(NamedTuple):
    """Stands in for certs.config.TrustConfig."""

    anchors: tuple[Path, ...]
    intermediates: tuple[Path, ...] = ()
    crls: tuple[Path, ...] = ()
    stale_crl: str = "refuse"


class Bad(NamedTuple):
    issued: Issued
    reason: str


@dataclass
class Pki:
    """The institutions' root and issuing CA, the gateway's certificate, and a root of the same name as theirs."""

    folder: Path = Path("/pki")
    files: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = Authority.create("Institutions Root")
        self.issuing = self.root.intermediate("Institutions Issuing CA")
        self.foreign = Authority.create("Institutions Root")
        self.gateway_root = Authority.create("Gateway Root")
        self.gateway = self.gateway_root.issue("gateway", usage="server", san=["127.0.0.1", "::1", "localhost"])
        self.hospital = self.issuing.issue("Hospital One", uid=HOSPITAL)
        self.pharmacy = self.issuing.issue("Pharmacy", uid=PHARMACY)
        self.direct = self.root.issue("Directly under the root", uid=HOSPITAL)
        self.put("root.pem", self.root.pem)
        self.put("issuing.pem", self.issuing.pem)
        self.put("foreign.pem", self.foreign.pem)
        self.put("gateway.pem", self.gateway.pem)
        self.put("gateway.key", self.gateway.key_pem)
        self.put("gateway-root.pem", self.gateway_root.pem)
        self.put("root.crl", crl_pem(self.root.crl()))

    def put(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        self.files[str(path)] = data
        return path

    def save(self) -> None:
        """Write everything made so far into the folder; certificates made later are saved by their own `save`."""
        for name, data in self.files.items():
            path = Path(name)
            path.write_bytes(data)
            path.chmod(0o600)

    def trust(self, **changes: Any) -> Trust:
        """The listener's trust: the root as anchor, the issuing CA, and the lists of both, unless told otherwise."""
        values = {
            "anchors": (self.folder / "root.pem",),
            "intermediates": (self.folder / "issuing.pem",),
            "crls": (self.folder / "root.crl", self.issuing_crl),
            **changes,
        }
        return Trust.build(TrustValues(**values), self.files)

    @cached_property
    def revoked(self) -> Issued:
        return self.issuing.issue("Revoked", uid=HOSPITAL)

    @cached_property
    def issuing_crl(self) -> Path:
        """The issuing CA's list; the certificate called `revoked` is on it."""
        return self.put("issuing.crl", crl_pem(self.issuing.crl([self.revoked.certificate.serial_number])))

    @cached_property
    def bad(self) -> dict[str, Bad]:
        """Certificates that must not enter under `trust()`."""
        lapsed = self.root.intermediate("Lapsed CA", not_before=days_ago(90), not_after=days_ago(1))
        self.put("lapsed.pem", lapsed.pem)
        self.put("lapsed.crl", crl_pem(lapsed.crl()))
        forger = Authority(self.issuing.certificate, new_key(), self.issuing.chain[1:])
        # A hospital that plays authority with its own certificate.
        presumptuous = Authority(self.hospital.certificate, self.hospital.key or new_key(), self.issuing.chain)
        client = {"uid": HOSPITAL, "usage": "client"}
        expired = {"not_before": days_ago(30), "not_after": days_ago(1)}
        future = {"not_before": days_ago(-10), "not_after": days_ago(-30)}
        return {
            "expired": Bad(self.issuing.issue("x", **client, **expired), "certificate_expired"),  # type: ignore[arg-type]
            "not_yet": Bad(self.issuing.issue("x", **client, **future), "certificate_not_yet_valid"),  # type: ignore[arg-type]
            "revoked": Bad(self.revoked, "certificate_revoked"),
            "wrong_purpose": Bad(self.issuing.issue("x", uid=HOSPITAL, usage="server"), "purpose_wrong"),
            "same_name": Bad(self.foreign.issue("Hospital One", uid=HOSPITAL), "issuer_unknown"),
            "same_names": Bad(
                self.foreign.intermediate("Institutions Issuing CA").issue("x", uid=HOSPITAL), "issuer_unknown"
            ),
            "forged": Bad(forger.issue("x", uid=HOSPITAL), "issuer_unknown"),
            "unknown": Bad(Authority.create("Somebody").issue("x", uid=HOSPITAL), "issuer_unknown"),
            "self_signed": Bad(self_signed(), "issuer_unknown"),
            "lapsed_issuer": Bad(lapsed.issue("x", uid=HOSPITAL), "certificate_expired"),
            "leaf_as_issuer": Bad(presumptuous.issue("x", uid=PHARMACY), "certificate_invalid"),
            "weak_key": Bad(
                self.issuing.issue("x", uid=HOSPITAL, key=rsa.generate_private_key(65537, 1024)), "certificate_invalid"
            ),
        }

    @cached_property
    def odd(self) -> dict[str, Bad]:
        """Certificates of the trusted authority that name no institution we know by subject.UID."""
        return {
            "no_uid": Bad(self.issuing.issue("x"), "identity_missing"),
            "two_uids": Bad(self.issuing.issue("x", uid=[HOSPITAL, PHARMACY]), "institution_unknown"),
            "same_uid_twice": Bad(self.issuing.issue("x", uid=[HOSPITAL, HOSPITAL]), "institution_unknown"),
            "other_uid": Bad(self.issuing.issue("x", uid="H999"), "institution_unknown"),
            "crlf_uid": Bad(self.issuing.issue("x", uid=f"{HOSPITAL}\r\nX-Evil: 1"), "institution_unknown"),
            "newline_uid": Bad(self.issuing.issue("x", uid=f"{HOSPITAL}\n"), "institution_unknown"),
            "nul_uid": Bad(self.issuing.issue("x", uid=f"{HOSPITAL}\0"), "institution_unknown"),
            "long_uid": Bad(self.issuing.issue("x", uid="H" * 65), "institution_unknown"),
            "full_width_uid": Bad(self.issuing.issue("x", uid="\uff28410300001"), "institution_unknown"),
            "space_uid": Bad(self.issuing.issue("x", uid=f" {HOSPITAL}"), "institution_unknown"),
        }

    @cached_property
    def huge(self) -> Issued:
        """Of the trusted authority, with a key of 8,192 bits."""
        return self.issuing.issue("huge", uid=HOSPITAL, key=huge_key())

    @cached_property
    def huge_issuer(self) -> Issued:
        """Under a forged intermediate with a key of 8,192 bits that names the root as its issuer, key id included."""
        forger = Authority(self.root.certificate, new_key())
        return forger.intermediate("Institutions Issuing CA", key=huge_key()).issue("x", uid=HOSPITAL)


def self_signed() -> Issued:
    key = new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Nobody"), x509.NameAttribute(NameOID.USER_ID, HOSPITAL)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(days_ago(1))
        .not_valid_after(days_ago(-10))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Issued(certificate, key)


def altered_signature(issued: Issued) -> Issued:
    """The same certificate with its ECDSA signature (r, s) rewritten as (r, n - s): other octets, still valid."""
    der = issued.certificate.public_bytes(Encoding.DER)
    r, s = decode_dss_signature(issued.certificate.signature)
    fresh = encode_dss_signature(r, _P256_ORDER - s)
    old = issued.certificate.signature
    body = der[: der.rindex(old) - 3]  # BIT STRING: tag, length, no unused bits
    body += bytes([0x03, len(fresh) + 1, 0]) + fresh
    content = body[4:]
    whole = b"\x30\x82" + len(content).to_bytes(2, "big") + content
    return Issued(x509.load_der_x509_certificate(whole), issued.key, issued.chain)


def huge_key(bits: int = 8192) -> rsa.RSAPrivateKey:
    """An RSA key of this size in half a second: products of primes in place of two long ones; good for signing."""
    primes: list[int] = []
    while len(primes) < bits // 1024:
        numbers = rsa.generate_private_key(65537, 2048).private_numbers()
        primes += [numbers.p, numbers.q]
    left, right = primes[::2], primes[1::2]
    p, q = _product(left), _product(right)
    d = pow(65537, -1, lcm(*(prime - 1 for prime in primes)))
    d_p, d_q = (pow(65537, -1, lcm(*(prime - 1 for prime in half))) for half in (left, right))
    public = rsa.RSAPublicNumbers(65537, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d_p, d_q, pow(q, -1, p), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _product(numbers: list[int]) -> int:
    result = 1
    for number in numbers:
        result *= number
    return result
