"""`certs show`: what is in a certificate, expired, odd or broken."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from gateway.certs_cli import UnreadableError, show

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def _certificate(uid: list[str], days: float = 30, begun: float = 10) -> x509.Certificate:
    names = [x509.NameAttribute(NameOID.COMMON_NAME, "洛阳市中心医院")]
    names += [x509.NameAttribute(NameOID.USER_ID, value) for value in uid]
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")]))
        .public_key(KEY.public_key())
        .serial_number(0xABC123)
        .not_valid_before(NOW - dt.timedelta(days=begun))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .sign(KEY, hashes.SHA256())
    )


def _shown(path: Path, code: int = 0) -> str:
    out = io.StringIO()
    assert show(path, out, now=NOW) == code
    return out.getvalue()


def _write(path: Path, *certificates: x509.Certificate, encoding: Encoding = Encoding.PEM) -> Path:
    path.write_bytes(b"".join(certificate.public_bytes(encoding) for certificate in certificates))
    return path


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_everything_an_operator_copies_is_shown(tmp_path: Path, encoding: Encoding) -> None:
    text = _shown(_write(tmp_path / "a", _certificate(["H410300001"]), encoding=encoding))
    spki = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert f"sha256:{hashlib.sha256(spki).hexdigest()}" in text
    assert "洛阳市中心医院" in text
    assert "issuer: CN=Test CA" in text
    assert "serial: ABC123" in text
    assert "institution_id subject.UID: H410300001\n" in text
    assert "not before: 2025-12-22 00:00:00 UTC" in text
    assert "还剩 30 天 30 days left" in text


@pytest.mark.parametrize(
    ("days", "begun", "words"),
    [(1.5, 10, "1 day left"), (-3, 10, "expired 3 days ago"), (5, -2, "not valid yet"), (-0.5, 10, "expired")],
)
def test_how_long_it_lasts(tmp_path: Path, days: float, begun: float, words: str) -> None:
    assert words in _shown(_write(tmp_path / "a", _certificate([], days, begun)))


def test_an_id_that_names_nobody_says_why(tmp_path: Path) -> None:
    text = _shown(_write(tmp_path / "a", _certificate(["H1", "H2"])))
    assert "subject.UID: 不可用 not usable, 2 个值 values: " in text
    assert "subject.CN: 不可用 not usable (only letters" in text
    assert "san.dns" not in text


def test_a_chain_is_shown_as_a_whole_also_when_one_is_broken(tmp_path: Path) -> None:
    path = _write(tmp_path / "a", _certificate(["H1"]), _certificate(["H2"]))
    text = _shown(path)
    assert "# 1/2" in text
    assert "# 2/2" in text
    broken = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    path.write_bytes(broken + path.read_bytes())
    text = _shown(path, 1)
    assert "# 1/3\n错误 error: certificate cannot be read" in text
    assert "subject.UID: H2" in text


def test_files_without_a_certificate(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(UnreadableError, match="No such file"):
        _shown(path)
    path.write_bytes(b"")
    with pytest.raises(UnreadableError, match=r"no certificate in this file$"):
        _shown(path)
    path.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(UnreadableError, match="it holds something else"):
        _shown(path)
    path.write_bytes(b"\0" * (9 << 20))
    with pytest.raises(UnreadableError, match="too large"):
        _shown(path)
    with pytest.raises(UnreadableError, match="Is a directory"):
        _shown(tmp_path)


def test_no_octets_bring_it_down(tmp_path: Path) -> None:
    whole = _certificate(["H1"]).public_bytes(Encoding.DER)
    path = tmp_path / "a"
    for cut in range(1, len(whole), 7):
        path.write_bytes(whole[:cut])
        assert "错误 error" in _shown(path, 1)
