from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import crypto

from certs import judge as module
from certs.authority import Issued
from certs.credential import CredentialError
from certs.evidence import INTERNAL, Handshake
from certs.judge import Judge
from certs.trust import Trust
from tests.support.pki import Pki, altered_signature

NOW = time.time() + 1800  # ahead: tests run minutes after their modules are imported


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


@pytest.fixture(scope="module")
def trust(pki: Pki) -> Trust:
    return pki.trust()


def der(issued: Issued) -> bytes:
    return issued.certificate.public_bytes(Encoding.DER)


def recorded(pki: Pki, issued: Issued) -> Handshake:
    """As the callbacks leave it when OpenSSL has accepted the path."""
    record = Handshake()
    path = (pki.root.certificate, *reversed(issued.chain), issued.certificate)
    record.path = [crypto.X509.from_cryptography(entry) for entry in path]
    return record


def test_first_hand(pki: Pki, trust: Trust) -> None:
    judge, record = Judge(), recorded(pki, pki.hospital)
    judge.arrive(record, trust, NOW)
    evidence = judge.first_hand(record, der(pki.hospital), trust)
    assert evidence.verified
    assert not evidence.resumed
    assert evidence.chain == tuple(der(Issued(entry)) for entry in pki.hospital.chain)
    assert evidence.issuer_spki != evidence.anchor_spki
    assert len(judge.proofs) == 1


def test_the_second_time_nothing_is_parsed(pki: Pki, trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    judge, record = Judge(), recorded(pki, pki.hospital)
    judge.arrive(record, trust, NOW)
    first = judge.first_hand(record, der(pki.hospital), trust)
    monkeypatch.setattr(module, "parse", None)
    monkeypatch.setattr(trust, "judge", None)
    record = recorded(pki, pki.hospital)
    judge.arrive(record, trust, NOW)
    assert judge.first_hand(record, der(pki.hospital), trust) == first


def test_an_earlier_proof_does_not_excuse_todays_errors(pki: Pki, trust: Trust) -> None:
    judge, record = Judge(), recorded(pki, pki.hospital)
    judge.arrive(record, trust, NOW)
    judge.first_hand(record, der(pki.hospital), trust)
    record = recorded(pki, pki.hospital)
    record.problems.add((0, 10))
    judge.arrive(record, trust, NOW)
    evidence = judge.first_hand(record, der(pki.hospital), trust)
    assert evidence.errors == {"certificate_expired"}
    assert not evidence.verified


def test_a_record_of_another_certificate_is_no_evidence(pki: Pki, trust: Trust) -> None:
    judge, record = Judge(), recorded(pki, pki.hospital)
    judge.arrive(record, trust, NOW)
    assert judge.first_hand(record, der(pki.pharmacy), trust) == INTERNAL
    assert judge.first_hand(record, der(altered_signature(pki.hospital)), trust) == INTERNAL


def test_a_record_that_never_arrived_is_no_evidence(pki: Pki, trust: Trust) -> None:
    assert Judge().first_hand(Handshake(), der(pki.hospital), trust) == INTERNAL


def test_malformed(pki: Pki, trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(_: bytes) -> None:
        raise CredentialError("odd")

    monkeypatch.setattr(module, "parse", unreadable)
    judge, record = Judge(), recorded(pki, pki.hospital)
    judge.arrive(record, trust, NOW)
    assert record.malformed
    for evidence in (
        judge.first_hand(record, der(pki.hospital), trust),
        judge.afresh(der(pki.hospital), (), trust, NOW, resumed=True),
    ):
        assert evidence.malformed
        assert not evidence.verified
        assert evidence.credential is None


def test_afresh_by_memory_and_by_work(pki: Pki, trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Judge()
    first = judge.afresh(der(pki.hospital), (), trust, NOW, resumed=True)
    assert first.verified
    assert first.resumed
    monkeypatch.setattr(Trust, "verify", None)
    assert judge.afresh(der(pki.hospital), (), trust, NOW, resumed=True) == first


def test_afresh_refuses(pki: Pki, trust: Trust) -> None:
    evidence = Judge().afresh(der(pki.revoked), (), trust, NOW)
    assert evidence.errors == {"certificate_revoked"}
    assert evidence.credential is not None
    assert evidence.detail == "depth 0: 23"
