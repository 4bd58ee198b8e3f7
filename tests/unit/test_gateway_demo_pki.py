"""The throw-away PKI: who is trusted by whom, and a token key that is used without leaving the token."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from gateway.demo import pki, softtoken


@pytest.fixture
def keys(tmp_path: Path) -> pki.Keys:
    return pki.make(tmp_path / "pki")


@pytest.fixture
def without_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softtoken, "_MODULES", ("/nonexistent",))


def uid(path: Path) -> str:
    (attribute,) = x509.load_pem_x509_certificates(path.read_bytes())[0].subject.get_attributes_for_oid(NameOID.USER_ID)
    return str(attribute.value)


@pytest.mark.usefixtures("without_token")
def test_without_a_token_both_keys_are_files(keys: pki.Keys) -> None:
    assert keys.token is None
    assert keys.token_missing
    for pair, institution in ((keys.hospital, pki.HOSPITAL), (keys.pharmacy, pki.PHARMACY)):
        assert pair.key is not None
        assert uid(pair.certificate) == institution.id
        assert pair.key.stat().st_mode & 0o077 == 0
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        assert load_pem_private_key(pair.key.read_bytes(), None).public_key() == certificate.public_key()
    assert uid(keys.foreign.certificate) == pki.HOSPITAL.id


@pytest.mark.usefixtures("without_token")
def test_the_authority_vouches_for_its_own_and_not_for_the_foreigner(keys: pki.Keys) -> None:
    (ca,) = x509.load_pem_x509_certificates(keys.ca.read_bytes())
    folder = keys.ca.parent
    for path in (keys.hospital.certificate, keys.pharmacy.certificate, folder / "gateway.pem"):
        x509.load_pem_x509_certificates(path.read_bytes())[0].verify_directly_issued_by(ca)
    with pytest.raises(ValueError, match="ssuer"):
        x509.load_pem_x509_certificate(keys.foreign.certificate.read_bytes()).verify_directly_issued_by(ca)
    crl = x509.load_pem_x509_crl((folder / "ca.crl").read_bytes())
    assert crl.issuer == ca.subject
    assert len(crl) == 0
    keys.context(keys.hospital)
    assert keys.context(None).verify_mode is ssl.CERT_REQUIRED


def test_missing_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softtoken, "_PROGRAMS", ("openssl", "no-such-program"))
    with pytest.raises(softtoken.TokenUnusable, match="no-such-program"):
        softtoken.find(tmp_path)


def test_a_program_that_fails_is_named_with_its_complaint(tmp_path: Path) -> None:
    token = softtoken.Token(Path("/nonexistent.so"), tmp_path / "token")
    with pytest.raises(softtoken.TokenUnusable, match=r"softhsm2-util|pkcs11-tool"):
        token.generate_key()


def test_curl_proves_itself_with_the_key_in_the_token(keys: pki.Keys) -> None:
    if keys.token is None:
        pytest.skip(keys.token_missing)
    assert keys.pharmacy.key is None
    folder = keys.ca.parent
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(keys.ca))
    context.load_cert_chain(folder / "gateway.pem", folder / "gateway.key")
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen: list[object] = []

        def serve() -> None:
            sock, _ = listener.accept()
            with context.wrap_socket(sock, server_side=True) as peer:
                seen.append(peer.getpeercert())
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        command = ["curl", "--silent", "--show-error", "--max-time", "20", "--cacert", str(keys.ca)]
        command += [*keys.token.curl_options(keys.pharmacy.certificate), url]
        done = subprocess.run(command, env=keys.token.environment(), capture_output=True, timeout=30, check=False)
        thread.join()
    assert (done.stdout, done.stderr) == (b"ok", b"")
    assert pki.PHARMACY.id in str(seen)
