from __future__ import annotations

import time
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import crypto
from OpenSSL._util import lib

from certs import binding
from certs import trust as module
from certs.authority import Authority, Issued, certificates_pem, crl_pem, new_key
from certs.keys import UnreadableError
from certs.trust import PRESENTED_LIMIT, Trust, TrustError, Verification
from certs.verdict import first_reason
from tests.support.pki import HOSPITAL, Pki, TrustValues, altered_signature, days_ago, huge_key


@pytest.fixture(scope="module")
def pki() -> Pki:
    made = Pki()
    made.bad  # noqa: B018 - its lists are in files now
    return made


@pytest.fixture(scope="module")
def trust(pki: Pki) -> Trust:
    lists = (pki.folder / "root.crl", pki.issuing_crl, pki.folder / "lapsed.crl")
    return pki.trust(crls=lists, intermediates=())


def openssl(certificate: x509.Certificate) -> crypto.X509:
    return crypto.X509.from_cryptography(certificate)


def verify(trust: Trust, issued: Issued, *, chain: bool = True, now: float | None = None) -> Verification:
    presented = [openssl(entry) for entry in issued.chain] if chain else []
    return trust.verify(openssl(issued.certificate), presented, now or time.time())


def told(found: Verification) -> str | None:
    return first_reason(found.reasons)


def test_a_good_certificate(pki: Pki, trust: Trust) -> None:
    found = verify(trust, pki.hospital)
    assert found.clean
    assert [link.depth for link in found.path] == [0, 1]
    assert found.not_before < time.time() < found.not_after
    assert x509.load_der_x509_certificate(found.chain[0]) == pki.issuing.certificate
    assert verify(trust, pki.direct, chain=False).chain == ()


@pytest.mark.parametrize(
    "name",
    [
        "expired",
        "not_yet",
        "revoked",
        "wrong_purpose",
        "same_name",
        "same_names",
        "forged",
        "unknown",
        "self_signed",
        "lapsed_issuer",
        "leaf_as_issuer",
        "weak_key",
    ],
)
def test_bad_certificates(pki: Pki, trust: Trust, name: str) -> None:
    bad = pki.bad[name]
    found = verify(trust, bad.issued)
    assert not found.clean
    assert told(found) == bad.reason


def test_every_error_is_found_behind_the_first(pki: Pki) -> None:
    doomed = pki.issuing.issue("x", uid=HOSPITAL, usage="server", not_before=days_ago(9), not_after=days_ago(1))
    path = pki.put("doomed.crl", crl_pem(pki.issuing.crl([doomed.certificate.serial_number])))
    found = verify(pki.trust(crls=(path,)), doomed)
    assert found.reasons == {"certificate_expired", "purpose_wrong", "certificate_revoked"}
    assert told(found) == "certificate_revoked"


def test_a_forged_certificate_is_told_nothing_else(pki: Pki, trust: Trust) -> None:
    forger = Authority(pki.issuing.certificate, new_key(), pki.issuing.chain[1:])
    past = forger.issue("x", uid=HOSPITAL, usage="server", not_before=days_ago(9), not_after=days_ago(1))
    assert told(verify(trust, past)) == "issuer_unknown"


def test_an_altered_signature_changes_nothing(pki: Pki, trust: Trust) -> None:
    assert verify(trust, altered_signature(pki.hospital)).clean
    assert told(verify(trust, altered_signature(pki.revoked))) == "certificate_revoked"


def test_without_lists_nothing_is_revoked(pki: Pki) -> None:
    assert verify(pki.trust(crls=()), pki.revoked).clean


@pytest.mark.parametrize(
    ("chain", "intermediates", "clean"),
    [(True, (), True), (False, (), False), (False, ("issuing.pem",), True), (True, ("issuing.pem",), True)],
)
def test_intermediates(pki: Pki, chain: bool, intermediates: tuple[str, ...], clean: bool) -> None:
    trust = pki.trust(intermediates=tuple(pki.folder / name for name in intermediates))
    assert verify(trust, pki.hospital, chain=chain).clean is clean


def test_known_issuers_complete_a_path_and_are_never_trusted(pki: Pki, trust: Trust) -> None:
    leaf, now = openssl(pki.hospital.certificate), time.time()
    assert trust.verify(leaf, [], now, [openssl(pki.issuing.certificate)]).clean
    foreign = Trust.build(values(pki, anchors=("foreign.pem",)), pki.files)
    both = [openssl(pki.issuing.certificate), openssl(pki.root.certificate)]
    assert told(foreign.verify(leaf, [], now, both)) == "issuer_unknown"


def values(pki: Pki, **names: tuple[str, ...]) -> Any:
    paths: dict[str, Any] = {key: tuple(pki.folder / name for name in value) for key, value in names.items()}
    return TrustValues(**paths)


def test_an_anchor_that_is_not_self_signed(pki: Pki) -> None:
    trust = pki.trust(anchors=(pki.folder / "issuing.pem",))
    assert trust.partial
    found = verify(trust, pki.hospital)
    assert found.clean
    assert len(found.path) == 1
    assert told(verify(trust, pki.direct)) == "issuer_unknown"


def test_an_intermediate_beside_such_an_anchor_is_no_anchor(pki: Pki) -> None:
    stranger = Authority.create("Stranger").intermediate("Stranger Issuing")
    pki.put("stranger.pem", stranger.pem)
    files = {"anchors": ("issuing.pem",), "intermediates": ("stranger.pem",)}
    trust = Trust.build(values(pki, **files), pki.files)
    assert trust.store_lacks_intermediates
    assert told(verify(trust, stranger.issue("x", uid=HOSPITAL), chain=False)) == "issuer_unknown"


def test_a_self_signed_intermediate_is_left_out_with_a_warning(pki: Pki) -> None:
    trust = pki.trust(intermediates=(pki.folder / "foreign.pem",))
    assert "self-signed" in trust.warnings[0]
    assert trust.intermediates == ()
    assert told(verify(trust, pki.bad["same_name"].issued)) == "issuer_unknown"


def test_openssl_alone_does_not_decide_what_an_anchor_is(pki: Pki, trust: Trust) -> None:
    path = [openssl(entry) for entry in (pki.bad["same_name"].issued.certificate, pki.foreign.certificate)]
    assert told(trust.judge(path, time.time())) == "issuer_unknown"


def test_which_paths_can_be_built_again_from_the_certificate_alone(pki: Pki, trust: Trust) -> None:
    assert trust.rebuilds(verify(trust, pki.direct))
    assert not trust.rebuilds(verify(trust, pki.hospital))
    assert pki.trust().rebuilds(verify(trust, pki.hospital))


def test_an_upper_authority_is_checked_where_a_list_exists(pki: Pki) -> None:
    fallen = pki.root.crl([pki.issuing.certificate.serial_number])
    path = pki.put("fallen.crl", crl_pem(fallen))
    assert told(verify(pki.trust(crls=(path, pki.issuing_crl)), pki.hospital)) == "certificate_revoked"
    assert verify(pki.trust(crls=(pki.issuing_crl,)), pki.hospital).clean


@pytest.mark.parametrize("problem", ["absent", "garbage", "forged"])
def test_lists_asked_for_but_unusable_admit_nobody(pki: Pki, problem: str) -> None:
    forger = Authority(pki.issuing.certificate, new_key())
    data = {"absent": None, "garbage": b"garbage", "forged": crl_pem(forger.crl())}[problem]
    path = pki.folder / f"{problem}.crl"
    if data is not None:
        pki.put(path.name, data)
    trust = pki.trust(crls=(path,), intermediates=(pki.folder / "issuing.pem",))
    assert str(path) in trust.warnings[0]
    assert verify(trust, pki.hospital).reasons == {"crl_missing"}


@pytest.mark.parametrize(("policy", "reason"), [("refuse", "crl_stale"), ("warn", None), ("Warn", "crl_stale")])
def test_stale_lists(pki: Pki, policy: str, reason: str | None) -> None:
    old = pki.issuing.crl([pki.revoked.certificate.serial_number], last_update=days_ago(9), next_update=days_ago(1))
    path = pki.put("old.crl", crl_pem(old))
    trust = pki.trust(crls=(path,), stale_crl=policy)
    assert told(verify(trust, pki.hospital)) == reason
    assert told(verify(trust, pki.revoked)) == "certificate_revoked"


def test_time_undoes_a_verification(pki: Pki, trust: Trust) -> None:
    now = time.time()
    found = verify(trust, pki.hospital, now=now)
    assert trust.current(found, now) == frozenset()
    assert first_reason(reasons(trust, found, now + 8 * 86_400)) == "crl_stale"
    assert first_reason(reasons(trust, found, now + 500 * 86_400)) == "certificate_expired"
    assert first_reason(reasons(trust, found, now - 86_400)) == "certificate_not_yet_valid"


def reasons(trust: Trust, found: Verification, now: float) -> frozenset[str]:
    return Verification(trust.current(found, now)).reasons


def test_asking_for_a_live_connection(pki: Pki, trust: Trust) -> None:
    found = verify(trust, pki.revoked)
    spki, serial = found.path[0].issuer.spki, pki.revoked.certificate.serial_number
    assert trust.revoked(spki, serial)
    assert not trust.revoked(spki, serial + 1)


def test_strangers_cannot_make_us_compute_with_huge_keys(
    pki: Pki, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crypto, "X509StoreContext", None)  # nothing may be verified at all
    assert told(verify(trust, pki.huge)) == "certificate_invalid"
    assert told(verify(trust, pki.huge_issuer)) == "certificate_invalid"
    hoard = Issued(pki.hospital.certificate, None, (pki.issuing.certificate,) * (PRESENTED_LIMIT + 1))
    assert told(verify(trust, hoard)) == "certificate_invalid"


@pytest.mark.parametrize("bits", [1024, 8192])
def test_a_configured_intermediate_is_held_to_the_limits_too(pki: Pki, bits: int) -> None:
    key = huge_key(bits) if bits > 4096 else rsa.generate_private_key(65537, bits)
    ca = pki.root.intermediate("Odd", key=key)
    path = pki.put(f"odd-{bits}.pem", ca.pem)
    trust = pki.trust(crls=(), intermediates=(path,))
    assert told(verify(trust, ca.issue("x", uid=HOSPITAL), chain=False)) == "certificate_invalid"


def test_a_huge_anchor_is_the_operators_choice(pki: Pki) -> None:
    anchor = Authority.create("Huge", key=huge_key())
    pki.put("huge.pem", anchor.pem)
    trust = Trust.build(values(pki, anchors=("huge.pem",)), pki.files)
    issued = anchor.issue("x", uid=HOSPITAL)
    assert verify(trust, issued).clean
    assert verify(trust, Issued(issued.certificate, None, (anchor.certificate,))).clean


def test_name_constraints_are_kept(pki: Pki) -> None:
    key = new_key()
    ca = Authority.create("Constrained", key=key)
    permitted = x509.NameConstraints([x509.DNSName("good.example")], None)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(ca.certificate.subject)
        .issuer_name(ca.certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(days_ago(1))
        .not_valid_after(days_ago(-9))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    below = Authority(certificate, key).intermediate("below")
    constrained = (
        x509.CertificateBuilder()
        .subject_name(below.certificate.subject)
        .issuer_name(certificate.subject)
        .public_key(below.key.public_key())
        .serial_number(2)
        .not_valid_before(days_ago(1))
        .not_valid_after(days_ago(-9))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(permitted, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(below.key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    issuing = Authority(constrained, below.key, ())
    pki.put("constrained.pem", certificates_pem([certificate]))
    trust = Trust.build(values(pki, anchors=("constrained.pem",)), pki.files)
    assert verify(trust, issuing.issue("x", uid=HOSPITAL, san=["a.good.example"])).clean
    assert told(verify(trust, issuing.issue("x", uid=HOSPITAL, san=["a.evil.example"]))) == "certificate_invalid"


@pytest.mark.parametrize(
    "data", [None, b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_an_unusable_anchor_stops_the_start(pki: Pki, data: bytes | None) -> None:
    path = pki.folder / "unusable.pem"
    pki.files.pop(str(path), None)
    if data is not None:
        pki.put(path.name, data)
    with pytest.raises(TrustError, match="unusable"):
        pki.trust(anchors=(path,))


def test_a_weak_anchor_stops_the_start(pki: Pki) -> None:
    path = pki.put("weak.pem", Authority.create("weak", key=rsa.generate_private_key(65537, 1024)).pem)
    with pytest.raises(TrustError, match="1024"):
        pki.trust(anchors=(path,))


def test_no_anchor_at_all(pki: Pki) -> None:
    with pytest.raises(TrustError):
        Trust.build(values(pki, anchors=()), pki.files)


def test_a_missing_purpose_call_stops_the_start(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise binding.BindingMissingError("gone")

    monkeypatch.setattr(binding, "probe", missing)
    with pytest.raises(binding.BindingMissingError):
        pki.trust()


def test_identity_follows_content(pki: Pki) -> None:
    first, second = pki.trust(), pki.trust()
    assert first.identity == second.identity
    assert first.generation != second.generation
    assert pki.trust(stale_crl="warn").identity != first.identity
    assert pki.trust(crls=()).identity != first.identity
    as_intermediate = pki.trust(crls=(), intermediates=(pki.folder / "root.pem",))
    as_anchor = pki.trust(crls=(), intermediates=(), anchors=(pki.folder / "root.pem",) * 2)
    assert as_intermediate.identity != as_anchor.identity
    assert "1 anchors" in repr(first)


def test_a_certificate_that_only_openssl_can_read(pki: Pki, trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(_: object) -> None:
        raise UnreadableError("odd")

    monkeypatch.setattr(module, "read", unreadable)
    assert told(verify(trust, pki.hospital)) == "certificate_invalid"


def test_the_error_queue_is_left_empty(pki: Pki, trust: Trust) -> None:
    verify(trust, pki.bad["forged"].issued)
    assert lib.ERR_peek_error() == 0
