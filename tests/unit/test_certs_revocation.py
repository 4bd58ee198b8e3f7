from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from certs import revocation
from certs.authority import Authority, crl_pem
from certs.revocation import Issuer, RevocationError, Revocations, Subject, load, read
from certs.verdict import CERT_REVOKED, CRL_HAS_EXPIRED, CRL_NOT_YET_VALID, UNABLE_TO_GET_CRL
from tests.support.pki import days_ago

NOW = time.time() + 1800  # ahead: tests run minutes after their modules are imported
CA = Authority.create("CA")
ISSUER = Issuer.of(CA.certificate)
OTHER = Authority.create("CA")
"""The same name, another key."""
CERTIFICATE = CA.issue("leaf", serial=77).certificate
LEAF = Subject.of(CERTIFICATE)
POINT = "http://crl.example/1.crl"
Extension = tuple[x509.ExtensionType, bool]


def build(
    extensions: Iterable[Extension] = (), revoked: Iterable[int] = (), *, updates: tuple[float, float | None] = (1, -1)
) -> x509.CertificateRevocationList:
    begin, end = updates
    builder = x509.CertificateRevocationListBuilder().issuer_name(CA.certificate.subject).last_update(days_ago(begin))
    builder = builder.next_update(days_ago(end if end is not None else -1))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    for serial in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(days_ago(2)).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(CA.key, hashes.SHA256())


def lists(*crls: x509.CertificateRevocationList) -> Revocations:
    return Revocations([read(crl_pem(crl), "x.crl") for crl in crls], configured=True)


def distribution(**changes: object) -> Extension:
    values: dict[str, object] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
        **changes,
    }
    return x509.IssuingDistributionPoint(**values), True  # type: ignore[arg-type]


def test_a_certificate_on_the_list() -> None:
    assert lists(CA.crl([77])).judge(ISSUER, LEAF, 0, NOW) == (CERT_REVOKED,)
    assert lists(CA.crl([78])).judge(ISSUER, LEAF, 0, NOW) == ()


def test_pem_der_and_several_in_one_file() -> None:
    both = crl_pem(CA.crl([1])) + b"junk\n" + crl_pem(CA.crl([2], number=2))
    files = {"/both": both, "/der": CA.crl([3]).public_bytes(Encoding.DER)}
    found, warnings = load([Path("/both"), Path("/der")], files, [ISSUER])
    assert sorted(min(entry.revoked) for entry in found.lists) == [1, 2, 3]
    assert warnings == ()


def test_a_list_signed_with_another_key_of_the_same_name_is_nothing() -> None:
    revocations = lists(OTHER.crl([77]))
    assert revocations.judge(ISSUER, LEAF, 0, NOW) == (UNABLE_TO_GET_CRL,)
    assert revocations.judge(Issuer.of(OTHER.certificate), LEAF, 0, NOW) == (CERT_REVOKED,)


def test_an_issuer_that_may_not_sign_lists() -> None:
    leaf = CA.issue("CA")  # key usage: digitalSignature only
    impostor = Authority(leaf.certificate, leaf.key)  # type: ignore[arg-type]
    assert lists(impostor.crl([77])).of(Issuer.of(leaf.certificate)) == ()


def test_missing_lists_matter_for_the_client_and_where_lists_were_asked_for() -> None:
    assert lists().judge(ISSUER, LEAF, 0, NOW) == (UNABLE_TO_GET_CRL,)
    assert lists().judge(ISSUER, LEAF, 1, NOW) == ()
    assert Revocations([], configured=False).judge(ISSUER, LEAF, 0, NOW) == ()


def test_with_a_list_unread_every_issuer_needs_one() -> None:
    """Whose list the unreadable one was nobody knows; it may have revoked the issuing authority."""
    for files in ({"/good": crl_pem(CA.crl([1]))}, {"/good": crl_pem(CA.crl([1])), "/bad": b"junk"}):
        found, warnings = load([Path("/good"), Path("/bad")], files, [ISSUER])
        assert len(warnings) == 1
        assert found.judge(ISSUER, LEAF, 0, NOW) == ()
        assert found.judge(Issuer.of(OTHER.certificate), LEAF, 1, NOW) == (UNABLE_TO_GET_CRL,)


def test_stale_lists_still_revoke() -> None:
    old = CA.crl([77], last_update=days_ago(9), next_update=days_ago(1))
    assert lists(old).judge(ISSUER, LEAF, 0, NOW) == (CERT_REVOKED, CRL_HAS_EXPIRED)
    early = CA.crl([78], last_update=days_ago(-1), next_update=days_ago(-2))
    assert lists(early).judge(ISSUER, LEAF, 0, NOW) == (CRL_NOT_YET_VALID,)


def test_freshness_is_a_matter_of_now() -> None:
    revocations = lists(CA.crl([], next_update=datetime.now(UTC) + timedelta(days=1)))
    assert revocations.judge(ISSUER, LEAF, 0, NOW) == ()
    assert revocations.judge(ISSUER, LEAF, 0, NOW + 90_000) == (CRL_HAS_EXPIRED,)


def test_the_newest_wins_both_ways() -> None:
    revoking = CA.crl([77], number=2, last_update=days_ago(1))
    releasing = CA.crl([], number=1, last_update=days_ago(2))
    assert lists(revoking, releasing).judge(ISSUER, LEAF, 0, NOW) == (CERT_REVOKED,)
    assert lists(releasing, revoking).judge(ISSUER, LEAF, 0, NOW) == (CERT_REVOKED,)
    same_day = CA.crl([], number=3, last_update=revoking.last_update_utc)
    assert lists(revoking, same_day).judge(ISSUER, LEAF, 0, NOW) == ()


def test_a_list_published_ahead_does_not_displace_the_one_in_force() -> None:
    now = CA.crl([77])
    ahead = CA.crl([], last_update=days_ago(-1), next_update=days_ago(-2))
    assert lists(ahead, now).judge(ISSUER, LEAF, 0, NOW) == (CERT_REVOKED,)


@pytest.mark.parametrize(
    ("extension", "words"),
    [
        ((x509.DeltaCRLIndicator(1), True), "delta"),
        ((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True), "1.2.3.4"),
        (distribution(indirect_crl=True), "indirect"),
        (distribution(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise})), "partial"),
        (distribution(only_contains_attribute_certs=True), "partial"),
    ],
)
def test_a_list_that_does_not_say_all_is_not_used(extension: Extension, words: str) -> None:
    pem = crl_pem(build([extension], [77]))
    with pytest.raises(RevocationError, match=words):
        read(pem, "x.crl")
    found, warnings = load([Path("/x")], {"/x": pem}, [ISSUER])
    assert words in warnings[0]
    assert found.judge(ISSUER, LEAF, 0, NOW) == (UNABLE_TO_GET_CRL,)


def test_a_list_for_leaves_says_nothing_of_authorities() -> None:
    revocations = lists(build([distribution(only_contains_user_certs=True)], [77]))
    assert revocations.judge(ISSUER, LEAF, 0, NOW) == (CERT_REVOKED,)
    assert revocations.judge(ISSUER, LEAF, 1, NOW) == ()


def test_a_list_for_authorities_says_nothing_of_leaves() -> None:
    revocations = lists(build([distribution(only_contains_ca_certs=True)], [77]))
    assert revocations.judge(ISSUER, LEAF, 0, NOW) == (UNABLE_TO_GET_CRL,)
    assert revocations.judge(ISSUER, LEAF, 1, NOW) == (CERT_REVOKED,)


def test_a_partitioned_list_covers_those_that_point_to_it() -> None:
    name = [x509.UniformResourceIdentifier(POINT)]
    revocations = lists(build([distribution(full_name=name)], [77]))
    pointing = (
        x509.CertificateBuilder()
        .subject_name(CERTIFICATE.subject)
        .issuer_name(CA.certificate.subject)
        .public_key(CA.key.public_key())
        .serial_number(77)
        .not_valid_before(days_ago(1))
        .not_valid_after(days_ago(-1))
        .add_extension(x509.CRLDistributionPoints([x509.DistributionPoint(name, None, None, None)]), critical=False)
        .sign(CA.key, hashes.SHA256())
    )
    assert revocations.judge(ISSUER, Subject.of(pointing), 0, NOW) == (CERT_REVOKED,)
    assert revocations.judge(ISSUER, LEAF, 0, NOW) == (UNABLE_TO_GET_CRL,)


def test_warnings_name_file_and_trouble() -> None:
    files = {"/bad": b"nonsense", "/other": crl_pem(OTHER.crl()), "/stranger": crl_pem(Authority.create("S").crl())}
    paths = [Path(name) for name in ("/bad", "/absent", "/other", "/stranger")]
    found, warnings = load(paths, files, [ISSUER])
    assert [warning.partition(":")[0] for warning in warnings] == ["/bad", "/absent", "/other", "/stranger"]
    assert "cannot be read" in warnings[0]
    assert "not signed by CN=CA" in warnings[2]
    assert "neither an anchor nor an intermediate" in warnings[3]
    assert found.configured


def test_a_list_without_an_end_counts_as_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = read(crl_pem(CA.crl()), "x")
    endless = revocation.RevocationList(
        "x", entry.issuer, entry.this_update, None, 1, entry.scope, frozenset(), entry.crl
    )
    assert endless.stale(NOW) == CRL_HAS_EXPIRED
    assert "stale" in str(revocation._doubt(endless, [ISSUER]))


def test_asking_by_key_and_serial() -> None:
    revocations = lists(CA.crl([77], number=2), CA.crl([78], last_update=days_ago(5)))
    assert not revocations.holds(ISSUER.spki, 77)  # this key has not been met yet
    revocations.of(ISSUER)
    assert revocations.holds(ISSUER.spki, 77)
    assert not revocations.holds(ISSUER.spki, 78)  # only the newest counts
    assert not revocations.holds(Issuer.of(OTHER.certificate).spki, 77)


def test_a_signature_is_verified_once_per_key(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = revocation.RevocationList.signed_by

    def counting(self: revocation.RevocationList, issuer: Issuer) -> bool:
        calls.append(issuer)
        return original(self, issuer)

    monkeypatch.setattr(revocation.RevocationList, "signed_by", counting)
    revocations = lists(CA.crl())
    for _ in range(5):
        revocations.judge(ISSUER, LEAF, 0, NOW)
    assert len(calls) == 1


@given(st.binary(max_size=200))
def test_only_the_documented_error_escapes(data: bytes) -> None:
    with pytest.raises(RevocationError):
        read(data, "x")
