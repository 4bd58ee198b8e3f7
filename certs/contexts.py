"""The only builder of TLS contexts for clients, and the judge of their handshakes.

A listener's TLS has two halves. The *base* is a blank context from before the fork: its ticket keys are the same in
every worker; it gets callbacks and settings once and has neither certificate nor anchors, so a connection that is not
switched over cannot succeed. The *material* (certificate, key, store, CA names) is a second context, made anew at each
reload; the base's servername callback, which OpenSSL runs for every ClientHello, switches the connection to it.

Nothing here trusts a session ticket. A full handshake leaves its ticket sealed unless the client's certificate was
verified without an error in it; a resumed one is judged by this worker's own verification of the same certificate.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from certs import binding
from certs.credential import Credential
from certs.evidence import INTERNAL, Evidence, Handshake
from certs.judge import Judge, proven
from certs.keys import key_problem, octets
from certs.trust import LONGEST_PATH, Trust
from certs.verdict import APPLICATION, CHAIN_TOO_LONG, Refusal, reason_of

log = logging.getLogger("settlegate.certs")

TLS12_CIPHERS: Final = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    b"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    b"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
TLS13_CIPHERS: Final = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
VERSIONS: Final = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
OPTIONS: Final = (
    SSL.OP_NO_COMPRESSION
    | SSL.OP_CIPHER_SERVER_PREFERENCE
    | 0x40000000  # SSL_OP_NO_RENEGOTIATION: pyOpenSSL names it only where its OpenSSL has it
    | 0x80  # SSL_OP_IGNORE_UNEXPECTED_EOF: a client's FIN without close_notify must not fail our later writes
)
MODES: Final = 0x1 | 0x2 | SSL.MODE_RELEASE_BUFFERS  # ENABLE_PARTIAL_WRITE, ACCEPT_MOVING_WRITE_BUFFER
ENDED_AT_DEPTH: Final = 2
"""Where an unknown issuer ends the handshake even in explain mode: everything above is forged at no cost."""


class MaterialError(ValueError):
    """Certificate, key or trust cannot be used; what was in force stays so."""


def blank_stock(count: int) -> list[SSL.Context]:
    """Contexts to be made before the fork and configured after it: each has the same ticket keys in every worker."""
    return [SSL.Context(SSL.TLS_SERVER_METHOD) for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Material:
    """What a reload replaces; made by `Terminator.prepare`."""

    context: SSL.Context
    trust: Trust


class Terminator:
    """TLS of one listener in one worker, from ClientHello to Evidence. Never blocks, reads no file."""

    def __init__(
        self,
        base: SSL.Context,
        *,
        listener: str,
        minimum_tls: str,
        explain: bool,
        resumption: bool,
        lifetime: float,
        alpn: Sequence[bytes] = (b"http/1.1",),
        clock: Callable[[], float] = time.time,
    ) -> None:
        binding.probe()
        self.listener = listener
        self.explain = explain
        self.resumption = resumption
        self.welcome: Callable[[Evidence], bool] | None = None
        """Asked before a ticket is issued: whoever is refused for other reasons than the certificate gets none."""
        self._minimum = VERSIONS[minimum_tls]
        self._alpn = tuple(alpn)
        self._clock = clock
        self._material: Material | None = None
        self._judge = Judge()
        self._warned = ""
        self._session_id = hashlib.sha256(f"settlegate listener {listener}".encode()).digest()
        self._base = self._configure(base, lifetime)

    def __repr__(self) -> str:
        return f"<Terminator {self.listener} {self._material and self._material.trust}>"

    # ---- what is in force

    @property
    def trust(self) -> Trust:
        if self._material is None:
            raise MaterialError(f"{self.listener}: nothing installed yet")
        return self._material.trust

    def prepare(self, chain_pem: bytes, key_pem: bytes, trust: Trust) -> Material:
        """Build what `install` puts into force. Raises MaterialError; nothing changes either way."""
        try:
            return Material(self._material_context(chain_pem, key_pem, trust), trust)
        except (ValueError, TypeError, UnsupportedAlgorithm, SSL.Error, crypto.Error) as error:
            raise MaterialError(f"{self.listener}: certificate or key cannot be used: {error}") from error

    def install(self, material: Material) -> None:
        """One assignment. Connections in their handshake are judged by the new trust when it ends."""
        self._material = material

    def swap(self, chain_pem: bytes, key_pem: bytes, trust: Trust) -> None:
        """Prepare and install. Raises MaterialError and leaves the old in force."""
        self.install(self.prepare(chain_pem, key_pem, trust))

    # ---- contexts

    def _configure(self, base: SSL.Context, lifetime: float) -> SSL.Context:
        self._settings(base)
        base.set_timeout(max(1, int(lifetime)))
        base.set_verify_depth(LONGEST_PATH - 2)  # OpenSSL counts neither leaf nor anchor
        mode = SSL.VERIFY_PEER if self.explain else SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        base.set_verify(mode, self._verify)
        base.set_tlsext_servername_callback(self._client_hello)
        return base

    def _settings(self, context: SSL.Context) -> None:
        """What both halves must agree on: OpenSSL takes some of it from the one, some from the other."""
        context.set_min_proto_version(self._minimum)
        context.set_cipher_list(TLS12_CIPHERS)
        context.set_tls13_ciphersuites(TLS13_CIPHERS)
        context.set_options(OPTIONS if self.resumption else OPTIONS | SSL.OP_NO_TICKET)
        context.set_mode(MODES)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_session_id(self._session_id)

    def _material_context(self, chain_pem: bytes, key_pem: bytes, trust: Trust) -> SSL.Context:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._settings(context)
        leaf, *rest = x509.load_pem_x509_certificates(chain_pem)
        context.use_certificate(leaf)
        for certificate in rest:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(load_pem_private_key(key_pem, None))  # type: ignore[arg-type]
        context.check_privatekey()
        store = context.get_cert_store()
        if store is None:
            raise MaterialError(f"{self.listener}: the context has no store")
        trust.fill(store)
        for anchor in trust.anchors:  # so that browsers and tokens offer the right certificate
            context.add_client_ca(anchor)
        context.set_alpn_select_callback(self._select_protocol)
        return context

    def _select_protocol(self, _connection: SSL.Connection, offered: list[bytes]) -> bytes:
        chosen = next((protocol for protocol in self._alpn if protocol in offered), None)
        return SSL.NO_OVERLAPPING_PROTOCOLS if chosen is None else chosen  # type: ignore[return-value]

    # ---- the handshake

    def accept(self, sock: socket.socket | None) -> SSL.Connection:
        """A connection in accept state on a non-blocking socket; None: on memory, for tests."""
        connection = SSL.Connection(self._base, sock)
        binding.return_after_each_record(connection)
        connection.set_app_data(Handshake())
        connection.set_accept_state()
        return connection

    def _client_hello(self, connection: SSL.Connection) -> None:
        """OpenSSL's servername callback. A session offered for resumption has been accepted or not by now."""
        record = connection.get_app_data()
        try:
            material = self._material
            if material is None or not isinstance(record, Handshake):
                return
            connection.set_context(material.context)
            if binding.session_reused(connection):
                connection.set_options(SSL.OP_NO_TICKET)  # else every visit buys another hour
            else:
                binding.seal(connection)
            record.trust = material.trust
        except Exception:
            # The base has no certificate: the handshake cannot succeed, and `finish` refuses what did not get here.
            log.exception("%s: ClientHello", self.listener)
            if isinstance(record, Handshake):
                record.internal = True

    def _verify(self, connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, ok: int) -> bool:
        """OpenSSL's verify callback: once per error and once per certificate, from the anchor down.

        It never raises: pyOpenSSL would hand the exception to whichever connection comes next. Returning True
        overrides an error, so what counts afterwards is the record alone.
        """
        record = connection.get_app_data()
        if not isinstance(record, Handshake):
            return False
        try:
            return self._inspect(connection, record, certificate, code if code or ok else APPLICATION, depth)
        except Exception:
            log.exception("%s: verifying a client's certificate", self.listener)
            record.internal = True
            return False

    def _inspect(
        self, connection: SSL.Connection, record: Handshake, certificate: crypto.X509, code: int, depth: int
    ) -> bool:
        trust = record.trust
        if trust is None:
            record.internal = True
            return False
        record.called = True
        key = key_problem(certificate, depth)
        if key and not trust.is_anchor(certificate):
            record.problems.add((depth, key))
            if key == APPLICATION:
                return False
        if code:
            record.problems.add((depth, code))
            binding.forget_errors()
            binding.seal(connection)
            if code == CHAIN_TOO_LONG or (depth >= ENDED_AT_DEPTH and reason_of(code) == "issuer_unknown"):
                return False
            return self.explain
        record.path.append(certificate)
        if depth == 0:
            self._arrive(connection, record, trust)
        return self.explain or not (record.problems or record.malformed)

    def _arrive(self, connection: SSL.Connection, record: Handshake, trust: Trust) -> None:
        """OpenSSL has come down to the client's certificate: judge the rest, and decide about the ticket."""
        if record.strange:
            return
        self._judge.arrive(record, trust, self._clock())
        if self._deserves_ticket(record, trust):
            binding.unseal(connection)

    def _deserves_ticket(self, record: Handshake, trust: Trust) -> bool:
        found, credential = record.verification, record.credential
        if record.problems or record.malformed or found is None or credential is None or not found.clean:
            return False
        if not trust.rebuilds(found):
            # A ticket does not carry the chain: the next worker would take this client for a stranger.
            self._warn_of_lacking_intermediates(trust, credential)
            return False
        return self.welcome is None or self.welcome(proven(credential, found))

    def _warn_of_lacking_intermediates(self, trust: Trust, credential: Credential) -> None:
        if self._warned != trust.identity:
            self._warned = trust.identity
            log.warning(
                "%s: %s issues certificates but is not in trust.intermediates; their sessions are not resumed",
                self.listener,
                credential.issuer,
            )

    # ---- the evidence

    def finish(self, connection: SSL.Connection) -> Evidence:
        """What the handshake that has just ended shows. Call it once; it never raises."""
        try:
            record = connection.get_app_data()
            connection.set_app_data(None)  # frees the record; a callback without one refuses
            return self._evidence(connection, record) if isinstance(record, Handshake) else INTERNAL
        except Exception:
            log.exception("%s: judging a client's certificate", self.listener)
            return INTERNAL

    def failure(self, connection: SSL.Connection) -> Refusal | None:
        """Why our side ended a failed handshake; None where it was not for the client's certificate."""
        record = connection.get_app_data()
        return record.failure() if isinstance(record, Handshake) else None

    def reverify(self, credential: Credential, chain: Sequence[bytes] = (), now: float | None = None) -> Evidence:
        """Judge a live connection's certificate today, under the trust in force. Never raises."""
        now = self._clock() if now is None else now
        try:
            presented = [crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in chain]
            return self._judge.afresh(credential.der, presented, self.trust, now)
        except Exception:
            log.exception("%s: judging a live connection", self.listener)
            return INTERNAL

    def _evidence(self, connection: SSL.Connection, record: Handshake) -> Evidence:
        if record.internal or record.trust is None:
            return INTERNAL
        reused = binding.session_reused(connection)
        certificate = connection.get_peer_certificate()
        if certificate is None:
            return INTERNAL if record.called else Evidence(resumed=reused)
        der = octets(certificate)
        trust = self.trust
        if reused or not record.called:
            return self._judge.afresh(der, (), trust, self._clock(), resumed=True)
        if record.trust.identity != trust.identity or (trust.store_lacks_intermediates and record.strange):
            presented = connection.get_peer_cert_chain() or [certificate]
            return self._judge.afresh(der, presented[1:], trust, self._clock())
        return self._judge.first_hand(record, der, trust)
