"""Resumption stays on, and proves nothing: every certificate that is refused is refused resumed, too.

A terminator seals the tickets of those it refuses. To show that admission does not rest on that, sessions of bad
certificates are begun here with sealing switched off, or under a trust that still accepted them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from OpenSSL import SSL
from OpenSSL._util import ffi, lib

from certs import binding
from certs.authority import crl_pem
from certs.contexts import Terminator
from certs.evidence import Evidence
from certs.trust import Trust
from gateway.admission import Refusal, decide
from tests.support.pki import HOSPITAL, PHARMACY, Pki, altered_signature, days_ago
from tests.support.tls import VERSIONS, Client, Meeting, meet, resumable, swap, terminator

BAD = [
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
]


class Rules:
    enabled = True
    keys = ()


@pytest.fixture(scope="module")
def pki() -> Pki:
    made = Pki()
    assert sorted(made.bad) == sorted(BAD)
    return made


@pytest.fixture(params=list(VERSIONS))
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def leaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tickets go out to everybody."""
    monkeypatch.setattr(binding, "seal", lambda _: None)


def full_trust(pki: Pki) -> Trust:
    """With the lists and intermediates that let every bad certificate show what is wrong with it."""
    return pki.trust(
        crls=(pki.folder / "root.crl", pki.issuing_crl, pki.folder / "lapsed.crl"),
        intermediates=(pki.folder / "issuing.pem", pki.folder / "lapsed.pem"),
    )


def answer(evidence: Evidence) -> str:
    """The institution in capitals, or the reason against it."""
    rules = {HOSPITAL: Rules(), PHARMACY: Rules()}
    found = decide(evidence, institution_field="subject.UID", unlisted="refuse", institutions=rules)
    return found.reason if isinstance(found, Refusal) else found.institution


def ticket(session: SSL.Session | None) -> bytes:
    assert session is not None
    size = lib.i2d_SSL_SESSION(session._session, ffi.NULL)
    buffer = ffi.new("unsigned char[]", size)
    lib.i2d_SSL_SESSION(session._session, ffi.new("unsigned char **", buffer))
    return bytes(ffi.buffer(buffer, size))


def again(gate: Terminator, client: Client, met: Meeting) -> Evidence:
    """Come back with the session; it must really be resumed."""
    evidence = meet(gate, client, met.session).judged
    assert evidence.resumed
    return evidence


def test_a_good_certificate_resumes_and_is_admitted(pki: Pki, version: str) -> None:
    gate, client = terminator(pki), Client(pki.hospital, version)
    first = meet(gate, client)
    assert answer(first.judged) == HOSPITAL
    assert not first.judged.resumed
    assert answer(again(gate, client, first)) == HOSPITAL


@pytest.mark.parametrize("name", BAD)
def test_bad_certificates_full(pki: Pki, version: str, name: str) -> None:
    gate, bad = terminator(pki, full_trust(pki)), pki.bad[name]
    client = Client(bad.issued, version)
    met = meet(gate, client)
    assert answer(met.judged) == bad.reason
    assert not resumable(gate, client, met)


@pytest.mark.parametrize("name", BAD)
@pytest.mark.usefixtures("leaking")
def test_bad_certificates_resumed(pki: Pki, version: str, name: str) -> None:
    gate, bad = terminator(pki, full_trust(pki)), pki.bad[name]
    client = Client(bad.issued, version)
    evidence = again(gate, client, meet(gate, client))
    # The hospital's certificate that issued this one is gone with the chain, and nobody may know it as an issuer.
    assert answer(evidence) == ("issuer_unknown" if name == "leaf_as_issuer" else bad.reason)
    assert not evidence.verified


@pytest.mark.parametrize("name", BAD)
def test_bad_certificates_closed(pki: Pki, version: str, name: str) -> None:
    gate = terminator(pki, full_trust(pki), explain=False)
    met = meet(gate, Client(pki.bad[name].issued, version))
    assert met.evidence is None
    assert met.server_error is not None
    failure = gate.failure(met.server)
    assert failure is not None
    # The handshake ends at the first error; which one that is, is OpenSSL's choice.
    assert failure.reason in {pki.bad[name].reason, "certificate_invalid", "purpose_wrong"}
    assert answer(meet(gate, Client(pki.hospital, version)).judged) == HOSPITAL


def test_no_certificate(pki: Pki, version: str) -> None:
    gate, client = terminator(pki), Client(None, version)
    met = meet(gate, client)
    assert answer(met.judged) == "certificate_missing"
    assert not resumable(gate, client, met)
    closed = meet(terminator(pki, explain=False), client)
    assert closed.evidence is None


@pytest.mark.usefixtures("leaking")
def test_a_ticket_without_a_certificate(pki: Pki, version: str) -> None:
    gate, client = terminator(pki), Client(None, version)
    assert answer(again(gate, client, meet(gate, client))) == "certificate_missing"


def test_the_token_is_plugged_in_after_the_refusal(pki: Pki, version: str) -> None:
    """The same machine, the same session store: the certificate must be asked for again."""
    gate, client = terminator(pki), Client(None, version)
    refused = meet(gate, client)
    client.context._used = False  # the same client context learns its certificate
    client.context.use_certificate(pki.direct.certificate)
    client.context.use_privatekey(pki.direct.key)  # type: ignore[arg-type]
    assert answer(meet(gate, client, refused.session).judged) == HOSPITAL


def revoked_since(pki: Pki) -> Trust:
    serial = pki.hospital.certificate.serial_number
    return pki.trust(crls=(pki.put("fresh.crl", crl_pem(pki.issuing.crl([serial], number=7))),))


def issuer_revoked_since(pki: Pki) -> Trust:
    path = pki.put("fallen.crl", crl_pem(pki.root.crl([pki.issuing.certificate.serial_number], number=7)))
    return pki.trust(crls=(path, pki.issuing_crl))


def anchor_removed(pki: Pki) -> Trust:
    return pki.trust(anchors=(pki.folder / "gateway-root.pem",))


def anchor_of_the_same_name(pki: Pki) -> Trust:
    return pki.trust(anchors=(pki.folder / "foreign.pem",))


def list_lost(pki: Pki) -> Trust:
    return pki.trust(crls=(pki.folder / "root.crl",))


def list_overdue(pki: Pki) -> Trust:
    old = pki.issuing.crl([], last_update=days_ago(9), next_update=days_ago(1))
    return pki.trust(crls=(pki.put("overdue.crl", crl_pem(old)),))


CHANGES = {
    "certificate_revoked": [revoked_since, issuer_revoked_since],
    "issuer_unknown": [anchor_removed, anchor_of_the_same_name],
    "crl_missing": [list_lost],
    "crl_stale": [list_overdue],
}
CASES = [(change, reason) for reason, changes in CHANGES.items() for change in changes]


@pytest.mark.parametrize(("change", "reason"), CASES, ids=[change.__name__ for change, _ in CASES])
class TestTrustChanges:
    def test_between_session_and_resumption(self, pki: Pki, version: str, change, reason: str) -> None:  # type: ignore[no-untyped-def]
        gate, client = terminator(pki), Client(pki.hospital, version)
        met = meet(gate, client)
        assert answer(met.judged) == HOSPITAL
        swap(gate, pki, change(pki))
        assert answer(again(gate, client, met)) == reason

    def test_between_client_hello_and_finished(self, pki: Pki, version: str, change, reason: str) -> None:  # type: ignore[no-untyped-def]
        gate = terminator(pki)
        met = meet(gate, Client(pki.hospital, version), between=lambda: swap(gate, pki, change(pki)))
        assert answer(met.judged) == reason

    def test_under_a_live_connection(self, pki: Pki, version: str, change, reason: str) -> None:  # type: ignore[no-untyped-def]
        gate = terminator(pki)
        first = meet(gate, Client(pki.hospital, version)).judged
        assert first.credential is not None
        swap(gate, pki, change(pki))
        assert answer(gate.reverify(first.credential, first.chain)) == reason

    def test_and_back_again(self, pki: Pki, version: str, change, reason: str) -> None:  # type: ignore[no-untyped-def]
        gate, client = terminator(pki, change(pki)), Client(pki.hospital, version)
        assert answer(meet(gate, client).judged) == reason
        swap(gate, pki, pki.trust())
        assert answer(meet(gate, client).judged) == HOSPITAL


def test_a_handshake_that_began_too_early_profits_from_the_new_trust(pki: Pki, version: str) -> None:
    gate = terminator(pki, anchor_removed(pki))
    met = meet(gate, Client(pki.hospital, version), between=lambda: swap(gate, pki, pki.trust()))
    assert answer(met.judged) == HOSPITAL


def test_time_passes_between_session_and_resumption(pki: Pki, version: str) -> None:
    offset = 0.0
    gate = terminator(pki, clock=lambda: time.time() + offset)
    client = Client(pki.hospital, version)
    met = meet(gate, client)
    offset = 8 * 86_400.0
    assert answer(again(gate, client, met)) == "crl_stale"


def test_known_intermediates_outlive_their_place_in_the_configuration(pki: Pki, version: str) -> None:
    """The session was begun when the issuing CA was configured; now this worker knows it from a chain it verified."""
    gate, client = terminator(pki), Client(pki.hospital, version)
    met = meet(gate, client)
    swap(gate, pki, pki.trust(intermediates=()))
    gate._judge.proofs._issuers.clear()
    assert answer(again(gate, client, met)) == "issuer_unknown"
    assert answer(meet(gate, Client(pki.pharmacy, version)).judged) == PHARMACY
    assert answer(again(gate, client, met)) == HOSPITAL


def test_sessions_that_no_other_worker_could_verify_are_not_resumed(
    pki: Pki, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    gate, client = terminator(pki, pki.trust(intermediates=())), Client(pki.hospital, version)
    for _ in range(2):
        met = meet(gate, client)
        assert answer(met.judged) == HOSPITAL
        assert not resumable(gate, client, met)
    assert [record.message for record in caplog.records] == [
        "settlement: CN=Institutions Issuing CA issues certificates but is not in trust.intermediates; "
        "their sessions are not resumed"
    ]
    direct = Client(pki.direct, version)
    assert resumable(gate, direct, meet(gate, direct))


def test_an_altered_signature_is_another_certificate_of_the_same_institution(pki: Pki, version: str) -> None:
    gate = terminator(pki)
    ours = meet(gate, Client(pki.hospital, version)).judged
    theirs = meet(gate, Client(altered_signature(pki.hospital), version)).judged
    assert ours.credential is not None
    assert theirs.credential is not None
    assert ours.credential.fingerprint != theirs.credential.fingerprint
    assert ours.credential.spki == theirs.credential.spki
    revoked = meet(gate, Client(altered_signature(pki.revoked), version)).judged
    assert answer(revoked) == "certificate_revoked"


def test_one_hour_is_one_hour(pki: Pki, version: str) -> None:
    """A resumed connection gets no new ticket, so the first one's age counts."""
    gate, client = terminator(pki), Client(pki.hospital, version)
    first = meet(gate, client)
    second = meet(gate, client, first.session)
    assert second.judged.resumed
    assert ticket(second.session) == ticket(first.session)


def test_the_lifetime_ends(pki: Pki, version: str) -> None:
    gate, client = terminator(pki, lifetime=1.0), Client(pki.hospital, version)
    first = meet(gate, client)
    deadline = time.monotonic() + 20
    while resumable(gate, client, first):
        assert time.monotonic() < deadline, "still resumed after 20 s"
        time.sleep(0.1)


def test_resumption_off(pki: Pki, version: str) -> None:
    gate, client = terminator(pki, resumption=False), Client(pki.hospital, version)
    met = meet(gate, client)
    assert answer(met.judged) == HOSPITAL
    assert not resumable(gate, client, met)


def test_whoever_is_not_welcome_gets_no_ticket(pki: Pki, version: str) -> None:
    gate, client = terminator(pki), Client(pki.odd["no_uid"].issued, version)
    assert resumable(gate, client, meet(gate, client))
    gate.welcome = lambda evidence: answer(evidence) == HOSPITAL
    assert not resumable(gate, client, meet(gate, client))
    good = Client(pki.hospital, version)
    assert resumable(gate, good, meet(gate, good))


def test_a_ticket_is_worth_nothing_at_another_base(pki: Pki, version: str) -> None:
    client = Client(pki.hospital, version)
    met = meet(terminator(pki), client)
    assert not resumable(terminator(pki), client, met)


@pytest.fixture(scope="module")
def forked() -> dict[str, dict[str, list[object]]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.forked_terminators"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(VERSIONS, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize(
    ("step", "resumed"),
    [("full", False), ("same worker", True), ("other worker", True), ("rotated", False), ("other listener", False)],
)
def test_forked_workers(forked: dict[str, dict[str, list[object]]], version: str, step: str, resumed: bool) -> None:
    """Ticket keys are shared per index of the stock and listener; a worker that has seen nothing yet must verify."""
    assert forked[version][step] == [resumed, True, f"UID={HOSPITAL},CN=Hospital One"]
