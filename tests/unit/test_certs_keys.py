from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from OpenSSL import crypto

from certs import keys
from certs.authority import Authority, new_key
from certs.keys import UnreadableError, hash_problem, key_problem, octets, read
from certs.verdict import APPLICATION, CA_KEY_TOO_SMALL, CA_MD_TOO_WEAK, EE_KEY_TOO_SMALL
from tests.support.pki import days_ago, huge_key

ROOT = Authority.create("root")
SHA256_RSA = bytes.fromhex("2a864886f70d01010b")
SHA1_RSA = bytes.fromhex("2a864886f70d010105")
RSA_2048 = rsa.generate_private_key(65537, 2048)


def certificate(key: object) -> crypto.X509:
    builder = (
        x509.CertificateBuilder()
        .subject_name(ROOT.certificate.subject)
        .issuer_name(ROOT.certificate.subject)
        .public_key(key)  # type: ignore[arg-type]
        .serial_number(1)
        .not_valid_before(days_ago(1))
        .not_valid_after(days_ago(-1))
    )
    return crypto.X509.from_cryptography(builder.sign(RSA_2048, hashes.SHA256()))


@pytest.mark.parametrize(
    "key",
    [
        RSA_2048.public_key(),
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
    ],
    ids=["rsa-2048", "p-384", "ed25519"],
)
def test_sound_keys(key: object) -> None:
    assert key_problem(certificate(key), 0) == 0


def test_weak_keys() -> None:
    weak = certificate(rsa.generate_private_key(65537, 1024).public_key())
    assert key_problem(weak, 0) == EE_KEY_TOO_SMALL
    assert key_problem(weak, 1) == CA_KEY_TOO_SMALL


def test_keys_beyond_4096_bits() -> None:
    assert key_problem(certificate(huge_key(8192).public_key()), 1) == APPLICATION
    assert key_problem(certificate(huge_key(4096).public_key()), 1) == 0


def test_a_long_public_exponent_is_work_for_us() -> None:
    modulus = RSA_2048.public_key().public_numbers().n
    dear = rsa.RSAPublicNumbers((1 << 80) + 1, modulus).public_key()
    assert key_problem(certificate(dear), 0) == APPLICATION


def test_weak_hashes() -> None:
    sound = certificate(new_key().public_key())
    relabelled = octets(sound).replace(SHA256_RSA, SHA1_RSA)
    assert hash_problem(sound, 1) == 0
    assert hash_problem(crypto.load_certificate(crypto.FILETYPE_ASN1, relabelled), 1) == CA_MD_TOO_WEAK


@pytest.mark.parametrize(
    ("algorithm", "verdict"), [(hashes.SHA1(), CA_MD_TOO_WEAK), (hashes.SHA256(), 0), (None, CA_MD_TOO_WEAK)]
)
def test_a_hash_inside_rsassa_pss_counts_too(algorithm: hashes.HashAlgorithm | None, verdict: int) -> None:
    class Signed:
        signature_hash_algorithm = algorithm

        def get_signature_algorithm(self) -> bytes:
            return b"rsassaPss"

        def to_cryptography(self) -> Signed:
            return self

    assert hash_problem(Signed(), 0) == verdict  # type: ignore[arg-type]


def test_a_key_openssl_cannot_read_is_refused() -> None:
    class Undecodable:
        def get_pubkey(self) -> crypto.PKey:
            raise crypto.Error([])

    assert key_problem(Undecodable(), 0) == APPLICATION  # type: ignore[arg-type]


def test_an_exponent_that_cannot_be_read_is_too_long() -> None:
    class Odd:
        def to_cryptography_key(self) -> None:
            raise BaseException("panic")  # noqa: TRY002

    assert keys._exponent_bits(Odd()) > keys.LARGEST_EXPONENT  # type: ignore[arg-type]


def test_an_unknown_signature_algorithm_is_refused() -> None:
    class Odd:
        def get_signature_algorithm(self) -> bytes:
            raise ValueError("Undefined signature algorithm")

    assert hash_problem(Odd(), 0) == APPLICATION  # type: ignore[arg-type]


def test_reading() -> None:
    made = certificate(new_key().public_key())
    assert read(made).serial_number == 1
    assert octets(made) == crypto.dump_certificate(crypto.FILETYPE_ASN1, made)

    class Panic:
        def to_cryptography(self) -> None:
            raise BaseException("panic")  # noqa: TRY002

    with pytest.raises(UnreadableError):
        read(Panic())  # type: ignore[arg-type]
