"""A WebSocket is a tunnel: both ways, octet by octet, until one side ends it or nothing moves."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.answers import head, in_turn, ok
from tests.support.client import Client
from tests.support.faults import all_returned, strict
from tests.support.gateway import Gateway, eventually
from tests.support.nodes import Call, RecordingNode

IDLE = 1.2
SWEEP = 0.25
SLACK = 1.5
MIB = 1 << 20
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: gateway.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCH = head(101, b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
OCTETS = bytes(range(256))


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode() as node:
        yield node


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Gateway]:
    nodes = [{"address": node.address}]
    pools = {"settlement": {"nodes": nodes, "timeouts": {"idle": f"{IDLE}s"}}, "bulk": {"nodes": nodes}}
    routes = [{"name": "bulk", "path": "/bulk", "pool": "bulk"}, {"name": "all", "path": "/", "pool": "settlement"}]
    with Gateway(tmp_path_factory.mktemp("tunnels"), pools=pools, routes=routes) as gateway:
        yield gateway


@pytest.fixture
def gateway(running: Gateway, node: RecordingNode) -> Iterator[Gateway]:
    node.requests.clear()
    node.answer = ok(b"settled")
    yield running
    node.wait_until(lambda node: node.open_connections <= 1)
    all_returned(running)


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    with gateway.connect() as client:
        yield client


def switched(client: Client, data: bytes = UPGRADE) -> None:
    client.send(data)
    answer = client.response()
    assert (answer.status, answer.value("connection"), answer.value("upgrade")) == (101, "upgrade", "websocket")
    assert answer.value("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class Peer:
    """The node's end of a tunnel, in the hands of the test."""

    def __init__(self, node: RecordingNode, *, first: bytes = b"") -> None:
        self._there = threading.Event()
        self._over = threading.Event()

        def answer(call: Call) -> None:
            self.call = call
            call.send(SWITCH + first)
            self._there.set()
            self._over.wait(20)
            call.close()

        node.answer = answer

    def exactly(self, size: int) -> bytes:
        """So many octets of those behind the request, in whatever pieces they came."""
        assert self._there.wait(20)
        buffer = self.call.link.buffer
        while len(buffer) < size:
            data = self.call.sock.recv(1 << 20)
            assert data, f"ended after {len(buffer)} octets"
            buffer += data
        found = bytes(buffer[:size])
        del buffer[:size]
        return found

    def send(self, data: bytes) -> None:
        assert self._there.wait(20)
        self.call.send(data)

    def ended(self) -> bool:
        """Whether the other side ends, without another octet."""
        assert self._there.wait(20)
        self.call.sock.settimeout(20)
        try:
            return not self.call.link.buffer and self.call.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def end(self) -> None:
        self._over.set()


@pytest.fixture
def peer(node: RecordingNode, gateway: Gateway) -> Iterator[Peer]:
    peer = Peer(node)
    yield peer
    peer.end()


def test_octets_travel_both_ways_unchanged(client: Client, peer: Peer) -> None:
    switched(client)
    for turn in range(20):
        mine, theirs = OCTETS[turn:] + b"client", OCTETS[: turn + 1] + b"node"
        client.send(mine)
        peer.send(theirs)
        assert peer.exactly(len(mine)) == mine
        assert client._exactly(len(theirs)) == theirs


def test_what_looks_like_http_is_no_more_than_octets(client: Client, peer: Peer, node: RecordingNode) -> None:
    switched(client)
    for text in (
        b"GET /admin HTTP/1.1\r\nHost: x\r\nX-Institution-Id: FORGED\r\n\r\n",
        b"0\r\n\r\n",
        b"\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ):
        client.send(text)
        assert peer.exactly(len(text)) == text
        peer.send(text)
        assert client._exactly(len(text)) == text
    assert len(node.requests) == 1


def test_octets_sent_together_with_the_upgrade_come_behind_it(client: Client, peer: Peer) -> None:
    """Some clients do not wait for 101. Whatever it is, it is not a request."""
    ahead = b"GET /ahead HTTP/1.1\r\nHost: x\r\n\r\n" + OCTETS
    switched(client, UPGRADE + ahead)
    client.send(b"behind")
    assert peer.exactly(len(ahead) + 6) == ahead + b"behind"


def test_octets_sent_together_with_101_come_behind_it(node: RecordingNode, client: Client) -> None:
    peer = Peer(node, first=OCTETS)
    try:
        switched(client, UPGRADE + b"ahead")
        assert client._exactly(len(OCTETS)) == OCTETS
        assert peer.exactly(5) == b"ahead"
    finally:
        peer.end()


def test_octets_sent_ahead_of_a_refused_upgrade_are_the_next_request(client: Client, node: RecordingNode) -> None:
    node.answer = in_turn(ok(b"no", status=403), ok(b"settled"))
    client.send(UPGRADE + b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [client.response().status for _ in range(2)] == [403, 200]
    assert [request.target for request in node.requests] == [b"/ws", b"/next"]


def test_both_sides_may_send_at_once_and_much(client: Client, peer: Peer) -> None:
    switched(client, UPGRADE.replace(b"/ws", b"/bulk"))
    size = 4 * MIB
    pieces = [bytes([number]) * (MIB // 8) for number in range(size * 8 // MIB)]
    read: list[bytes] = []
    node_reads = threading.Thread(target=lambda: read.append(peer.exactly(size)))
    node_sends = threading.Thread(target=lambda: [peer.send(piece) for piece in pieces])
    node_reads.start()
    node_sends.start()
    client.send_and_read(pieces, until=lambda got: len(got) >= size and not node_reads.is_alive())
    node_sends.join(20)
    whole = hashlib.sha256(b"".join(pieces)).hexdigest()
    assert [hashlib.sha256(got).hexdigest() for got in (client.buffer, *read)] == [whole, whole]


def test_silence_ends_a_tunnel_on_both_sides(gateway: Gateway, peer: Peer) -> None:
    with strict(gateway) as client:
        switched(client)
        client.send(b"x")
        assert peer.exactly(1) == b"x"
        start = time.monotonic()
        assert peer.ended()
        assert client.sock.recv(1) == b"", "an SSLEOFError were a cut"
        assert IDLE - 0.1 <= time.monotonic() - start <= IDLE + SWEEP + SLACK


@pytest.mark.parametrize("who", ["client", "node"])
def test_octets_either_way_keep_a_tunnel_open(gateway: Gateway, node: RecordingNode, peer: Peer, who: str) -> None:
    """The other side says nothing for three times as long as both may."""
    with gateway.connect() as client:
        switched(client)
        send = client.send if who == "client" else peer.send
        read = peer.exactly if who == "client" else client._exactly
        start = time.monotonic()
        sent = 0
        while time.monotonic() - start < 3 * IDLE:
            send(b"x")
            assert read(1) == b"x"
            sent += 1
            peer.call.pause(IDLE / 4)
        assert sent > 3


@pytest.mark.parametrize("how", ["close_notify", "FIN"])
def test_what_a_client_sent_before_it_left_still_arrives(
    gateway: Gateway, node: RecordingNode, peer: Peer, how: str
) -> None:
    size = 2 * MIB
    client = gateway.connect()
    switched(client)
    client.send(b"x" * size)
    if how == "close_notify":
        client.sock = client.sock.unwrap()  # type: ignore[attr-defined]
    else:
        client.sock.close()
    assert peer.exactly(size) == b"x" * size
    assert peer.ended()
    client.sock.close()


def test_what_a_node_sent_before_it_left_still_arrives(gateway: Gateway, node: RecordingNode) -> None:
    size = 2 * MIB

    def speak_and_leave(call: Call) -> None:
        call.send(SWITCH + b"x" * size)
        call.close()

    node.answer = speak_and_leave
    with strict(gateway) as client:
        switched(client)
        assert client._exactly(size) == b"x" * size
        assert client.sock.recv(1) == b"", "an SSLEOFError were a cut"


def test_a_tunnel_is_one_exchange_in_the_log(gateway: Gateway, node: RecordingNode, peer: Peer) -> None:
    with gateway.connect() as client:
        switched(client)
        client.send(b"x")
        assert peer.exactly(1) == b"x"
        peer.send(b"yy")
        assert client._exactly(2) == b"yy"
        peer.end()
        assert client.closed()
    rows = eventually(lambda: gateway.access(target="/ws", status=101))
    assert rows[-1]["reason"] in ("", None)


def test_a_link_that_was_a_tunnel_is_not_used_again(gateway: Gateway, node: RecordingNode, peer: Peer) -> None:
    with gateway.connect() as client:
        switched(client)
        peer.end()
        assert client.closed()
    node.answer = ok(b"settled")
    with gateway.connect() as client:
        assert client.get("/after").status == 200
    tunnel, after = node.requests[-2:]
    assert tunnel.connection != after.connection


def test_a_client_that_does_not_read_for_a_while_has_the_time_of_a_tunnel(tmp_path: Path, node: RecordingNode) -> None:
    """Not that of a body, which is shorter here. The last octets it did not take came in a small piece."""
    piece, pieces = b"x" * 8192, 200
    listener, pool = {"timeouts": {"body": "0.5s"}}, {"timeouts": {"idle": "20s"}}
    with Gateway(tmp_path, nodes=[node.address], listener=listener, pool=pool) as gateway, socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        raw.settimeout(20)
        raw.connect(("127.0.0.1", gateway.port()))
        context = gateway.context(gateway.world.hospital)
        peer = Peer(node)
        with Client(context.wrap_socket(raw, server_hostname="127.0.0.1")) as client:
            switched(client)
            for _ in range(pieces):
                peer.send(piece)
                time.sleep(0.001)  # so that each is read alone
            time.sleep(2)
            assert len(client._exactly(len(piece) * pieces)) == len(piece) * pieces
        peer.end()
        all_returned(gateway)
