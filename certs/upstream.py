"""TLS towards the nodes of one pool: whom we believe, what we show, and sessions that may be resumed.

OpenSSL verifies in the handshake: path, dates, the purpose serverAuth, and the name. Revocation is judged here, on the
path that OpenSSL has accepted. A resumed session carries no certificate: it counts only as long as the verification
that it began with would, and never outlives the trust, the name or the hour.

Everything here runs on a connection without I/O of its own; who owns the socket drives the handshake.
"""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from certs import binding
from certs.contexts import MODES, TLS12_CIPHERS, TLS13_CIPHERS
from certs.trust import LONGEST_PATH, Trust, Verification

if TYPE_CHECKING:
    from certs.config import UpstreamTLSConfig

OPTIONS: Final = SSL.OP_NO_COMPRESSION | 0x40000000  # SSL_OP_NO_RENEGOTIATION
SESSION_LIFETIME: Final = 3600.0
"""Seconds after which a node has to show its certificate again, however often its session was resumed."""
SESSIONS_PER_NODE: Final = 8


class NodeTLSError(ValueError):
    """Anchors, certificate or key cannot be used; what was in force stays so."""


class NodeUntrusted(Exception):
    """The handshake succeeded, and yet this node is not to be believed; says why."""


@dataclass(slots=True, eq=False)
class _Kept:
    """A session that a node may be offered again, and what is known of the certificate behind it."""

    session: SSL.Session
    found: Verification
    verified_at: float
    once: bool
    """A ticket of TLS 1.3 is used once (RFC 8446 appendix C.4); many nodes take it only once."""


@dataclass(slots=True)
class _Peer:
    """What a connection remembers of its node."""

    node: str
    offered: _Kept | None = None
    found: Verification | None = None
    verified_at: float = 0.0


class NodeTLS:
    """Of one pool in one process, and of one content of its files: another trust is another object."""

    def __init__(
        self, context: SSL.Context, trust: Trust, name: str | None, identity: str, clock: Callable[[], float]
    ) -> None:
        """Use `build`."""
        self.identity = identity
        """Equal for equal settings and equal octets of all files."""
        self.trust = trust
        self._context = context
        self._name = name
        self._clock = clock
        self._kept: dict[str, list[_Kept]] = {}

    def __repr__(self) -> str:
        return f"<NodeTLS {self.identity[:12]} name={self._name or '(the host)'} {self.trust}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NodeTLS) and other.identity == self.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    @classmethod
    def build(
        cls,
        settings: UpstreamTLSConfig,
        files: Mapping[str, bytes],
        *,
        for_checks: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> NodeTLS:
        """From settings and the octets of the files they name, by path. Raises NodeTLSError, TrustError."""
        pair = settings.check_pair if for_checks else settings.pair
        binding.probe()
        trust = Trust.build(settings, files)
        try:
            context = _context(trust, pair, files)
        except (KeyError, ValueError, TypeError, UnsupportedAlgorithm, SSL.Error, crypto.Error) as error:
            raise NodeTLSError(f"certificate or key cannot be used: {error}") from error
        return cls(context, trust, settings.server_name, _identity(settings, pair, files), clock)

    def connect(self, node: str, host: str, sock: socket.socket | None) -> SSL.Connection:
        """A connection in connect state to `node`, whose address has this host; None: on memory."""
        connection = SSL.Connection(self._context, sock)
        name = self._name or host
        address = _packed(name)
        binding.expect_name(connection, name.encode(), address)
        if address is None:
            connection.set_tlsext_host_name(name.encode())
        offered = self._session_for(node)
        if offered is not None:
            connection.set_session(offered.session)
        connection.set_app_data(_Peer(node, offered))
        connection.set_connect_state()
        return connection

    def finish(self, connection: SSL.Connection) -> None:
        """To be called when the handshake is done, before anything is sent. Raises NodeUntrusted."""
        peer = _peer(connection)
        wrong = binding.verify_error(connection)
        if wrong:  # cannot be: OpenSSL would have failed the handshake
            raise NodeUntrusted(wrong)
        now = self._clock()
        offered = peer.offered
        if binding.session_reused(connection):
            if offered is None:
                raise NodeUntrusted("a session was resumed that was not offered")
            found, peer.verified_at = offered.found, offered.verified_at
            problems = self.trust.current(found, now)
        else:
            if offered is not None:
                self._forget(peer.node, offered)
            path = connection.get_verified_chain()
            if not path:
                raise NodeUntrusted("no certificate was shown")
            found, peer.verified_at = self.trust.judge(path, now, keys=False), now
            problems = found.problems
        if problems:
            raise NodeUntrusted(" and ".join(sorted(Verification(problems).reasons)))
        peer.found = found

    def remember(self, connection: SSL.Connection) -> None:
        """Keep its session for the next connection. Tickets of TLS 1.3 come behind the handshake: call it late."""
        peer = connection.get_app_data()
        if not isinstance(peer, _Peer) or peer.found is None:
            return
        session = binding.session_copy(connection)
        if session is None:
            return
        once = connection.get_protocol_version() >= SSL.TLS1_3_VERSION
        kept = self._kept.setdefault(peer.node, [])
        if not once:
            kept.clear()  # one that can be used again and again is enough
        kept.append(_Kept(session, peer.found, peer.verified_at, once))
        del kept[:-SESSIONS_PER_NODE]

    def retain(self, nodes: Container[str]) -> None:
        """Forget the sessions of all others."""
        self._kept = {node: kept for node, kept in self._kept.items() if node in nodes}

    def reason(self, connection: SSL.Connection, words: str) -> str:
        """Why a handshake failed, in full; `words` are OpenSSL's for the error itself."""
        wrong = binding.verify_error(connection)
        return f"its certificate is not accepted: {wrong}" if wrong else f"TLS handshake: {words or 'cut off'}"

    def _session_for(self, node: str) -> _Kept | None:
        kept, now = self._kept.get(node), self._clock()
        while kept:
            last = kept[-1]
            fresh = 0 <= now - last.verified_at < SESSION_LIFETIME and not self.trust.current(last.found, now)
            if last.once or not fresh:
                kept.pop()
            if fresh:
                return last
        return None

    def _forget(self, node: str, offered: _Kept) -> None:
        """The node did not want it."""
        kept = self._kept.get(node, [])
        if offered in kept:
            kept.remove(offered)


def upstream_files(settings: UpstreamTLSConfig, *, for_checks: bool = False) -> tuple[Path, ...]:
    """Every file that `build` needs."""
    pair = settings.check_pair if for_checks else settings.pair
    return (*settings.anchors, *settings.crls, *(pair or ()))


def _peer(connection: SSL.Connection) -> _Peer:
    peer = connection.get_app_data()
    if not isinstance(peer, _Peer):
        raise NodeUntrusted("a connection of somebody else's")
    return peer


def _packed(name: str) -> bytes | None:
    try:
        return ipaddress.ip_address(name).packed
    except ValueError:
        return None


def _context(trust: Trust, pair: tuple[Path, Path] | None, files: Mapping[str, bytes]) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(TLS12_CIPHERS)
    context.set_tls13_ciphersuites(TLS13_CIPHERS)
    context.set_options(OPTIONS)
    context.set_mode(MODES)
    # What may be resumed is kept in `NodeTLS`, by node; OpenSSL's own cache of a client is never looked at.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_verify(SSL.VERIFY_PEER)
    context.set_verify_depth(LONGEST_PATH - 2)
    context.set_alpn_protos([b"http/1.1"])
    store = context.get_cert_store()
    if store is None:
        raise NodeTLSError("the context has no store")
    trust.fill(store)
    if pair is not None:
        certificate_file, key_file = pair
        leaf, *rest = x509.load_pem_x509_certificates(files[str(certificate_file)])
        context.use_certificate(leaf)
        for certificate in rest:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(load_pem_private_key(files[str(key_file)], None))  # type: ignore[arg-type]
        context.check_privatekey()
    return context


def _identity(settings: UpstreamTLSConfig, pair: tuple[Path, Path] | None, files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256(f"{settings.server_name} {settings.stale_crl}".encode())
    for kind in (settings.anchors, settings.crls, pair or ()):
        digest.update(b"\0")
        for path in kind:
            digest.update(hashlib.sha256(files.get(str(path), b"")).digest())
    return digest.hexdigest()
