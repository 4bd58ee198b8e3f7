from __future__ import annotations

import time
from contextlib import suppress

import pytest
from OpenSSL import SSL, crypto
from OpenSSL._util import lib

from certs import binding
from certs.authority import Authority, Issued, certificates_pem, new_key, private_key_pem
from certs.contexts import MaterialError, Terminator, blank_stock
from certs.evidence import INTERNAL, Handshake
from certs.verdict import Refusal, first_reason
from tests.support.pki import HOSPITAL, Pki, days_ago
from tests.support.tls import Client, meet, swap, terminator


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


def test_a_stock_is_blank() -> None:
    assert [context._used for context in blank_stock(3)] == [False, False, False]


def test_settings(pki: Pki) -> None:
    base = blank_stock(1)[0]
    gate = terminator(pki, base=base, minimum_tls="1.3", lifetime=90.5)
    assert base.get_timeout() == 90
    assert base.get_session_cache_mode() == SSL.SESS_CACHE_OFF
    assert base.get_verify_mode() == SSL.VERIFY_PEER
    closing = blank_stock(1)[0]
    terminator(pki, base=closing, explain=False)
    assert closing.get_verify_mode() == SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    assert "settlement" in repr(gate)


def test_a_used_base_is_refused(pki: Pki) -> None:
    base = blank_stock(1)[0]
    terminator(pki, base=base).accept(None)
    with pytest.raises(ValueError, match="already been used"):
        terminator(pki, base=base)


@pytest.mark.parametrize(("minimum", "version", "works"), [("1.2", "TLSv1.2", True), ("1.3", "TLSv1.2", False)])
def test_minimum_version(pki: Pki, minimum: str, version: str, works: bool) -> None:
    met = meet(terminator(pki, minimum_tls=minimum), Client(pki.hospital, version))
    assert (met.evidence is not None) is works


@pytest.mark.parametrize(
    ("version", "cipher"),
    [("TLSv1.3", "TLS_AES_128_GCM_SHA256"), ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")],
)
def test_our_first_cipher_wins(pki: Pki, version: str, cipher: str) -> None:
    assert meet(terminator(pki), Client(pki.hospital, version)).server.get_cipher_name() == cipher


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [((), b""), ((b"http/1.1",), b"http/1.1"), ((b"h2", b"http/1.1"), b"http/1.1"), ((b"h2",), b"")],
)
def test_alpn_without_overlap_proceeds(pki: Pki, offered: tuple[bytes, ...], chosen: bytes) -> None:
    met = meet(terminator(pki), Client(pki.hospital, alpn=offered))
    assert met.judged.verified
    assert met.client.get_alpn_proto_negotiated() == chosen


def test_the_anchors_names_are_sent(pki: Pki) -> None:
    client = Client(pki.hospital)
    met = meet(terminator(pki), client)
    assert [name.CN for name in met.client.get_client_ca_list()] == ["Institutions Root"]


@pytest.mark.parametrize("name", [None, b"localhost", b"somewhere.example"])
def test_trust_does_not_depend_on_the_server_name(pki: Pki, name: bytes | None) -> None:
    gate = terminator(pki)
    assert meet(gate, Client(pki.hospital), name=name).judged.verified
    assert not meet(gate, Client(pki.bad["same_name"].issued), name=name).judged.verified


def test_the_chain_is_sent(pki: Pki) -> None:
    issuing = pki.gateway_root.intermediate("Gateway Issuing")
    issued = issuing.issue("gateway", usage="server")
    gate = terminator(pki)
    gate.swap(issued.pem, issued.key_pem, pki.trust())
    chain = meet(gate, Client(pki.hospital)).client.get_peer_cert_chain(as_cryptography=True)
    assert chain == [issued.certificate, issuing.certificate]


class TestSwap:
    @pytest.mark.parametrize(
        ("chain", "key"),
        [
            (b"", None),
            (b"garbage", None),
            (None, b"garbage"),
            (None, b""),
            (None, private_key_pem(new_key())),
        ],
        ids=["no certificate", "bad certificate", "bad key", "no key", "another key"],
    )
    def test_a_failure_leaves_the_old_in_force(self, pki: Pki, chain: bytes | None, key: bytes | None) -> None:
        gate = terminator(pki)
        before = gate.trust
        with pytest.raises(MaterialError, match="settlement"):
            gate.swap(
                pki.gateway.pem if chain is None else chain, pki.gateway.key_pem if key is None else key, pki.trust()
            )
        assert gate.trust is before
        assert meet(gate, Client(pki.hospital)).judged.verified

    def test_a_new_certificate_is_shown_at_once(self, pki: Pki) -> None:
        gate = terminator(pki)
        renewed = pki.gateway_root.issue("gateway", usage="server")
        gate.swap(renewed.pem, renewed.key_pem, pki.trust())
        assert meet(gate, Client(pki.hospital)).client.get_peer_certificate(as_cryptography=True) == renewed.certificate

    def test_preparing_changes_nothing(self, pki: Pki) -> None:
        gate = terminator(pki)
        before = gate.trust
        material = gate.prepare(pki.gateway.pem, pki.gateway.key_pem, pki.trust(crls=()))
        assert gate.trust is before
        gate.install(material)
        assert gate.trust is material.trust


def test_before_anything_is_installed_nobody_gets_through(pki: Pki) -> None:
    gate = Terminator(blank_stock(1)[0], listener="x", minimum_tls="1.2", explain=True, resumption=True, lifetime=60.0)
    with pytest.raises(MaterialError):
        gate.trust  # noqa: B018
    assert meet(gate, Client(pki.hospital)).evidence is None


class TestFailClosed:
    """Whatever breaks on our side refuses this connection, is not raised, and surfaces nowhere else."""

    def test_an_error_in_the_verify_callback(self, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
        gate = terminator(pki)
        with monkeypatch.context() as broken:
            broken.setattr(gate._judge, "arrive", None)
            met = meet(gate, Client(pki.hospital))
        assert met.evidence is None
        assert gate.failure(met.server) == Refusal("internal", "verification failed")
        assert meet(gate, Client(pki.hospital)).judged.verified  # no exception left behind for the next one

    def test_an_error_at_client_hello(self, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
        gate = terminator(pki)
        with monkeypatch.context() as broken:
            broken.setattr(binding, "session_reused", None)
            met = meet(gate, Client(pki.hospital))
        assert met.evidence is None or met.evidence == INTERNAL
        assert meet(gate, Client(pki.hospital)).judged.verified

    @pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
    def test_an_error_at_the_client_hello_of_a_resumption(
        self, pki: Pki, version: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A resumption needs no certificate of ours, so it can succeed on the base alone."""
        gate, client = terminator(pki), Client(pki.hospital, version)
        first = meet(gate, client)
        with monkeypatch.context() as broken:
            broken.setattr(SSL.Connection, "set_context", None)
            met = meet(gate, client, first.session)
        assert met.judged == INTERNAL

    def test_an_error_while_judging(self, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
        gate = terminator(pki)
        monkeypatch.setattr(gate._judge, "first_hand", None)
        assert meet(gate, Client(pki.hospital)).judged == INTERNAL

    def test_an_error_while_judging_again(self, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
        gate = terminator(pki)
        credential = meet(gate, Client(pki.hospital)).judged.credential
        assert credential is not None
        assert gate.reverify(credential, [b"no certificate"]) == INTERNAL
        assert gate.reverify(credential).verified

    def test_an_unwelcoming_error_costs_the_connection(self, pki: Pki) -> None:
        gate = terminator(pki)

        def broken(_: object) -> bool:
            raise RuntimeError("registry gone")

        gate.welcome = broken
        assert meet(gate, Client(pki.hospital)).evidence is None

    def test_a_mark_of_trouble_is_final(self, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
        gate = terminator(pki)
        accept = gate.accept

        def marked(sock: None) -> SSL.Connection:
            connection = accept(sock)
            connection.get_app_data().internal = True
            return connection

        monkeypatch.setattr(gate, "accept", marked)
        assert meet(gate, Client(pki.hospital)).judged == INTERNAL

    def test_a_connection_without_a_record(self, pki: Pki) -> None:
        gate = terminator(pki)
        met = meet(gate, Client(pki.hospital))
        assert gate.finish(met.server) == INTERNAL  # a second time: the record is gone
        assert gate.failure(met.server) is None
        assert gate._verify(met.server, None, 0, 0, 1) is False  # type: ignore[arg-type]

    def test_a_callback_without_trust(self, pki: Pki) -> None:
        gate = terminator(pki)
        connection = gate.accept(None)
        assert gate._verify(connection, None, 0, 0, 1) is False  # type: ignore[arg-type]
        assert gate.finish(connection) == INTERNAL

    def test_an_error_without_a_code_is_an_error(self, pki: Pki) -> None:
        gate = terminator(pki)
        connection = gate.accept(None)
        record = connection.get_app_data()
        assert isinstance(record, Handshake)
        record.trust = gate.trust
        certificate = crypto.X509.from_cryptography(pki.hospital.certificate)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(binding, "seal", lambda _: None)
            gate._verify(connection, certificate, 0, 0, 0)
        assert record.problems == {(0, 50)}


class TestStrangersDoNotMakeUsWork:
    def test_an_unknown_issuer_far_up_ends_the_handshake(self, pki: Pki) -> None:
        first = pki.foreign.intermediate("Institutions Issuing CA")
        leaf = first.issue("x", uid=HOSPITAL)
        forged = Issued(leaf.certificate, leaf.key, (first.certificate, pki.foreign.certificate))
        gate = terminator(pki, pki.trust(anchors=(pki.folder / "gateway-root.pem",)))
        met = meet(gate, Client(forged))
        assert met.evidence is None
        failure = gate.failure(met.server)
        assert failure is not None
        assert failure.reason == "issuer_unknown"

    @pytest.mark.parametrize("kind", ["huge", "huge_issuer"])
    @pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
    def test_huge_keys_end_the_handshake(self, pki: Pki, kind: str, version: str) -> None:
        gate = terminator(pki)
        met = meet(gate, Client(getattr(pki, kind), version))
        assert met.evidence is None
        failure = gate.failure(met.server)
        assert failure is not None
        assert failure.reason in {"certificate_invalid", "issuer_unknown"}

    @pytest.mark.parametrize(("between", "enters"), [(4, True), (5, False)])
    def test_paths_are_short(self, pki: Pki, between: int, enters: bool) -> None:
        authority = pki.root
        for number in range(between):
            authority = authority.intermediate(f"CA {number}", path_length=None)
        met = meet(terminator(pki, pki.trust(crls=())), Client(authority.issue("x", uid=HOSPITAL)))
        assert (met.evidence is not None) is enters

    def test_garbage_in_place_of_a_certificate_is_a_failed_handshake(self, pki: Pki) -> None:
        gate = terminator(pki)
        connection = gate.accept(None)
        connection.bio_write(b"\x16\x03\x01\x00\x05hello")
        with pytest.raises(SSL.Error):
            connection.do_handshake()
        assert gate.failure(connection) is None


def test_an_intermediate_beside_an_anchor_that_is_not_self_signed(pki: Pki) -> None:
    """The context's store cannot hold it, so the handshake knows no issuer; the judgement afterwards does."""
    upper = pki.root.intermediate("Upper", path_length=1)
    lower = upper.intermediate("Lower")
    files = {"anchors": (pki.put("upper.pem", upper.pem),), "intermediates": (pki.put("lower.pem", lower.pem),)}
    gate = terminator(pki, pki.trust(crls=(), **files))
    assert gate.trust.store_lacks_intermediates
    assert meet(gate, Client(lower.issue("x", uid=HOSPITAL), send_chain=False)).judged.verified
    strangers = Authority.create("Stranger").issue("x", uid=HOSPITAL)
    assert first_reason(meet(gate, Client(strangers)).judged.errors) == "issuer_unknown"


@pytest.mark.parametrize("explain", [True, False])
def test_clients_may_leave_out_a_configured_intermediate(pki: Pki, explain: bool) -> None:
    gate = terminator(pki, explain=explain)
    assert meet(gate, Client(pki.hospital, send_chain=False)).judged.verified


def test_reverify_uses_today(pki: Pki) -> None:
    gate = terminator(pki)
    evidence = meet(gate, Client(pki.hospital)).judged
    assert evidence.credential is not None
    assert gate.reverify(evidence.credential, evidence.chain).verified
    later = gate.reverify(evidence.credential, evidence.chain, now=time.time() + 8 * 86_400)
    assert later.errors == {"crl_stale"}
    swap(gate, pki, pki.trust(intermediates=()))
    assert gate.reverify(evidence.credential, evidence.chain).verified


def test_flights_may_arrive_octet_by_octet(pki: Pki) -> None:
    """A signature failure that was overridden must not be taken for the failure of the next read."""
    gate = terminator(pki)
    client = SSL.Connection(Client(pki.bad["forged"].issued).context)
    client.set_connect_state()
    server = gate.accept(None)
    done = False
    for _ in range(4):
        with suppress(SSL.WantReadError):
            client.do_handshake()
        try:
            flight = client.bio_read(65_536)
        except SSL.WantReadError:
            flight = b""
        for octet in flight:
            server.bio_write(bytes([octet]))
            with suppress(SSL.WantReadError):
                if not done:
                    server.do_handshake()
                    done = True
        with suppress(SSL.WantReadError):
            client.bio_write(server.bio_read(65_536))
    assert done
    assert first_reason(gate.finish(server).errors) == "issuer_unknown"


def test_after_a_hello_retry_request(pki: Pki) -> None:
    """ClientHello comes twice, so does our callback. Such a client is judged as ever; it is never resumed."""
    gate = terminator(pki)
    for issued, enters in ((pki.hospital, True), (pki.revoked, False)):
        client = Client(issued)
        assert lib.SSL_CTX_set1_curves_list(client.context._context, b"P-521:X25519") == 1
        first = meet(gate, client)
        assert first.server.get_group_name() == "x25519"
        second = meet(gate, client, first.session).judged
        assert [first.judged.verified, second.verified, second.resumed] == [enters, enters, False]


def test_an_expired_certificate_of_ours_is_the_operators_trouble(pki: Pki) -> None:
    old = pki.gateway_root.issue("gateway", usage="server", not_before=days_ago(9), not_after=days_ago(1))
    gate = terminator(pki)
    gate.swap(certificates_pem([old.certificate]), old.key_pem, pki.trust())
    assert meet(gate, Client(pki.hospital)).judged.verified
