"""TLS to the nodes: only a node that proves its name gets a request, and everything passes through TLS as without."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.answers import big, head, ok, pattern, pattern_sha256, until_close
from tests.support.faults import all_returned
from tests.support.gateway import Gateway, eventually
from tests.support.node_tls import NAME, NodePki, serving
from tests.support.nodes import Call, RecordingNode

CONNECT = 0.5
MIB = 1 << 20


@pytest.fixture
def pki(tmp_path: Path) -> NodePki:
    return NodePki(tmp_path / "nodes")


def gateway_to(
    pki: NodePki, *nodes: str, upstream: dict[str, Any] | None = None, connect: float = 5, **pool: Any
) -> Gateway:
    tls = {"anchors": [str(pki.anchor)]} | (upstream or {})
    timeouts = {"connect": f"{connect}s", "response": "5s", "idle": "20s"}
    return Gateway(pki.folder.parent, nodes=nodes, pool={"upstream_tls": tls, "timeouts": timeouts, **pool})


class Seen:
    """What a node saw of each connection it was asked on."""

    def __init__(self, body: bytes = b"settled") -> None:
        self.versions: list[str | None] = []
        self.reused: list[bool | None] = []
        self.certificates: list[dict[str, Any] | None] = []
        self.protocols: list[str | None] = []
        self.body = body

    def __call__(self, call: Call) -> bytes:
        sock = call.sock
        assert isinstance(sock, ssl.SSLSocket)
        self.versions.append(sock.version())
        self.reused.append(sock.session_reused)
        self.certificates.append(sock.getpeercert())
        self.protocols.append(sock.selected_alpn_protocol())
        return ok(self.body)


def refused(gateway: Gateway, node: RecordingNode, words: str) -> None:
    with gateway.connect() as client:
        answer = client.post("/", b"claim")
    assert (answer.status, answer.problem["reason"]) == (502, "node_unreachable")
    assert f"{node.address} cannot be used: " in gateway.log()
    assert words in gateway.log(), gateway.log()
    assert not node.requests
    failures = f'settlegate_node_failures_total{{node="{node.address}",pool="settlement"}}'
    assert gateway.metric(failures) == 1
    all_returned(gateway)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
def test_a_node_that_proves_its_address_gets_the_request(pki: NodePki, version: ssl.TLSVersion) -> None:
    seen = Seen()
    tls = serving(pki.good, version=version, alpn=["h2", "http/1.1"])
    with RecordingNode(seen, tls=tls) as node, gateway_to(pki, node.address) as gateway, gateway.connect() as client:
        for _ in range(3):
            assert client.post("/claims/", b"claim").body == b"settled"
        assert [request.body for request in node.requests] == [b"claim"] * 3
        assert node.connections == 1, "the connection is kept, tickets that came on it or not"
        assert seen.protocols == ["http/1.1"] * 3
        assert seen.versions == [version.name.replace("_", ".")] * 3


def test_the_configured_name_is_asked_for_and_demanded(pki: NodePki) -> None:
    names: list[str | None] = []
    tls = serving(pki.node("named", san=[NAME]))
    tls.sni_callback = lambda _sock, name, _context: names.append(name)
    with (
        RecordingNode(ok(b"settled"), tls=tls) as node,
        gateway_to(pki, node.address, upstream={"server_name": NAME}) as gateway,
        gateway.connect() as client,
    ):
        assert client.get("/").body == b"settled"
        assert names == [NAME]
    with (
        RecordingNode(ok(b"settled"), tls=tls) as node,
        gateway_to(pki, node.address, upstream={"server_name": "other.internal"}) as gateway,
    ):
        refused(gateway, node, "hostname mismatch")


@pytest.mark.parametrize(
    "kind", ["another name", "no name", "another authority", "expired", "not yet valid", "self-signed", "for clients"]
)
def test_a_node_that_proves_nothing_gets_no_request(pki: NodePki, kind: str) -> None:
    certificate, words = pki.bad()[kind]
    with (
        RecordingNode(tls=serving(certificate)) as bad,
        RecordingNode(ok(b"settled"), tls=serving(pki.good)) as good,
    ):
        with gateway_to(pki, bad.address) as gateway:
            refused(gateway, bad, f"its certificate is not accepted: {words}")
        with gateway_to(pki, bad.address, good.address) as gateway, gateway.connect() as client:
            for _ in range(4):
                assert client.post("/", b"claim").body == b"settled"
            assert len(good.requests) == 4
        assert not bad.requests


def test_a_revoked_node_gets_no_request(pki: NodePki) -> None:
    issued = pki.issuing.issue("node", usage="server", san=["127.0.0.1"])
    lists = {"crls": [str(pki.crl), str(pki.root_crl)]}
    with (
        RecordingNode(ok(b"settled"), tls=serving(pki.save("node", issued))) as node,
        gateway_to(pki, node.address, upstream=lists) as gateway,
    ):
        with gateway.connect() as client:
            assert client.get("/").body == b"settled"
        node.requests.clear()
        pki.revoke(issued)
        eventually(lambda: "generation 2 is in force" in gateway.log())
        with gateway.connect() as client:
            assert client.get("/").status == 502, "neither a kept connection nor its session is good any more"
        assert "certificate_revoked" in gateway.log()
        assert not node.requests
        assert len(gateway.get("/metrics").split("settlegate_crl_next_update_seconds{")) == 4


def test_an_old_version_or_plain_text_is_no_way_to_a_node(pki: NodePki) -> None:
    with (
        RecordingNode(tls=serving(pki.good, version=ssl.TLSVersion.TLSv1_1)) as old,
        gateway_to(pki, old.address) as gateway,
    ):
        refused(gateway, old, "TLS handshake: ")
    with RecordingNode(ok(b"settled")) as plain, gateway_to(pki, plain.address) as gateway:
        with gateway.connect() as client:
            assert client.post("/", b"claim").status == 502
        assert plain.connections == 1
        assert not plain.requests


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
def test_a_node_that_asks_who_we_are_is_shown_our_certificate(pki: NodePki, version: ssl.TLSVersion) -> None:
    seen = Seen()
    tls = serving(pki.good, clients=pki.clients_anchor, version=version)
    ours = {"certificate": str(pki.gateway), "key": str(pki.gateway.with_suffix(".key"))}
    with RecordingNode(seen, tls=tls) as node:
        with gateway_to(pki, node.address, upstream=ours) as gateway, gateway.connect() as client:
            assert client.get("/").body == b"settled"
            (shown,) = seen.certificates
            assert shown is not None
            assert shown["subject"] == ((("commonName", "gateway"),),)
        with gateway_to(pki, node.address) as gateway, gateway.connect() as client:
            answer = client.get("/")
            # In TLS 1.3 the node's refusal comes behind our half of the handshake: the request may have left by then.
            late = ["node_protocol_error"] if version is ssl.TLSVersion.TLSv1_3 else []
            assert answer.status == 502
            assert answer.problem["reason"] in ["node_unreachable", *late]
            assert f"node {node.address} cannot be used: " in gateway.log()
        assert len(seen.certificates) == 1


def test_a_node_that_hangs_in_the_handshake_is_passed_over_in_time(pki: NodePki) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        RecordingNode(ok(b"settled"), tls=serving(pki.good)) as good,
        gateway_to(pki, f"127.0.0.1:{mute.getsockname()[1]}", good.address, connect=CONNECT) as gateway,
    ):
        took = []
        for _ in range(2):
            with gateway.connect() as client:
                start = time.monotonic()
                assert client.post("/", b"claim").body == b"settled"
                took.append(time.monotonic() - start)
        assert CONNECT <= max(took) <= CONNECT + 1.5
        assert len(good.requests) == 2
        assert "the TLS handshake had not ended when it was given up" in gateway.log()
        all_returned(gateway)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
def test_sessions_are_resumed_and_never_under_another_trust(pki: NodePki, version: ssl.TLSVersion) -> None:
    seen = Seen()

    def once(call: Call) -> bytes:
        call.close()
        return seen(call)

    with (
        RecordingNode(once, tls=serving(pki.good, version=version)) as node,
        gateway_to(pki, node.address) as gateway,
        gateway.connect() as client,
    ):
        for _ in range(4):
            assert client.get("/").body == b"settled"
            node.wait_until(lambda node: not node.open_connections)
        assert node.connections == 4
        assert seen.reused == [False, True, True, True]
        gateway.reload()
        assert client.get("/").body == b"settled"
        assert seen.reused.pop() is True, "the same trust"
        node.wait_until(lambda node: not node.open_connections)
        pki.anchor.write_bytes(pki.authority.pem + pki.clients.pem)
        gateway.reload()
        assert client.get("/").body == b"settled"
        assert seen.reused.pop() is False, "another trust, although it holds the same authority"


def test_a_reload_that_changes_the_anchor_ends_the_trust_in_kept_connections(pki: NodePki) -> None:
    with (
        RecordingNode(ok(b"settled"), tls=serving(pki.good)) as node,
        gateway_to(pki, node.address) as gateway,
        gateway.connect() as client,
    ):
        assert client.get("/").body == b"settled"
        pki.anchor.write_bytes(pki.clients.pem)
        gateway.reload()
        assert client.get("/").status == 502
        assert "unable to get local issuer certificate" in gateway.log()
        node.wait_until(lambda node: not node.open_connections)
        pki.anchor.write_bytes(pki.authority.pem)
        eventually(lambda: client.get("/").status == 200)  # the file is watched
        assert f"node {node.address} can be used again" in gateway.log()
        pki.anchor.write_bytes(b"nonsense")
        assert any("nodes-ca.pem" in problem for problem in problems(gateway))
        assert client.get("/").status == 200, "what was in force stays"


def problems(gateway: Gateway) -> list[str]:
    return [str(problem) for problem in gateway.reload(expect=False)["problems"]]


def test_a_plain_and_a_tls_pool_never_share_a_connection(pki: NodePki) -> None:
    with RecordingNode(ok(b"settled")) as node, gateway_to(pki, node.address) as gateway:
        gateway.config["pools"]["plain"] = {"nodes": [{"address": node.address}]}
        gateway.config["routes"].insert(0, {"name": "plain", "path": "/plain", "pool": "plain"})
        gateway.write()
        gateway.reload()
        with gateway.connect() as client:
            assert client.get("/plain").body == b"settled"
            assert client.get("/tls").status == 502
            assert client.get("/plain").body == b"settled"
        assert [request.target for request in node.requests] == [b"/plain", b"/plain"]


def test_bodies_pass_whole_both_ways(pki: NodePki) -> None:
    size = 50 * MIB
    with (
        RecordingNode(big(size), tls=serving(pki.good), store=False) as node,
        gateway_to(pki, node.address) as gateway,
        gateway.connect() as client,
    ):
        body = b"".join(bytes(piece) for piece in pattern(size))
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + body)
        answer = client.response()  # the node answers when it has read it all
        assert hashlib.sha256(answer.body).hexdigest() == pattern_sha256(size)
        assert node.requests[-1].sha256 == pattern_sha256(size)


def test_both_directions_at_once(pki: NodePki) -> None:
    """A node that echoes as it reads: each side waits for the other."""
    size = 8 * MIB

    def echo(call: Call) -> None:
        call.send(head(200, b"Content-Length: %d" % size))
        left = size
        while left:
            data = bytes(call.link.buffer[:65_536]) or call.sock.recv(65_536)
            del call.link.buffer[: len(data)]
            call.send(data)
            left -= len(data)
        call.close()

    body = b"".join(bytes(piece) for piece in pattern(size))
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + body
    with (
        RecordingNode(on_head=echo, tls=serving(pki.good)) as node,
        gateway_to(pki, node.address) as gateway,
    ):
        answer = asyncio.run(at_once(gateway, request, size))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(body)


async def at_once(gateway: Gateway, request: bytes, size: int) -> bytes:
    """The answer whose body has `size` octets, read while the request is being written."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", gateway.port(), ssl=gateway.context(gateway.world.hospital)
    )

    async def write() -> None:
        writer.write(request)
        await writer.drain()

    async def read() -> bytes:
        start = await reader.readuntil(b"\r\n\r\n")
        return start + await reader.readexactly(size)

    try:
        _, answer = await asyncio.wait_for(asyncio.gather(write(), read()), 60)
        return answer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def test_a_websocket_is_a_tunnel(pki: NodePki) -> None:
    def echo(call: Call) -> None:
        call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
        while data := call.sock.recv(100):
            call.send(data.upper())

    fields = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13")
    with (
        RecordingNode(echo, tls=serving(pki.good)) as node,
        gateway_to(pki, node.address) as gateway,
        gateway.connect() as client,
    ):
        assert client.get("/ws", *fields).status == 101
        assert client._exactly(5) == b"hello"
        for _ in range(3):
            client.send(b"ping")
            assert client._exactly(4) == b"PING"


def test_an_early_answer_reaches_the_client(pki: NodePki) -> None:
    """Although the node closes with the rest of the request unread, so that its kernel sends a reset behind it."""

    def too_large(call: Call) -> None:
        call.send(head(413, b"Content-Length: 0", b"Connection: close"))
        call.close()

    with (
        RecordingNode(on_head=too_large, tls=serving(pki.good), read_body=False) as node,
        gateway_to(pki, node.address) as gateway,
        gateway.connect() as client,
    ):
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (100 * MIB))
        with contextlib.suppress(OSError):
            for piece in pattern(4 * MIB):
                client.send(bytes(piece))
        assert client.response().status == 413


def test_an_answer_without_length_is_whole_only_with_the_node_s_farewell(pki: NodePki) -> None:
    """Else whoever sits on the line could cut it short (RFC 9112 section 9.8)."""

    def farewell(call: Call) -> None:
        call.send(head(200) + b"whole")
        assert isinstance(call.sock, ssl.SSLSocket)
        with contextlib.suppress(OSError):
            call.sock.settimeout(5)
            call.sock.unwrap()
        call.close()

    with (
        RecordingNode(farewell, tls=serving(pki.good)) as node,
        gateway_to(pki, node.address) as gateway,
    ):
        with gateway.connect() as client:
            answer = client.get("/")
            assert (answer.body, answer.complete) == (b"whole", True)
        node.answer = until_close(b"cut")
        with gateway.connect() as client:
            answer = client.get("/")
            assert (answer.body, answer.complete) == (b"cut", False)


@pytest.mark.parametrize("how", ["farewell", "cut"])
def test_a_kept_connection_that_the_node_has_ended_is_not_used(pki: NodePki, how: str) -> None:
    """With a farewell or without: the next claim goes over a fresh one and is answered."""
    parted: list[Call] = []

    def answer(call: Call) -> bytes | None:
        if how == "cut":
            call.close()
            return ok(b"settled")
        call.send(ok(b"settled"))
        assert isinstance(call.sock, ssl.SSLSocket)
        call.sock.settimeout(5)
        call.link.sock = call.sock.unwrap()  # returns when the gateway has said farewell, too
        parted.append(call)
        call.hang()
        return None

    with (
        RecordingNode(answer, tls=serving(pki.good)) as node,
        gateway_to(pki, node.address) as gateway,
        gateway.connect() as client,
    ):
        for number in range(1, 4):
            assert client.post("/", b"claim").body == b"settled"
            assert node.connections == number
            # What the gateway has not read yet it sees when it looks at the connection before it uses it.
            if how == "cut":
                node.wait_until(lambda node: not node.open_connections)
            else:
                eventually(lambda number=number: len(parted) == number)  # else the next claim may cross the farewell


def test_checks_speak_tls_with_the_same_trust_and_name(pki: NodePki) -> None:
    expired, _ = pki.bad()["expired"]
    check = {"interval": "300ms", "timeout": "200ms", "fall": 1, "rise": 1}
    checks = [{"http": {"path": "/healthz"}, **check}, {"tcp": {}, **check}]
    seen = Seen(b"fine")
    tls = serving(pki.good, clients=pki.clients_anchor)
    ours = {
        "certificate": str(pki.gateway),
        "key": str(pki.gateway.with_suffix(".key")),
        "check_certificate": str(pki.check),
        "check_key": str(pki.check.with_suffix(".key")),
    }
    with (
        RecordingNode(seen, tls=tls) as good,
        RecordingNode(tls=serving(expired)) as bad,
        RecordingNode(ok()) as plain,
        socket.create_server(("127.0.0.1", 0)) as mute,
        gateway_to(
            pki,
            good.address,
            bad.address,
            plain.address,
            f"127.0.0.1:{mute.getsockname()[1]}",
            upstream=ours,
            checks=checks,
        ) as gateway,
    ):
        eventually(lambda: gateway.node(good.address)["state"] == "up")
        view = eventually(lambda: (found := gateway.node(bad.address))["state"] == "down" and found)
        assert "does not trust the node's certificate" in view["reason"]
        eventually(lambda: "certificate has expired" in gateway.log())
        view = eventually(lambda: (found := gateway.node(plain.address))["state"] == "down" and found)
        assert "got no answer" in view["reason"], "it waits for an HTTP request, and we for TLS"
        eventually(lambda: gateway.node(f"127.0.0.1:{mute.getsockname()[1]}")["state"] == "down")
        assert not bad.requests
        assert not plain.requests
        with gateway.connect() as client:
            assert client.get("/").body == b"fine"
        shown = {certificate["subject"][0][0][1] for certificate in seen.certificates if certificate}
        assert shown == {"gateway", "gateway check"}
        # Its certificate is replaced by an expired one: no request has to find that out.
        tls.load_cert_chain(expired, expired.with_suffix(".key"))
        eventually(lambda: gateway.node(good.address)["state"] == "down")


def test_a_changed_anchor_reaches_the_checks(pki: NodePki) -> None:
    check = {"tcp": {}, "interval": "300ms", "timeout": "250ms", "fall": 1, "rise": 1}
    with (
        RecordingNode(ok(b"settled"), tls=serving(pki.good)) as node,
        gateway_to(pki, node.address, checks=[check]) as gateway,
    ):
        eventually(lambda: gateway.node(node.address)["state"] == "up")
        pki.anchor.write_bytes(pki.clients.pem)  # the file is watched
        view = eventually(lambda: (found := gateway.node(node.address))["state"] == "down" and found)
        assert "TCP check does not trust the node's certificate" in view["reason"]
        pki.anchor.write_bytes(pki.authority.pem)
        gateway.reload()
        eventually(lambda: gateway.node(node.address)["state"] == "up")
