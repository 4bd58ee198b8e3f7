"""Two ends of a TLS connection joined in memory: a client of any kind, and a Terminator.

The client is pyOpenSSL with every check of its own switched off: it is the attacker as often as the institution.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from OpenSSL import SSL

from certs.authority import Issued
from certs.contexts import Terminator, blank_stock
from certs.evidence import Evidence
from certs.trust import Trust
from tests.support.pki import Pki

VERSIONS = {"TLSv1.2": SSL.TLS1_2_VERSION, "TLSv1.3": SSL.TLS1_3_VERSION}
ROUNDS = 20
"""More than any handshake takes."""


def terminator(
    pki: Pki, trust: Trust | None = None, *, base: SSL.Context | None = None, **changes: object
) -> Terminator:
    """A terminator with the gateway's certificate installed."""
    settings: dict[str, object] = {
        "listener": "settlement",
        "minimum_tls": "1.2",
        "explain": True,
        "resumption": True,
        "lifetime": 3600.0,
        **changes,
    }
    made = Terminator(base or blank_stock(1)[0], **settings)  # type: ignore[arg-type]
    swap(made, pki, trust or pki.trust())
    return made


def swap(gate: Terminator, pki: Pki, trust: Trust) -> None:
    gate.swap(pki.gateway.pem, pki.gateway.key_pem, trust)


class Client:
    """One client machine: its sessions can be resumed by itself only, as OpenSSL wants it."""

    def __init__(
        self, issued: Issued | None, version: str = "TLSv1.3", *, send_chain: bool = True, alpn: tuple[bytes, ...] = ()
    ) -> None:
        self.context = context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_cipher_list(b"DEFAULT@SECLEVEL=0")  # so that it may hold a weak key
        context.set_min_proto_version(VERSIONS[version])
        context.set_max_proto_version(VERSIONS[version])
        if alpn:
            context.set_alpn_protos(list(alpn))
        if issued is not None:
            context.use_certificate(issued.certificate)
            context.use_privatekey(issued.key)  # type: ignore[arg-type]
            for certificate in issued.chain if send_chain else ():
                context.add_extra_chain_cert(certificate)


@dataclass
class Meeting:
    """How one handshake went."""

    server: SSL.Connection
    client: SSL.Connection
    evidence: Evidence | None = None
    """None where the server's side of the handshake failed."""
    session: SSL.Session | None = None
    """To resume by; None where the handshake failed."""
    server_error: Exception | None = None
    client_error: Exception | None = None

    @property
    def judged(self) -> Evidence:
        assert self.evidence is not None, self.server_error
        return self.evidence


def meet(
    gate: Terminator,
    client: Client,
    session: SSL.Session | None = None,
    *,
    name: bytes | None = None,
    between: Callable[[], None] | None = None,
) -> Meeting:
    """Shake hands; `between` runs when the server has answered ClientHello and waits for the client's certificate."""
    met = Meeting(gate.accept(None), SSL.Connection(client.context))
    met.client.set_connect_state()
    if name is not None:
        met.client.set_tlsext_host_name(name)
    if session is not None:
        met.client.set_session(session)
    done = [False, False]
    for turn in range(ROUNDS):
        met.client_error = met.client_error or _step(met.client, done, 0)
        _carry(met.client, met.server)
        met.server_error = met.server_error or _step(met.server, done, 1)
        if done[1] and met.evidence is None:
            met.evidence = gate.finish(met.server)
        _carry(met.server, met.client)
        if turn == 0 and between is not None:
            between()
    if all(done):
        _take_tickets(met)
    return met


def _step(connection: SSL.Connection, done: list[bool], side: int) -> Exception | None:
    if not done[side]:
        try:
            connection.do_handshake()
            done[side] = True
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            return error
    return None


def _carry(source: SSL.Connection, target: SSL.Connection) -> None:
    with suppress(SSL.WantReadError):
        target.bio_write(source.bio_read(1 << 20))


def _take_tickets(met: Meeting) -> None:
    try:
        met.client.recv(1)
    except SSL.WantReadError:
        pass
    except SSL.Error as error:
        met.client_error = error
        return
    met.session = met.client.get_session()
    met.client.shutdown()  # without close_notify OpenSSL would throw its session away


def resumable(gate: Terminator, client: Client, met: Meeting) -> bool:
    """Whether the session of this meeting is resumed if the client tries."""
    return meet(gate, client, met.session).judged.resumed
