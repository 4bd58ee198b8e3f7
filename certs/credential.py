"""A peer certificate as the gateway knows it: who it names, which key it holds, how long it lasts.

Core: octets in, values out. It verifies nothing; what it says is only as good as the verification beside it.
Every octet comes from the client, so all of it is read inside one guard: cryptography raises ValueError on some
malformed certificates, other things on others, and now and then panics.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

LARGEST: Final = 16_384
"""Octets. A certificate with a 4,096-bit key and many names has 3,000; parsing more is work for strangers."""
TEXT_LIMIT: Final = 256
FIELDS: Final = ("subject.CN", "subject.UID", "san.uri", "san.dns")
"""What is read out of a certificate to name its institution by."""
ID_FIELDS: Final = (*FIELDS, "fingerprint")
"""All that `institution_id` may name."""
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class CredentialError(ValueError):
    """The certificate cannot be read; it is refused as certificate_invalid."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a certificate says about its holder. Foreign text is already clean; still escape it per medium.

    Thousands are remembered, so nothing is kept twice.
    """

    encoded: bytes = field(repr=False)
    """The certificate (DER) in base64, as nodes are told of it (RFC 9440)."""
    fingerprint: str
    """SHA-256 of the certificate, hex. An ECDSA signature can be altered and still verify: never pin this."""
    spki: str
    """SHA-256 of the SubjectPublicKeyInfo, hex: the key itself, for pins and limits."""
    serial: int
    issuer: str
    subject: str
    not_before: float
    """Unix seconds."""
    not_after: float
    values: tuple[tuple[str, ...], ...] = field(repr=False)
    """For each of FIELDS every value found there, as it stands in the certificate: not clean."""

    @property
    def der(self) -> bytes:
        return base64.b64decode(self.encoded)

    def found(self, name: str) -> tuple[str, ...]:
        """Every value of a field, not clean."""
        if name == "fingerprint":
            return (self.fingerprint,)
        return self.values[FIELDS.index(name)] if name in FIELDS else ()

    def ids(self, name: str) -> str | None:
        """The institution id in this field: occurs exactly once and is well formed, else None."""
        found = self.found(name)
        if len(found) != 1 or _ID.fullmatch(found[0]) is None:
            return None
        return found[0]

    def occurrences(self, name: str) -> int:
        """How many values the field has, well formed or not."""
        return len(self.found(name))


def parse(der: bytes) -> Credential:
    """Read a certificate. Raises CredentialError, and no other error, whatever the octets are."""
    if len(der) > LARGEST:
        raise CredentialError(f"certificate of {len(der)} octets; at most {LARGEST} are read")
    try:
        return _parse(der)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic in cryptography's Rust is not an Exception
        raise CredentialError(f"certificate cannot be read: {clean(str(error))}") from error


def _parse(der: bytes) -> Credential:
    certificate = x509.load_der_x509_certificate(der)
    if certificate.serial_number <= 0:
        raise CredentialError("serial number is not positive (RFC 5280 4.1.2.2)")
    fingerprint = hashlib.sha256(der).hexdigest()
    return Credential(
        encoded=base64.b64encode(der),
        fingerprint=fingerprint,
        spki=spki_of(certificate),
        serial=certificate.serial_number,
        issuer=sys.intern(clean(certificate.issuer.rfc4514_string())),
        subject=clean(certificate.subject.rfc4514_string()),
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        values=(
            _attributes(certificate, NameOID.COMMON_NAME),
            _attributes(certificate, NameOID.USER_ID),
            *_alternative_names(certificate),
        ),
    )


def _attributes(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    # Goes through every relative name, so a value hidden in a multi-valued one counts as an occurrence.
    values = (attribute.value for attribute in certificate.subject.get_attributes_for_oid(oid))
    return tuple(value if isinstance(value, str) else value.hex() for value in values)


def _alternative_names(certificate: x509.Certificate) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(san.uri, san.dns), empty where an extension cannot be read: authorities write odd ones, and then nobody is
    named by them."""
    try:
        names = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except (x509.ExtensionNotFound, ValueError, TypeError):
        return (), ()
    assert isinstance(names, x509.SubjectAlternativeName)  # noqa: S101 - what this OID always gives
    return (
        tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        tuple(names.get_values_for_type(x509.DNSName)),
    )


def clean(text: str) -> str:
    """Foreign text for people: what does not print (controls, bidirectional marks) is escaped, and it is cut."""
    kept = text[:TEXT_LIMIT]
    if not kept.isprintable():
        kept = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in kept)[:TEXT_LIMIT]
    return kept


def spki_of(certificate: x509.Certificate) -> str:
    """SHA-256 (hex) of the SubjectPublicKeyInfo exactly as the certificate carries it.

    Taken from the octets, not from `public_key()`: that one re-encodes, and refuses key types it does not know.
    """
    tbs = certificate.tbs_certificate_bytes
    position, _ = _element(tbs, 0)
    if tbs[position] == 0xA0:  # [0] version, absent in version 1
        position = _element(tbs, position)[1]
    for _ in range(5):  # serialNumber, signature, issuer, validity, subject (RFC 5280 4.1)
        position = _element(tbs, position)[1]
    return hashlib.sha256(tbs[position : _element(tbs, position)[1]]).hexdigest()


def _element(der: bytes, start: int) -> tuple[int, int]:
    """Where the content of the DER element at `start` begins and ends."""
    length, content = der[start + 1], start + 2
    if length >= 0x80:
        octets = length & 0x7F
        length, content = int.from_bytes(der[content : content + octets], "big"), content + octets
    if content + length > len(der):
        raise CredentialError("an element is longer than the certificate")
    return content, content + length
