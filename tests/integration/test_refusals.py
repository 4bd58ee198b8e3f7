"""Who may not enter is told why, or nothing at all, and no octet of it reaches a node: at once, resumed, and when a
reload takes an admission away."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certs.authority import Authority
from tests.support.answers import ok
from tests.support.client import Client, Response
from tests.support.faults import all_returned, refused, until_it_closes
from tests.support.gateway import HOSPITAL, PHARMACY, Gateway, World, eventually
from tests.support.nodes import Call, RecordingNode

DISABLED, PINNED, BUSY, CROWDED = "H-DISABLED", "H-PINNED", "H-BUSY", "H-CROWDED"
LEAVING, REMOVED, SWITCHED_OFF, REVOKED = "H-LEAVING", "H-REMOVED", "H-SWITCHED-OFF", "H-REVOKED"
VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}
PROMISE = 2.0
"""Seconds in which a reload closes the connections of those it shuts out."""


def days(number: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=number)


def pin(certificate: Path) -> str:
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    return "sha256:" + hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def bad_certificates(world: World) -> dict[str, tuple[Path, str]]:
    """By name: a certificate with its key, and the reason it is refused for."""
    foreign = Authority.create("Institutions CA")  # the name of ours
    intermediate = foreign.intermediate("Institutions Issuing CA")
    hospital = {"uid": HOSPITAL}
    return {
        "expired": (
            world.issue("expired", **hospital, not_before=days(-30), not_after=days(-1)),
            "certificate_expired",
        ),
        "not yet valid": (
            world.issue("early", **hospital, not_before=days(1), not_after=days(30)),
            "certificate_not_yet_valid",
        ),
        "revoked": (world.issue("revoked", **hospital), "certificate_revoked"),
        "foreign": (world.save("foreign", foreign.issue("hospital", uid=HOSPITAL)), "issuer_unknown"),
        "foreign chain": (world.save("chain", intermediate.issue("hospital", uid=HOSPITAL)), "issuer_unknown"),
        "wrong purpose": (world.issue("server", **hospital, usage="server"), "purpose_wrong"),
        "no identity": (world.issue("nameless"), "identity_missing"),
        "two identities": (world.issue("twofold", uid=[HOSPITAL, PHARMACY]), "institution_unknown"),
        "unknown institution": (world.issue("unknown", uid="H999"), "institution_unknown"),
        "disabled institution": (world.issue("disabled", uid=DISABLED), "institution_disabled"),
        "another key": (world.issue("unpinned", uid=PINNED), "pin_mismatch"),
    }


BAD = [
    "expired",
    "not yet valid",
    "revoked",
    "foreign",
    "foreign chain",
    "wrong purpose",
    "no identity",
    "two identities",
    "unknown institution",
    "disabled institution",
    "another key",
]


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode() as node:
        yield node


class Place:
    """The gateway of these tests, with a listener that explains, one that only closes, and a small one."""

    def __init__(self, folder: Path, node: RecordingNode) -> None:
        self.node = node
        self.gateway = gateway = Gateway(
            folder,
            nodes=[node.address],
            institutions={
                HOSPITAL: {"name": "洛阳市中心医院"},
                PHARMACY: {"routes": ["claims"]},
                DISABLED: {"enabled": False},
                PINNED: {},
                BUSY: {"limits": {"requests": 1}},
                CROWDED: {"limits": {"connections": 2}},
                LEAVING: {},
                REMOVED: {},
                SWITCHED_OFF: {},
                REVOKED: {},
            },
            routes=[
                {"name": "claims", "path": "/claims/", "pool": "settlement"},
                {"name": "catalogue", "path": "/catalogue/", "pool": "settlement"},
            ],
        )
        self.world = gateway.world
        self.bad = bad_certificates(self.world)
        self.pinned = self.world.issue("pinned", uid=PINNED)
        gateway.config["institutions"][PINNED] = {"keys": [pin(self.pinned)]}
        self.revoked = [self.bad["revoked"][0]]
        self.world.revoke(*self.revoked)
        usual: dict[str, Any] = gateway.config["listeners"]["settlement"]
        gateway.config["listeners"] |= {
            "closing": usual | {"refusal": "close"},
            "small": usual | {"limits": {"connections": 2}},
        }

    def connect(
        self,
        certificate: Path | None,
        *,
        listener: str = "settlement",
        context: ssl.SSLContext | None = None,
        session: ssl.SSLSession | None = None,
        version: ssl.TLSVersion | None = None,
    ) -> Client:
        context = context or self.gateway.context(certificate, version=version)
        raw = socket.create_connection(("127.0.0.1", self.gateway.port(listener)), timeout=20)
        try:
            return Client(context.wrap_socket(raw, server_hostname="127.0.0.1", session=session))
        except BaseException:
            raw.close()
            raise

    def counted(self, reason: str, listener: str = "settlement") -> float:
        return refused(self.gateway, reason, listener)

    def reload(self) -> None:
        self.gateway.write()
        self.gateway.reload()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("refusals"), node)
    assert list(place.bad) == BAD
    with place.gateway:
        yield place


@pytest.fixture
def place(running: Place) -> Iterator[Place]:
    running.node.requests.clear()
    running.node.answer = ok(b"settled")
    yield running
    running.node.answer = ok(b"settled")
    with running.connect(running.world.hospital) as client:
        assert client.get("/claims/after").status == 200
    all_returned(running.gateway)


@pytest.fixture(params=list(VERSIONS.values()), ids=list(VERSIONS))
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    return ssl.TLSVersion(request.param)


def tls(client: Client) -> ssl.SSLSocket:
    assert isinstance(client.sock, ssl.SSLSocket)
    return client.sock


def assert_refused(answer: Response, reason: str, status: int = 403) -> None:
    assert (answer.status, answer.value("content-type")) == (status, "application/problem+json")
    problem = answer.problem
    assert (problem["reason"], problem["status"]) == (reason, status)
    assert problem["title"]
    assert problem["title_zh"]
    assert answer.value("x-request-id") == problem["request_id"]


# ---- with an explanation


@pytest.mark.parametrize("name", BAD)
def test_a_bad_certificate_is_told_its_reason_and_reaches_no_node(
    place: Place, name: str, version: ssl.TLSVersion
) -> None:
    certificate, reason = place.bad[name]
    before = place.counted(reason)
    with place.connect(certificate, version=version) as client:
        answer = client.post("/claims/", b"x" * 100_000)
        assert_refused(answer, reason)
        assert answer.value("connection") == "close"
        assert client.closed()
    facts = answer.problem.get("certificate")
    if reason == "issuer_unknown":
        assert facts is None, "strangers learn nothing"
    else:
        serial = x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number
        assert facts is not None
        assert facts["serial"] == f"{serial:x}"
    assert place.counted(reason) == before + 1
    spoken = version.name.replace("_", ".")
    (line,) = eventually(lambda: place.gateway.access(event="refused", reason=reason, tls=spoken)[-1:])
    assert (line["listener"], line["client"], line["resumed"]) == ("settlement", "127.0.0.1", False)
    assert not place.node.requests


def test_no_certificate_is_told_so(place: Place, version: ssl.TLSVersion) -> None:
    before = place.counted("certificate_missing")
    with place.connect(None, version=version) as client:
        assert_refused(client.get("/claims/"), "certificate_missing")
        assert client.closed()
    assert place.counted("certificate_missing") == before + 1
    assert not place.node.requests


@pytest.mark.parametrize("name", [*BAD, "missing"])
def test_a_browser_gets_a_page_it_can_show(place: Place, name: str) -> None:
    certificate, reason = place.bad.get(name, (None, "certificate_missing"))
    with place.connect(certificate) as client:
        answer = client.get("/", "Accept: text/html,application/xhtml+xml,*/*;q=0.8")
        assert (answer.status, answer.value("content-type")) == (403, "text/html; charset=utf-8")
        page = answer.body.decode()
        assert f"{reason} (403)" in page
        assert str(answer.value("x-request-id")) in page
        assert '<html lang="zh-CN">' in page
        assert client.closed()
    assert not place.node.requests


def test_whatever_a_refused_client_says_it_gets_one_answer(place: Place) -> None:
    certificate, reason = place.bad["expired"]
    get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    for said in (get * 3, b"garbage\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, b"GET / HT"):
        with place.connect(certificate) as client:
            client.send(said)
            if said == b"GET / HT":
                tls(client)
                socket.socket.shutdown(client.sock, socket.SHUT_WR)
            assert_refused(client.response(), reason)
            assert client.closed()
    with place.connect(certificate) as client:
        answer = client.exchange(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (answer.status, answer.body) == (403, b"")
        assert client.closed()
    assert not place.node.requests


def test_the_pinned_key_enters(place: Place) -> None:
    with place.connect(place.pinned) as client:
        assert client.get("/claims/").status == 200
    assert place.node.requests[0].value(b"x-institution-id") == PINNED.encode()


# ---- without a word


def says_nothing(connect: Callable[[], Client]) -> bool:
    """Neither handshake nor first read may succeed: with TLS 1.3 the client's handshake ends before the server's."""
    try:
        with connect() as client:
            client.send(b"GET /claims/ HTTP/1.1\r\nHost: x\r\n\r\n")
            return client.sock.recv(1) == b""
    except (ssl.SSLError, ConnectionError):
        return True


@pytest.mark.parametrize("name", [*BAD, "missing"])
def test_a_closing_listener_fails_the_handshake_and_answers_nothing(
    place: Place, name: str, version: ssl.TLSVersion
) -> None:
    certificate, reason = place.bad.get(name, (None, "certificate_missing"))
    before = place.counted(reason, "closing")
    assert says_nothing(lambda: place.connect(certificate, listener="closing", version=version))
    eventually(lambda: place.counted(reason, "closing") == before + 1)
    (line,) = eventually(lambda: place.gateway.access(event="refused", reason=reason, listener="closing")[-1:])
    assert line["client"] == "127.0.0.1"
    assert not place.node.requests


def test_the_alert_of_a_closing_listener_says_what_is_wrong(place: Place) -> None:
    """It must not be overtaken by a reset: what the client has sent meanwhile is read first."""
    certificate, _ = place.bad["expired"]
    for _ in range(5):
        with place.connect(certificate, listener="closing", version=ssl.TLSVersion.TLSv1_3) as client:
            client.send(b"x" * 10_000)
            with pytest.raises(ssl.SSLError, match=r"(?i)expired"):
                client.sock.recv(1)


def test_a_closing_listener_serves_the_good(place: Place, version: ssl.TLSVersion) -> None:
    with place.connect(place.world.hospital, listener="closing", version=version) as client:
        assert client.get("/claims/").status == 200


# ---- resumed


def begin(place: Place, context: ssl.SSLContext, status: int, **where: Any) -> ssl.SSLSession:
    """A session that was ended in order, as OpenSSL wants it for resumption."""
    with place.connect(None, context=context, **where) as client:
        assert client.get("/claims/").status == status
        session = tls(client).session
        assert session is not None
        if status == 200:
            client.sock = tls(client).unwrap()
        else:
            assert client.closed()
    return session


def test_a_good_session_is_resumed(place: Place, version: ssl.TLSVersion) -> None:
    context = place.gateway.context(place.world.hospital, version=version)
    session = begin(place, context, 200)
    with place.connect(None, context=context, session=session) as client:
        assert tls(client).session_reused
        assert client.get("/claims/").status == 200
    assert eventually(lambda: place.gateway.access(event="exchange", resumed=True))


@pytest.mark.parametrize("name", [*BAD, "missing"])
def test_who_is_refused_is_refused_resumed_too(place: Place, name: str, version: ssl.TLSVersion) -> None:
    certificate, reason = place.bad.get(name, (None, "certificate_missing"))
    context = place.gateway.context(certificate, version=version)
    session = begin(place, context, 403)
    with place.connect(None, context=context, session=session) as client:
        assert_refused(client.get("/claims/"), reason)
        assert client.closed()
    assert not place.node.requests


def test_a_session_of_one_listener_opens_no_other(place: Place, version: ssl.TLSVersion) -> None:
    context = place.gateway.context(place.world.hospital, version=version)
    session = begin(place, context, 200)
    with place.connect(None, context=context, session=session, listener="closing") as client:
        assert not tls(client).session_reused


def test_a_session_begun_before_its_certificate_was_revoked_is_refused_when_resumed(
    place: Place, version: ssl.TLSVersion
) -> None:
    certificate = place.world.issue(f"leaving-{version.name}", uid=LEAVING)
    context = place.gateway.context(certificate, version=version)
    session = begin(place, context, 200)
    place.revoked.append(certificate)
    place.world.revoke(*place.revoked)
    place.reload()
    place.node.requests.clear()
    with place.connect(None, context=context, session=session) as client:
        assert_refused(client.get("/claims/"), "certificate_revoked")
        assert client.closed()
    assert not place.node.requests


# ---- an admission that ends while its connection lives


def revoke(place: Place, certificate: Path) -> None:
    place.revoked.append(certificate)
    place.world.revoke(*place.revoked)


def remove(place: Place, _certificate: Path) -> None:
    del place.gateway.config["institutions"][REMOVED]


def switch_off(place: Place, _certificate: Path) -> None:
    place.gateway.config["institutions"][SWITCHED_OFF]["enabled"] = False


@pytest.mark.parametrize(
    ("institution", "change", "reason"),
    [
        (REVOKED, revoke, "certificate_revoked"),
        (REMOVED, remove, "institution_unknown"),
        (SWITCHED_OFF, switch_off, "institution_disabled"),
    ],
    ids=["revoked", "removed", "disabled"],
)
def test_a_reload_closes_the_connections_of_whom_it_shuts_out(
    place: Place, institution: str, change: Callable[[Place, Path], None], reason: str
) -> None:
    certificate = place.world.issue(institution, uid=institution)
    with place.connect(certificate) as shut_out, place.connect(place.world.hospital) as other:
        assert [client.get("/claims/").status for client in (shut_out, other)] == [200, 200]
        before = place.counted(reason)
        change(place, certificate)
        place.reload()
        start = time.monotonic()
        assert shut_out.closed()
        assert time.monotonic() - start <= PROMISE
        assert place.counted(reason) == before + 1
        assert other.get("/claims/").status == 200, "whoever was not meant lives on"
    with place.connect(certificate) as again:
        assert_refused(again.get("/claims/"), reason)


def test_a_request_that_hangs_does_not_keep_a_connection_that_is_shut_out(place: Place) -> None:
    certificate = place.world.issue("hanging", uid=LEAVING)
    place.node.answer = until_it_closes
    with place.connect(certificate) as client:
        client.send(b"GET /claims/ HTTP/1.1\r\nHost: x\r\n\r\n")
        place.node.wait_for(1)
        revoke(place, certificate)
        place.reload()
        start = time.monotonic()
        with pytest.raises(EOFError):
            client.response()
        assert time.monotonic() - start <= PROMISE + 0.5
    place.node.wait_until(lambda node: not node.open_connections)


def test_a_request_under_way_is_still_answered_when_its_institution_is_shut_out(place: Place) -> None:
    certificate = place.world.issue("last-word", uid=LEAVING)
    answer = threading.Event()

    def slowly(call: Call) -> bytes:
        answer.wait(10)
        return ok(b"settled")

    place.node.answer = slowly
    with place.connect(certificate) as client:
        client.send(b"POST /claims/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nclaim")
        place.node.wait_for(1)
        revoke(place, certificate)
        place.reload()
        answer.set()
        assert client.response(method="POST").body == b"settled"
        assert client.closed()


# ---- routes and limits


def test_a_route_that_is_not_the_institution_s_is_refused_by_name(place: Place) -> None:
    before = place.counted("route_forbidden")
    with place.connect(place.world.pharmacy) as client:
        answer = client.post("/catalogue/", b"query")
        assert_refused(answer, "route_forbidden")
        assert client.get("/catalogue/", "Accept: text/html").value("content-type") == "text/html; charset=utf-8"
        assert not place.node.requests
        assert client.get("/claims/").status == 200, "the connection lives on for what is allowed"
    assert place.counted("route_forbidden") == before + 2
    (line,) = eventually(lambda: place.gateway.access(request_id=answer.value("x-request-id")))
    assert (line["institution"], line["status"], line["reason"]) == (PHARMACY, 403, "route_forbidden")


def test_requests_beyond_an_institution_s_limit_are_asked_to_come_back(place: Place) -> None:
    certificate = place.world.issue("busy", uid=BUSY)
    before = place.counted("limit_exceeded")
    go = threading.Event()

    def slowly(call: Call) -> bytes:
        go.wait(10)
        return ok(b"settled")

    place.node.answer = slowly
    with place.connect(certificate) as first, place.connect(certificate) as second:
        first.send(b"GET /claims/ HTTP/1.1\r\nHost: x\r\n\r\n")
        place.node.wait_for(1)
        answer = second.post("/claims/", b"claim")
        assert_refused(answer, "limit_exceeded", 429)
        assert int(answer.value("retry-after") or "") >= 1
        with place.connect(place.world.hospital) as other:
            go.set()
            assert other.get("/claims/").status == 200, "the limit is the institution's own"
        assert first.response().status == 200
        assert second.post("/claims/", b"claim").status == 200
    assert place.counted("limit_exceeded") == before + 1


def test_connections_beyond_an_institution_s_limit_are_told_so(place: Place) -> None:
    certificate = place.world.issue("crowded", uid=CROWDED)
    with place.connect(certificate) as first, place.connect(certificate) as second:
        assert [client.get("/claims/").status for client in (first, second)] == [200, 200]
        with place.connect(certificate) as third:
            answer = third.get("/claims/")
            assert_refused(answer, "limit_exceeded", 429)
            assert int(answer.value("retry-after") or "") >= 1
            assert third.closed()
        assert len(place.node.requests) == 2
        second.sock.close()

        def enters() -> bool:
            with place.connect(certificate) as again:
                return again.get("/claims/").status == 200

        eventually(enters)


def test_connections_beyond_the_listener_s_limit_are_closed_before_their_handshake(place: Place) -> None:
    before = place.counted("limit_exceeded", "small")
    hospital = place.world.hospital
    with place.connect(hospital, listener="small") as first, place.connect(hospital, listener="small") as second:
        assert [client.get("/claims/").status for client in (first, second)] == [200, 200]
        assert says_nothing(lambda: place.connect(hospital, listener="small"))
        assert place.counted("limit_exceeded", "small") == before + 1
        assert [client.get("/claims/").status for client in (first, second)] == [200, 200]
        second.sock.close()

        def enters() -> bool:
            with place.connect(hospital, listener="small") as again:
                return again.get("/claims/").status == 200

        eventually(enters)
