from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.authority import Authority, AuthorityError, Issued, crl_pem, new_key, write_secret

ROOT = Authority.create("root")


def request(key: object, uid: str = "H410300001") -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.USER_ID, uid)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.PEM)  # type: ignore[arg-type]


def test_a_chain_verifies_link_by_link() -> None:
    issuing = ROOT.intermediate("issuing")
    leaf = issuing.issue("leaf", uid="U", san=["localhost", "127.0.0.1", "::1", "urn:x:y"])
    leaf.certificate.verify_directly_issued_by(issuing.certificate)
    issuing.certificate.verify_directly_issued_by(ROOT.certificate)
    assert leaf.chain == (issuing.certificate,)
    assert ROOT.issue("direct").chain == ()
    assert x509.load_pem_x509_certificates(leaf.pem) == [leaf.certificate, issuing.certificate]
    names = leaf.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [type(name) for name in names] == [
        x509.DNSName,
        x509.IPAddress,
        x509.IPAddress,
        x509.UniformResourceIdentifier,
    ]


@pytest.mark.parametrize(
    ("usage", "purposes"),
    [
        ("client", [ExtendedKeyUsageOID.CLIENT_AUTH]),
        ("server", [ExtendedKeyUsageOID.SERVER_AUTH]),
        (("client", "server"), [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
    ],
)
def test_a_leaf_is_good_for_what_was_asked(usage: str, purposes: list[x509.ObjectIdentifier]) -> None:
    extensions = ROOT.issue("x", usage=usage).certificate.extensions  # type: ignore[arg-type]
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == purposes
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_dates() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    leaf = ROOT.issue("x", not_before=begin, days=10).certificate
    assert leaf.not_valid_before_utc == begin
    assert leaf.not_valid_after_utc == begin + timedelta(days=10)


def test_a_signing_request_gives_its_key_and_nothing_else() -> None:
    key = new_key()
    issued = ROOT.sign_csr(request(key, uid="SOMEBODY-ELSE"), uid="H1", common_name="Hospital")
    assert issued.certificate.public_key() == key.public_key()
    assert issued.certificate.subject.rfc4514_string() == "UID=H1,CN=Hospital"
    assert issued.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    with pytest.raises(AuthorityError, match="never leaves"):
        issued.key_pem  # noqa: B018


@pytest.mark.parametrize(
    ("key", "words"),
    [(rsa.generate_private_key(65537, 1024), "1024 bits"), (ed25519.Ed25519PrivateKey.generate(), "EC or RSA")],
    ids=["short", "other type"],
)
def test_requests_the_gateway_would_refuse_are_refused_here(key: object, words: str) -> None:
    with pytest.raises(AuthorityError, match=words):
        ROOT.sign_csr(request(key), uid="H1")


def test_a_request_not_signed_with_its_own_key() -> None:
    pem = x509.load_pem_x509_csr(request(new_key()))
    data = bytearray(pem.public_bytes(Encoding.DER))
    data[data.index(b"H410300001")] ^= 1
    forged = x509.load_der_x509_csr(bytes(data)).public_bytes(Encoding.PEM)
    with pytest.raises(AuthorityError, match="not signed"):
        ROOT.sign_csr(forged, uid="H1")


def test_a_list_names_the_revoked_and_its_issuer() -> None:
    crl = x509.load_pem_x509_crl(crl_pem(ROOT.crl([5, 6], number=9)))
    assert crl.is_signature_valid(ROOT.certificate.public_key())  # type: ignore[arg-type]
    assert {entry.serial_number for entry in crl} == {5, 6}
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 9
    crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    issuing = ROOT.intermediate("issuing")
    issuing.save(tmp_path / "ca.pem", tmp_path / "ca.key")
    issuing.issue("x").save(tmp_path / "x.pem", tmp_path / "x.key")
    for name in ("ca.key", "x.key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    again = Authority.load((tmp_path / "ca.pem").read_bytes(), (tmp_path / "ca.key").read_bytes())
    again.issue("y").certificate.verify_directly_issued_by(issuing.certificate)
    assert again.chain == issuing.chain


def test_a_secret_replaces_a_readable_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_secret(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_secret(tmp_path / "key", b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_other_ca_keys_are_refused() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(AuthorityError):
        Authority.load(ROOT.pem, pem)
    assert "key=" not in repr(Issued(ROOT.certificate, ROOT.key))
