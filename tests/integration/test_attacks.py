"""Attacks on the real gateway: nobody enters without proof of who they are, and nobody speaks in another's name.

What each test says is a promise to the institutions. The attackers here know the code, hold certificates of their
own, and do with the socket whatever they like.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import http.client
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL

from certs.authority import Authority, Issued, crl_pem, new_key
from tests.support.client import Client, Response
from tests.support.gateway import HOSPITAL, PHARMACY, Gateway, World, eventually
from tests.support.nodes import RecordingNode, ok
from tests.support.pki import days_ago

CLAIM = b"GET /claim HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
MIB = 1 << 20

# The pharmacy may neither use /admin nor the host hidden.test.
ROUTES = [
    {"name": "admin", "path": "/admin", "pool": "settlement"},
    {"name": "hidden", "host": "hidden.test", "pool": "settlement"},
    {"name": "rest", "path": "/", "pool": "settlement"},
]
INSTITUTIONS = {HOSPITAL: {}, PHARMACY: {"routes": ["rest"]}}


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode(ok(b"settled")) as node:
        yield node


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Gateway]:
    """Two workers, and a second listener that believes another authority of the same name."""
    folder = tmp_path_factory.mktemp("attacks")
    gateway = Gateway(folder, nodes=[node.address], workers=2, routes=ROUTES, institutions=INSTITUTIONS)
    partner = Authority.create("Institutions CA")
    (folder / "pki/partner.pem").write_bytes(partner.pem)
    gateway.world.save("partner-hospital", partner.issue("hospital", uid=HOSPITAL))
    listener = gateway.config["listeners"]["settlement"]
    trust = {"anchors": ["pki/partner.pem"], "institution_id": "subject.UID"}
    gateway.config["listeners"]["partner"] = listener | {"trust": trust}
    with gateway:
        yield gateway


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Gateway]:
    """One worker that writes no log, and sessions of two seconds: tickets know whole seconds only."""
    folder, lifetime = tmp_path_factory.mktemp("small"), {"resumption": {"lifetime": "2s"}}
    with Gateway(folder, nodes=[node.address], listener=lifetime, log={"access": "none"}) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def reloaded(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("changing"), nodes=[node.address], workers=2)
    gateway.config["listeners"]["partner"] = copy.deepcopy(gateway.config["listeners"]["settlement"])
    with gateway:
        yield gateway


@pytest.fixture
def changing(reloaded: Gateway) -> Iterator[Gateway]:
    """Two workers; what a test changes in its configuration is taken back."""
    before = copy.deepcopy(reloaded.config)
    yield reloaded
    reloaded.config = before
    reloaded.world.revoke()
    take_up(reloaded)


def take_up(gateway: Gateway) -> None:
    gateway.write()
    gateway.reload()


@pytest.fixture
def reached(node: RecordingNode) -> Callable[[], int]:
    """How many requests of this test have reached the node."""
    before = len(node.requests)
    return lambda: len(node.requests) - before


def enter(
    gateway: Gateway, context: ssl.SSLContext, session: ssl.SSLSession | None = None, listener: str = "settlement"
) -> Client:
    raw = socket.create_connection(("127.0.0.1", gateway.port(listener)), timeout=20)
    try:
        return Client(context.wrap_socket(raw, server_hostname="127.0.0.1", session=session))
    except BaseException:
        raw.close()
        raise


class Visit(NamedTuple):
    resumed: bool
    answer: str
    session: ssl.SSLSession


def visit(
    gateway: Gateway, context: ssl.SSLContext, session: ssl.SSLSession | None = None, listener: str = "settlement"
) -> Visit:
    with enter(gateway, context, session, listener) as client:
        told = told_by(client.exchange(CLAIM))
        assert isinstance(client.sock, ssl.SSLSocket)
        taken = client.sock.session
        assert taken is not None
        resumed = bool(client.sock.session_reused)
        client.sock.settimeout(2)
        with contextlib.suppress(OSError):
            client.sock.unwrap().close()  # without close_notify OpenSSL throws its session away
        return Visit(resumed, told, taken)


def told_by(response: Response) -> str:
    """The reason of a refusal, else the status."""
    return str(response.problem["reason"]) if response.status >= 400 else str(response.status)


class Records:
    """A client that cuts its TLS records and flights where it likes."""

    def __init__(self, gateway: Gateway, context: ssl.SSLContext, listener: str = "settlement") -> None:
        self.raw = socket.create_connection(("127.0.0.1", gateway.port(listener)), timeout=10)
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1")

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.close()

    def hello(self) -> Records:
        """Send ClientHello and stop."""
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        self.raw.sendall(self.outgoing.read())
        return self

    def handshake(self, *, keep_last_flight: bool = False) -> Records:
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.raw.sendall(self.outgoing.read())
                if not self._take():
                    raise ConnectionError("the gateway has ended the handshake") from None
        if not keep_last_flight:
            self.raw.sendall(self.outgoing.read())
        return self

    def record(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self.outgoing.read()

    def ask(self, data: bytes = CLAIM) -> str:
        self.raw.sendall(self.record(data))
        return self.answer()

    def answer(self) -> str:
        """Like `told_by`; "" when the gateway has ended the connection."""
        got = b""
        while b"\r\n\r\n" not in got or (b"problem+json" in got and not got.endswith(b"}")):
            try:
                piece = self.tls.read(65_536)
            except ssl.SSLWantReadError:
                if not self._take():
                    return ""
                continue
            except ssl.SSLError:
                return ""
            if not piece:
                return ""
            got += piece
        head, _, body = got.partition(b"\r\n\r\n")
        return str(json.loads(body)["reason"]) if b"problem+json" in head else head.split(b" ")[1].decode()

    def _take(self) -> bool:
        try:
            data = self.raw.recv(65_536)
        except ConnectionResetError:
            return False
        self.incoming.write(data)
        return bool(data)

    def reset(self) -> None:
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()


# ---- certificates


def certificate(
    subject: Sequence[x509.RelativeDistinguishedName] | x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: Any,
    *,
    authority: bool = False,
) -> x509.Certificate:
    """Whatever an attacker likes to write."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject if isinstance(subject, x509.Name) else x509.Name(subject))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(days_ago(1))
        .not_valid_after(days_ago(-30))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def uid(*values: str) -> x509.RelativeDistinguishedName:
    return x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.USER_ID, value) for value in values])


def test_a_certificate_without_its_key_opens_nothing(gateway: Gateway, reached: Callable[[], int]) -> None:
    """The thief has the certificate, which is public, and signs with a key of his own (RFC 5915 lets it be dressed)."""
    assert visit(gateway, gateway.context(gateway.world.hospital)).answer == "200"  # now it is remembered as verified
    before = reached()
    point = x509.load_pem_x509_certificate(gateway.world.hospital.read_bytes()).public_key()
    public = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    private = new_key().private_numbers().private_value.to_bytes(32, "big")
    body = b"\x02\x01\x01\x04\x20%b\xa0\x0a\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\xa1\x44\x03\x42\x00%b"
    der = body % (private, public)
    pem = base64.encodebytes(b"\x30%c%b" % (len(der), der)).decode()
    key = gateway.world.folder / "dressed.key"
    key.write_text(f"-----BEGIN EC PRIVATE KEY-----\n{pem}-----END EC PRIVATE KEY-----\n")
    for version in VERSIONS:
        context = gateway.context(version=version)
        context.load_cert_chain(gateway.world.hospital, key)
        with pytest.raises((ssl.SSLError, ConnectionResetError)), enter(gateway, context) as client:
            client.exchange(CLAIM)
    assert reached() == before


def forged(world: World) -> dict[str, tuple[Issued, str]]:
    """Client certificates of attackers, and the reason each is told."""
    authority, key, evil = world.authority, new_key(), new_key()
    real = authority.certificate.subject
    hospital = x509.Name([uid(HOSPITAL)])
    pharmacy = x509.load_pem_x509_certificate(world.pharmacy.read_bytes())
    pharmacy_key = Authority.load(authority.pem, world.pharmacy.with_suffix(".key").read_bytes()).key
    fake = certificate(real, real, evil, evil, authority=True)
    below = authority.intermediate("Sub CA")  # may issue leaves only
    deeper = certificate(uid_name := x509.Name([uid("CA")]), below.certificate.subject, evil, below.key, authority=True)
    return {
        "self-issued under the anchor's name": (Issued(certificate(real, real, key, key), key), "issuer_unknown"),
        "forged under the anchor's name": (Issued(certificate(hospital, real, key, evil), key), "issuer_unknown"),
        "with a false anchor": (Issued(certificate(hospital, real, key, evil), key, (fake,)), "issuer_unknown"),
        "forged, with the real anchor": (
            Issued(certificate(hospital, real, key, evil), key, (authority.certificate,)),
            "issuer_unknown",
        ),
        "issued by the pharmacy": (
            Issued(certificate(hospital, pharmacy.subject, key, pharmacy_key), key, (pharmacy,)),
            "certificate_invalid",
        ),
        "below a CA that may not have CAs": (
            Issued(certificate(hospital, uid_name, key, evil), key, (deeper, below.certificate)),
            "certificate_invalid",
        ),
        "the authority itself": (Issued(authority.certificate, authority.key), "purpose_wrong"),
        "two ids": (authority.issue(uid=[HOSPITAL, PHARMACY]), "institution_unknown"),
        "two ids in one relative name": (
            Issued(certificate([uid(HOSPITAL, PHARMACY)], real, key, authority.key), key),
            "institution_unknown",
        ),
        "an id with a line end": (authority.issue(uid=f"{HOSPITAL}\r\nX-Evil: 1"), "institution_unknown"),
        "an id in full width": (authority.issue(uid="\uff28410300001"), "institution_unknown"),
        "an id with NUL": (authority.issue(uid=f"{HOSPITAL}\0"), "institution_unknown"),
        "an id in other letters": (authority.issue(uid=HOSPITAL.lower()), "institution_unknown"),
        "no id": (authority.issue(HOSPITAL), "identity_missing"),
    }


def test_forged_and_ambiguous_certificates_are_refused_and_reach_no_node(
    gateway: Gateway, reached: Callable[[], int]
) -> None:
    for name, (issued, reason) in forged(gateway.world).items():
        path = gateway.world.save("forged", issued)
        for version in VERSIONS:
            assert visit(gateway, gateway.context(path, version=version)).answer == reason, name
    assert reached() == 0


def test_a_listener_believes_its_own_authority_only(gateway: Gateway) -> None:
    """Both are called Institutions CA."""
    ours, theirs = gateway.world.hospital, gateway.world.folder / "partner-hospital.pem"
    assert visit(gateway, gateway.context(ours), listener="partner").answer == "issuer_unknown"
    assert visit(gateway, gateway.context(theirs)).answer == "issuer_unknown"
    assert visit(gateway, gateway.context(theirs), listener="partner").answer == "200"


# ---- sessions


@pytest.mark.parametrize("version", VERSIONS)
def test_every_worker_resumes_a_session_and_no_other_listener_does(gateway: Gateway, version: ssl.TLSVersion) -> None:
    context = gateway.context(gateway.world.hospital, version=version)
    first = visit(gateway, context)
    assert (first.resumed, first.answer) == (False, "200")
    for _ in range(8):  # the kernel deals them to both workers
        assert visit(gateway, context, first.session)[:2] == (True, "200")
    assert visit(gateway, context, first.session, listener="partner")[:2] == (False, "issuer_unknown")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_refused_connection_leaves_no_session_to_come_back_with(gateway: Gateway, version: ssl.TLSVersion) -> None:
    world = gateway.world
    old = {"not_before": days_ago(9), "not_after": days_ago(1)}
    kinds = {
        "certificate_missing": None,
        "certificate_expired": world.issue("expired", uid=HOSPITAL, **old),
        "purpose_wrong": world.issue("server", uid=HOSPITAL, usage="server"),
        "issuer_unknown": world.folder / "partner-hospital.pem",
        "institution_unknown": world.issue("unlisted", uid="X1"),
    }
    for reason, path in kinds.items():
        context = gateway.context(path, version=version)
        first = visit(gateway, context)
        for _ in range(2):
            again = visit(gateway, context, first.session)
            assert (again.resumed, again.answer) == (False, reason)
        # The token is plugged in: the same program, the same session store.
        context.load_cert_chain(world.hospital, world.hospital.with_suffix(".key"))
        assert visit(gateway, context, first.session)[:2] == (False, "200")


def test_a_session_is_worth_what_its_certificate_is_worth_today(changing: Gateway) -> None:
    contexts = [changing.context(changing.world.hospital, version=version) for version in VERSIONS]
    sessions = [(context, visit(changing, context).session) for context in contexts]
    hospital = changing.config["institutions"][HOSPITAL]

    def again() -> set[tuple[bool, str]]:
        return {visit(changing, context, session)[:2] for context, session in sessions}

    assert again() == {(True, "200")}
    changing.world.revoke(changing.world.hospital)
    changing.reload()
    assert again() == {(True, "certificate_revoked")}
    changing.world.revoke()
    hospital["enabled"] = False
    take_up(changing)
    assert again() == {(True, "institution_disabled")}
    hospital["enabled"] = True
    take_up(changing)
    assert again() == {(True, "200")}
    changing.stop()
    changing.start()  # with other ticket keys
    assert again() == {(False, "200")}


@pytest.mark.parametrize("version", VERSIONS)
def test_using_a_session_does_not_prolong_it(small: Gateway, version: ssl.TLSVersion) -> None:
    context = small.context(small.world.hospital, version=version)
    last = visit(small, context)
    deadline = time.monotonic() + 6
    last = visit(small, context, last.session)
    assert last.resumed
    while last.resumed:
        assert time.monotonic() < deadline, "still resumed"
        last = visit(small, context, last.session)


# ---- handshakes


def test_tls_1_2_is_not_renegotiated(gateway: Gateway) -> None:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    with socket.create_connection(("127.0.0.1", gateway.port())) as raw:
        client = SSL.Connection(context, raw)
        client.set_connect_state()
        client.do_handshake()
        world = gateway.world
        client.use_certificate(x509.load_pem_x509_certificate(world.hospital.read_bytes()))
        client.use_privatekey(Authority.load(world.authority.pem, world.hospital.with_suffix(".key").read_bytes()).key)
        assert client.renegotiate()
        with pytest.raises(SSL.Error, match="no renegotiation"):
            client.do_handshake()


def test_a_refused_connection_gets_one_answer_whatever_came_with_its_handshake(
    gateway: Gateway, reached: Callable[[], int]
) -> None:
    with Records(gateway, gateway.context()) as stranger:
        stranger.handshake(keep_last_flight=True)
        stranger.raw.sendall(stranger.record(CLAIM * 3))  # Finished and three requests in one segment
        assert stranger.answer() == "certificate_missing"
        assert stranger.answer() == ""
    assert reached() == 0


def _resets_in_the_handshake(stranger: Records) -> None:
    stranger.hello().reset()


def _resets_before_its_answer(stranger: Records) -> None:
    stranger.handshake().raw.sendall(stranger.record(CLAIM))
    stranger.reset()


def _sends_a_false_record(stranger: Records) -> None:
    stranger.handshake().raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))


def _breaks_the_handshake(stranger: Records) -> None:
    stranger.hello().raw.sendall(b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00")


MISDEEDS = [_resets_in_the_handshake, _resets_before_its_answer, _sends_a_false_record, _breaks_the_handshake]


def test_what_strangers_do_to_their_connections_ends_no_other(small: Gateway) -> None:
    """OpenSSL's error queue is one for the whole worker: nothing of theirs may be taken for an innocent's failure.

    With OpenSSL before 4.0 a reset of a client without certificate ends the next connection that has half a record.
    """
    contexts = [small.context(), small.context(_foreign(small))]
    with Records(small, small.context(small.world.hospital)).handshake() as innocent:
        for misdeed, context in product(MISDEEDS, contexts * 3):
            with Records(small, context) as stranger:
                misdeed(stranger)
            eventually(lambda: _waiting(small) == [0])
            request = innocent.record(CLAIM)
            innocent.raw.sendall(request[:10])  # half a record: the gateway reads and finds nothing yet
            eventually(lambda: _waiting(small) == [0])
            innocent.raw.sendall(request[10:])
            assert innocent.answer() == "200", misdeed.__name__
    assert "Traceback" not in small.log()


def _foreign(gateway: Gateway) -> Path:
    """Of an authority that has the same name and is another one."""
    return gateway.world.save("foreign", Authority.create("Institutions CA").issue(uid=HOSPITAL))


def _waiting(gateway: Gateway) -> list[int]:
    """For each connection that the gateway has open: octets it has not read yet (proc(5), /proc/net/tcp)."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    opened = [row for row in rows if row[1].endswith(f":{gateway.port():04X}") and row[3] in ("01", "08")]
    return [int(row[4].partition(":")[2], 16) for row in opened]


def test_clients_that_left_leave_nothing_behind(small: Gateway) -> None:
    worker = psutil.Process(small.workers()[0])
    contexts = [small.context(), small.context(_foreign(small))]
    for context in contexts:
        _come_and_go(small, context, 50)
    before = worker.memory_info().rss
    for context in contexts:
        _come_and_go(small, context, 150)
    eventually(lambda: _waiting(small) == [])
    assert worker.memory_info().rss - before < 2 * MIB


def test_admitted_clients_that_left_leave_nothing_behind(small: Gateway) -> None:
    context = small.context(small.world.hospital)
    worker = psutil.Process(small.workers()[0])
    _come_and_go(small, context, 50)
    before = worker.memory_info().rss
    _come_and_go(small, context, 200)
    assert worker.memory_info().rss - before < 2 * MIB


def _come_and_go(gateway: Gateway, context: ssl.SSLContext, times: int) -> None:
    for _ in range(times):
        with enter(gateway, context) as client:
            client.exchange(CLAIM)


# ---- what is decided by the configuration in force


def _other_authority(gateway: Gateway) -> None:
    other = Authority.create("Other CA")
    (gateway.world.folder / "other.pem").write_bytes(other.pem)
    (gateway.world.folder / "other.crl").write_bytes(crl_pem(other.crl()))
    trust = gateway.config["listeners"]["settlement"]["trust"]
    trust |= {"anchors": ["pki/other.pem"], "crls": ["pki/other.crl"]}


def _unlisted_refused(gateway: Gateway) -> None:
    gateway.config["institutions"] = {PHARMACY: {}}
    gateway.config["listeners"]["settlement"]["trust"]["unlisted"] = "refuse"


def _other_authority_and_new_ticket_keys(gateway: Gateway) -> None:
    _other_authority(gateway)
    gateway.config["listeners"]["settlement"]["resumption"] = {"lifetime": "10m"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_other_authority, "issuer_unknown"),
        (_unlisted_refused, "institution_unknown"),
        (_other_authority_and_new_ticket_keys, "issuer_unknown"),
    ],
)
def test_a_handshake_that_stalls_across_a_reload_is_judged_by_the_new_configuration(
    changing: Gateway, change: Callable[[Gateway], None], reason: str
) -> None:
    changing.config["listeners"]["settlement"]["trust"]["unlisted"] = "admit"
    take_up(changing)
    context = changing.context(changing.world.hospital)
    with Records(changing, context).hello() as stalled:
        change(changing)
        take_up(changing)
        assert visit(changing, context).answer == reason
        assert stalled.handshake().ask() in (reason, "")


def test_a_listener_that_is_removed_ends_its_connections(changing: Gateway) -> None:
    with Records(changing, changing.context(changing.world.hospital), "partner").handshake() as client:
        assert client.ask() == "200"
        del changing.config["listeners"]["partner"]
        take_up(changing)
        deadline = time.monotonic() + 3
        while client.ask() == "200":
            assert time.monotonic() < deadline, "the connection is still served"


def test_a_worker_that_is_started_during_a_reload_runs_the_new_configuration(changing: Gateway) -> None:
    stranger, pharmacy = changing.context(), changing.context(changing.world.pharmacy)
    old = {_answered_by(changing, stranger)[0] for _ in range(24)}
    assert len(old) == 2
    changing.config["institutions"][PHARMACY]["enabled"] = False
    changing.write()
    victim, neighbour = changing.workers()
    psutil.Process(victim).kill()

    def started() -> set[int]:
        try:
            return set(changing.workers()) - {victim, neighbour}
        except psutil.ZombieProcess:  # not reaped yet
            return set()

    (fresh,) = eventually(started)
    psutil.Process(fresh).suspend()
    resume = threading.Timer(0.5, psutil.Process(fresh).resume)
    resume.start()
    changing.reload()
    resume.join()
    answers: dict[str, set[str]] = {}

    def the_new_one_has_answered() -> bool:
        worker, answer = _answered_by(changing, pharmacy)
        answers.setdefault(worker, set()).add(answer)
        return not answers.keys() <= old

    eventually(the_new_one_has_answered)
    assert set().union(*answers.values()) == {"institution_disabled"}


def _answered_by(gateway: Gateway, context: ssl.SSLContext) -> tuple[str, str]:
    """What begins all request numbers of one worker, and what it told."""
    with enter(gateway, context) as client:
        response = client.exchange(CLAIM)
        number = response.value("x-request-id") or "admitted"
        return number.partition("-")[0], told_by(response)


def test_no_process_with_keys_in_it_may_leave_a_core_file(gateway: Gateway) -> None:
    assert gateway.process is not None
    for pid in (gateway.process.pid, *gateway.workers()):
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        core = next(line.split()[4:6] for line in limits if line.startswith("Max core file size"))
        assert core == ["0", "0"], pid


# ---- requests


LOOKALIKES = [
    *(b"X-Institution-Id", b"x_institution_id", b"X.Institution.Id", b"X~Institution|Id", b"HTTP_X_INSTITUTION_ID"),
    *(b"Client-Cert", b"CLIENT_CERT", b"client.cert", b"Client-Cert-Chain", b"X-Forwarded-Client-Cert"),
    *(b"X-Forwarded-For", b"X_Forwarded_For", b"Forwarded", b"X-Real-IP", b"X-Forwarded-Host", b"X-Forwarded-Proto"),
    *(b"SSL_CLIENT_S_DN", b"X-SSL-Client-Verify", b"Remote_User", b"X-Original-URL", b"X-Rewrite-URL"),
]
CARELESS = [
    b"X-Institution-Id ",
    b" X-Institution-Id",
    b"X-Institution-Id\t",
    b"X-Institution-Id\x00",
    b"X-Inst\xadId",
]


def test_nothing_a_client_writes_speaks_for_another_institution(gateway: Gateway, node: RecordingNode) -> None:
    for name in LOOKALIKES:
        node.requests.clear()
        line = name.decode()
        for fields in ((f"{line}: FORGED",), (f"{line}: FORGED", f"Connection: {line}, close, X-Institution-Id")):
            with gateway.connect() as client:
                assert client.get("/", *fields).status == 200
        for request in node.wait_for(2):
            assert b"FORGED" not in request.head, name
            assert request.values(b"x-institution-id") == [HOSPITAL.encode()], name
            assert request.values(b"x-forwarded-host") == [b"gateway.test"]
            assert len(request.values(b"client-cert")) == 1


def test_nothing_a_client_writes_behind_its_body_does_either(gateway: Gateway, node: RecordingNode) -> None:
    node.requests.clear()
    trailers = b"".join(b"%b: FORGED\r\n" % name for name in LOOKALIKES)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with gateway.connect() as client:
        assert client.exchange(head + b"1\r\nA\r\n0\r\n" + trailers + b"\r\n").status == 200
    assert b"FORGED" not in node.wait_for(1)[0].wire_body


def test_names_that_only_a_careless_reader_takes_for_an_identity_are_refused(
    gateway: Gateway, reached: Callable[[], int]
) -> None:
    for name in CARELESS:
        with gateway.connect() as client:
            assert client.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n%b: FORGED\r\n\r\n" % name).status == 400, name
    assert reached() == 0


FORBIDDEN = [
    *(
        "/admin",
        "/admin/",
        "//admin",
        "//x/admin",
        "//gateway.test/admin",
        "/%61dmin",
        "/%2fadmin",
        "/admin;x",
        "/;/admin",
        "/;@/admin",
        "/adm%69n;a=b/c",
    ),
    *(
        "/claims/../admin",
        "/claims/..;/admin",
        "/claims/%2e%2e/admin",
        "/claims/..%2fadmin",
        "/claims/%252e%252e/admin",
    ),
    *("/claims/..%5cadmin", "/./admin", "/.;/admin", "/%00/admin", "/claims/%c0%ae%c0%ae/admin", "/;a%2Fadmin"),
]


@pytest.mark.parametrize("path", FORBIDDEN)
def test_no_spelling_of_a_path_leads_past_a_route(gateway: Gateway, reached: Callable[[], int], path: str) -> None:
    with gateway.connect(gateway.world.pharmacy) as client:
        assert client.get(path).status in (400, 403, 404)
    assert reached() == 0


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("/", "hidden.test", 403),
        ("/", "HIDDEN.test.", 403),
        ("/", "hidden.test:99", 403),
        ("http://hidden.test/", "gateway.test", 403),
        ("http://gateway.test/", "hidden.test", 200),  # RFC 9112 3.2.2: Host is ignored, and written anew
        ("http://u@hidden.test/", "gateway.test", 400),
        ("/", "gateway.test, hidden.test", 400),
        ("/", "gateway.test\r\nHost: hidden.test", 400),
        ("/", "gateway.test\r\n hidden.test", 400),
        ("/", '"><script>', 400),
        ("/", "gateway.test/hidden.test", 400),
    ],
)
def test_the_host_that_was_authorised_is_the_one_the_node_sees(
    gateway: Gateway, node: RecordingNode, target: str, host: str, status: int
) -> None:
    node.requests.clear()
    with gateway.connect(gateway.world.pharmacy) as client:
        request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"
        assert client.exchange(request.encode()).status == status
    hosts = [(seen.values(b"host"), seen.values(b"x-forwarded-host")) for seen in node.requests]
    assert hosts == ([([b"gateway.test"], [b"gateway.test"])] if status == 200 else [])


@pytest.mark.parametrize(
    "smuggled",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nA",
        b"Content-Length: +1\r\n\r\nA",
        b"Content_Length: 1\r\n\r\nA",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 1\r\nConnection: content-length\r\n\r\nA",
        b"Transfer-Encoding: chunked\r\n\r\n0x1\r\nA\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n1;a\nb\r\nA\r\n0\r\n\r\n",
        b"X-Request-Id: a\rX-Institution-Id: FORGED\r\n\r\n",
        b"X: a\nX-Institution-Id: FORGED\r\n\r\n",
    ],
)
def test_a_message_that_two_readers_could_frame_differently_is_refused(gateway: Gateway, smuggled: bytes) -> None:
    with gateway.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\n" + smuggled + CLAIM)
        assert client.response().status in (400, 501)
        assert client.closed()  # what follows is nobody's request


def test_requests_behind_a_refused_one_and_behind_a_failed_upgrade_are_requests_of_the_same_institution(
    gateway: Gateway, node: RecordingNode
) -> None:
    upgrade = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    forged = b"GET /last HTTP/1.1\r\nHost: x\r\nX-Institution-Id: H410300001\r\n\r\n"
    node.requests.clear()
    with gateway.connect(gateway.world.pharmacy) as client:
        client.send(b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n" + upgrade + forged)
        assert [client.response().status for _ in range(3)] == [403, 200, 200]
    seen = [(request.target, request.values(b"x-institution-id")) for request in node.wait_for(2)]
    assert seen == [(b"/ws", [PHARMACY.encode()]), (b"/last", [PHARMACY.encode()])]


# ---- what people read


def test_foreign_text_stays_text_on_the_refusal_page_and_in_the_log(gateway: Gateway) -> None:
    evil = gateway.world.authority.issue("<script>alert(1)</script>\u202e'\"", uid="<img src=x>\r\nX-Evil: 1")
    path = gateway.world.save("evil", evil)
    with gateway.connect(path) as client:
        page = client.get("/<script>", "Accept: text/html", "X-Request-Id: <b>")
    assert page.status == 403
    assert "default-src 'none'" in (page.value("content-security-policy") or "")
    text = page.body.decode()
    assert "&lt;script" in text
    assert not {"<script", "<img", "<b>", "\u202e", "X-Evil: 1\r"} & {part for part in _MARKS if part in text}
    assert page.value("x-evil") is None
    with gateway.connect() as client:
        client.exchange(b'GE|T /"},{"event":"forged"?%0a HTTP/1.1\r\nHost: x\r\n\r\n')
    eventually(lambda: gateway.access(target='/"},{"event":"forged"?%0a'))  # every line of it is JSON
    assert not gateway.access(event="forged")


_MARKS = ("<script", "<img", "<b>", "\u202e", "X-Evil: 1\r")


@pytest.mark.parametrize(
    "fields",
    [
        {"Host": "rebound.example"},
        {"Host": "127.0.0.1.rebound.example"},
        {"Host": "localhost.rebound.example"},
        {"Origin": "http://rebound.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_web_page_cannot_use_the_admin_api(gateway: Gateway, fields: dict[str, str]) -> None:
    host, _, port = gateway.admin.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.request("POST", "/api/v1/reload", headers={"Host": gateway.admin} | fields)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["reason"]) in [(403, "host_refused"), (403, "cross_site")]
    connection.close()
