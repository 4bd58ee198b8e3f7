"""Which files are opened, and what is said at which place."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.check_files import Found, check_files
from gateway.config import read_gateway
from tests.support.operator_files import DAY, NOW, for_the_example, pair, revocation_list

TEXT = """\
listeners:
  front:
    certificate: pki/gateway.pem
    key: pki/gateway.key
    trust: {anchors: [pki/institutions-ca.pem], crls: [pki/institutions.crl]}
pools:
  clinic:
    upstream_tls: {anchors: [pki/nodes-ca.pem]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for_the_example(tmp_path)
    return tmp_path


def found(folder: Path, text: str = TEXT) -> Found:
    path = folder / "gateway.yaml"
    path.write_text(text)
    return check_files(read_gateway(path), NOW)


def said(result: Found) -> list[str]:
    return [f"{problem.line}: {problem.path}: {problem.message}" for problem in result.problems]


def noticed(result: Found) -> list[str]:
    return [f"{problem.line}: {problem.path}: {problem.message}" for problem in result.notices]


def test_sound_files_raise_nothing(folder: Path) -> None:
    result = found(folder)
    assert said(result) == noticed(result) == []


def test_a_key_that_does_not_match(folder: Path) -> None:
    (folder / "pki/gateway.key").write_bytes(pair("other").key_pem())
    assert said(found(folder)) == [
        "4: listeners.front.key: pki/gateway.key: the key does not match the certificate"
    ]  # fmt: skip


def test_a_key_that_others_may_read(folder: Path) -> None:
    (folder / "pki/gateway.key").chmod(0o644)
    assert noticed(found(folder)) == [
        "4: listeners.front.key: pki/gateway.key: open to everybody (mode 0644); chmod 600"
    ]  # fmt: skip
    (folder / "pki/gateway.key").chmod(0o640)
    assert "open to its group (mode 0640)" in noticed(found(folder))[0]


def test_files_that_are_none(folder: Path) -> None:
    pki = folder / "pki"
    (pki / "gateway.pem").write_bytes(b"")
    (pki / "gateway.key").unlink()
    (pki / "gateway.key").mkdir()
    (pki / "institutions-ca.pem").unlink()
    (pki / "institutions.crl").write_bytes(b"garbage")
    (pki / "nodes-ca.pem").write_bytes(b"garbage")
    assert sorted(said(found(folder))) == [
        "3: listeners.front.certificate: pki/gateway.pem: an empty file",
        "4: listeners.front.key: pki/gateway.key: not a regular file",
        "5: listeners.front.trust.anchors[0]: pki/institutions-ca.pem: no such file",
        "5: listeners.front.trust.crls[0]: pki/institutions.crl: no revocation list in PEM or DER",
        "8: pools.clinic.upstream_tls.anchors[0]: pki/nodes-ca.pem: no certificate in PEM",
    ]


def test_a_late_list_is_a_notice_and_a_foreign_one_a_problem(folder: Path) -> None:
    authority = pair("institutions", ca=True)
    (folder / "pki/institutions-ca.pem").write_bytes(authority.pem)
    late = revocation_list(authority, begins=NOW - 9 * DAY, due=NOW - DAY)
    (folder / "pki/institutions.crl").write_bytes(late.public_bytes(Encoding.DER))
    result = found(folder)
    assert said(result) == []
    assert "is overdue since" in noticed(result)[0]
    (folder / "pki/institutions.crl").write_bytes(revocation_list(pair("x", ca=True)).public_bytes(Encoding.PEM))
    result = found(folder)
    assert "none of the anchors" in said(result)[0]
    assert "there is no list of CN=institutions" in noticed(result)[0]


def test_what_else_is_wrong_with_the_file_hides_nothing(folder: Path) -> None:
    (folder / "pki/gateway.key").write_bytes(pair("other").key_pem())
    text = TEXT.replace("  front:\n", "  front:\n    bogus: [\n      1]\n    bind: 5\n")
    assert "the key does not match" in said(found(folder, text))[0]


@pytest.mark.parametrize("certificate", ["5", "{a: b}", "!secret env:HOME", "''", '"a\\0b"', "[[a]]"])
def test_what_is_no_path_is_the_models_business(folder: Path, certificate: str) -> None:
    assert said(found(folder, TEXT.replace("certificate: pki/gateway.pem", f"certificate: {certificate}"))) == []


def test_secrets_in_files_that_others_may_read(folder: Path) -> None:
    secret = folder / "community"
    secret.write_text("hunter2")
    secret.chmod(0o644)
    (notice,) = found(folder, TEXT + "x: !secret file:community\n").notices
    assert str(notice) == f"{secret}: a secret that is open to everybody (mode 0644); chmod 600"


def test_client_certificates_for_nodes(folder: Path) -> None:
    text = TEXT.replace("pki/nodes-ca.pem]", "pki/nodes-ca.pem], certificate: pki/gateway.pem, key: pki/gateway.key")
    assert said(found(folder, text)) == [
        "8: pools.clinic.upstream_tls.certificate: pki/gateway.pem: its extendedKeyUsage does not allow clientAuth"
    ]


def test_the_pair_that_checks_show_is_looked_at_too(folder: Path) -> None:
    ours = "check_certificate: pki/gateway.pem, check_key: pki/gateway.key, crls: [pki/institutions.crl]"
    result = found(folder, TEXT.replace("pki/nodes-ca.pem]", f"pki/nodes-ca.pem], {ours}"))
    said_of = {line.partition(": ")[2].partition(":")[0] for line in said(result)}
    assert said_of == {"pools.clinic.upstream_tls.check_certificate", "pools.clinic.upstream_tls.crls[0]"}
    (folder / "pki/gateway.key").write_bytes(pair("other").key_pem())
    result = found(folder, TEXT.replace("pki/nodes-ca.pem]", f"pki/nodes-ca.pem], {ours}"))
    assert "8: pools.clinic.upstream_tls.check_key: pki/gateway.key: the key does not match the certificate" in said(
        result
    )
