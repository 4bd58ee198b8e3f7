from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import crypto

from certs import evidence
from certs.authority import Issued
from certs.credential import Credential, parse
from certs.evidence import Handshake, Proofs, describe
from certs.trust import Trust, Verification
from certs.verdict import Refusal
from tests.support.pki import Pki

NOW = time.time() + 1800  # ahead: tests run minutes after their modules are imported


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


@pytest.fixture(scope="module")
def trust(pki: Pki) -> Trust:
    return pki.trust()


def proof(trust: Trust, issued: Issued) -> tuple[Credential, Verification]:
    chain = [crypto.X509.from_cryptography(entry) for entry in (issued.certificate, *issued.chain)]
    return parse(issued.certificate.public_bytes(Encoding.DER)), trust.verify(chain[0], chain[1:], NOW)


def test_a_proof_is_found_for_this_certificate_and_this_trust_only(pki: Pki, trust: Trust) -> None:
    proofs = Proofs()
    credential, found = proof(trust, pki.hospital)
    proofs.remember(credential, trust, found)
    assert proofs.find(credential.fingerprint, trust, NOW) == (credential, found)
    assert proofs.find(credential.fingerprint, pki.trust(), NOW) is not None  # the same content
    assert proofs.find(credential.fingerprint, pki.trust(crls=()), NOW) is None
    assert proofs.find("00" * 32, trust, NOW) is None


def test_a_proof_ends_with_its_dates_and_lists(pki: Pki, trust: Trust) -> None:
    proofs = Proofs()
    credential, found = proof(trust, pki.hospital)
    proofs.remember(credential, trust, found)
    assert proofs.find(credential.fingerprint, trust, NOW + 8 * 86_400) is None
    assert proofs.find(credential.fingerprint, trust, NOW) is not None


def test_failures_are_not_remembered(pki: Pki, trust: Trust) -> None:
    proofs = Proofs()
    for name in ("expired", "revoked", "same_name"):
        proofs.remember(*proof(trust, pki.bad[name].issued)[:1], trust, proof(trust, pki.bad[name].issued)[1])
    proofs.remember(proof(trust, pki.hospital)[0], trust, Verification(frozenset()))  # no path, no proof
    assert len(proofs) == 0
    assert proofs.issuers == ()


def test_memory_is_bounded(pki: Pki, trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "PROOFS_LIMIT", 2)
    monkeypatch.setattr(evidence, "ISSUERS_LIMIT", 1)
    proofs = Proofs()
    second = pki.root.intermediate("Second CA")
    pki.put("second.crl", b"")
    open_trust = pki.trust(crls=())
    kept = [proof(open_trust, issued) for issued in (pki.hospital, pki.pharmacy, second.issue("x"))]
    for credential, found in kept[:2]:
        proofs.remember(credential, open_trust, found)
    assert proofs.find(kept[0][0].fingerprint, open_trust, NOW)  # used again, so the other one is the oldest
    proofs.remember(kept[2][0], open_trust, kept[2][1])
    found_again = [proofs.find(credential.fingerprint, open_trust, NOW) is not None for credential, _ in kept]
    assert found_again == [True, False, True]
    assert [entry.to_cryptography() for entry in proofs.issuers] == [second.certificate]


def test_what_a_failed_handshake_is_called() -> None:
    record = Handshake()
    assert record.failure() is None
    assert repr(record) == "<Handshake open>"
    record.problems = {(0, 10), (1, 20)}
    assert record.strange
    assert record.failure() == Refusal("issuer_unknown", "depth 0: 10, depth 1: 20")
    assert repr(record) == "<Handshake depth 0: 10, depth 1: 20>"
    record.internal = True
    assert record.failure() == Refusal("internal", "verification failed")
    assert repr(record) == "<Handshake internal>"
    malformed = Handshake()
    malformed.malformed = True
    assert malformed.failure() == Refusal("certificate_invalid", "")
    assert describe(set()) == ""
