"""Limits on keys and signatures that OpenSSL's path building does not set, and reading pyOpenSSL's certificates.

A client chooses the keys we have to compute with, so their size is bounded both ways: weak ones prove nothing, and
88 KB of forged RSA would cost 93 ms. Anchors are the operator's choice and exempt; callers see to that.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from OpenSSL import crypto

from certs.verdict import APPLICATION, CA_KEY_TOO_SMALL, CA_MD_TOO_WEAK, EE_KEY_TOO_SMALL

LARGEST_KEY: Final = 4096
"""Bits."""
SMALLEST_RSA: Final = 2048
SMALLEST_CURVE: Final = 224
LARGEST_EXPONENT: Final = 64
"""Bits. A public exponent as long as the modulus makes verifying as dear as signing."""
_WEAK_HASHES: Final = (b"md2", b"md4", b"md5", b"sha1")
_RSA_TYPES: Final = frozenset({6, 912})  # EVP_PKEY_RSA, EVP_PKEY_RSA_PSS
_FACTORING_TYPES: Final = _RSA_TYPES | {116, 28}  # and DSA, DH


class UnreadableError(ValueError):
    """OpenSSL could read this certificate, cryptography cannot."""


def key_problem(certificate: crypto.X509, depth: int) -> int:
    """The code against this certificate's key: too long to verify for strangers, or too weak. 0: none."""
    try:
        key = certificate.get_pubkey()
    except crypto.Error:
        return APPLICATION
    bits, kind = key.bits(), key.type()
    if bits > LARGEST_KEY:
        return APPLICATION
    if bits < smallest(key):
        return CA_KEY_TOO_SMALL if depth else EE_KEY_TOO_SMALL
    return APPLICATION if kind in _RSA_TYPES and _exponent_bits(key) > LARGEST_EXPONENT else 0


def _exponent_bits(key: crypto.PKey) -> int:
    try:
        return key.to_cryptography_key().public_numbers().e.bit_length()  # type: ignore[union-attr]
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - what cannot be read is too long
        return LARGEST_EXPONENT + 1


def hash_problem(certificate: crypto.X509, depth: int) -> int:
    """SHA-1 and older can be made to collide. In a handshake OpenSSL's security level says the same."""
    try:
        name = certificate.get_signature_algorithm().lower()
        if name == b"rsassapss":  # names no hash; its parameters do
            algorithm = read(certificate).signature_hash_algorithm
            name = b"sha1" if algorithm is None else algorithm.name.encode()
    except (ValueError, UnsupportedAlgorithm):
        return APPLICATION
    return CA_MD_TOO_WEAK if any(weak in name for weak in _WEAK_HASHES) else 0


def read(certificate: crypto.X509) -> x509.Certificate:
    try:
        return certificate.to_cryptography()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # ValueError mostly, but also panics
        raise UnreadableError(str(error)) from error


def octets(certificate: crypto.X509) -> bytes:
    return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)


def smallest(key: crypto.PKey) -> int:
    """Bits below which a key of this type is too weak."""
    return SMALLEST_RSA if key.type() in _FACTORING_TYPES else SMALLEST_CURVE
