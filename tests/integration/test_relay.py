"""What passes through the gateway, octet by octet: bodies, keep-alive, interim responses, HEAD, forwarded fields."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.answers import after, big, chunked, head, in_turn, interim, ok, until_close
from tests.support.client import Client
from tests.support.gateway import HOSPITAL, Gateway, eventually
from tests.support.nodes import Call, RecordingNode

MIB = 1 << 20


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode() as node:
        yield node


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("relay"), nodes=[node.address]) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def _fresh_node(node: RecordingNode) -> None:
    node.requests.clear()
    node.answer, node.on_head, node.store = ok(b"settled"), None, True


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    with gateway.connect() as client:
        yield client


def test_a_claim_reaches_the_node_with_proof_of_who_sent_it(client: Client, node: RecordingNode) -> None:
    answer = client.post("/claims/?x=1", b'{"id": 1}', "X-Institution-Id: FORGED", "Content-Type: application/json")
    assert (answer.status, answer.body) == (200, b"settled")
    (request,) = node.wait_for(1)
    assert request.method == b"POST"
    assert request.target == b"/claims/?x=1"
    assert request.body == b'{"id": 1}'
    assert request.values(b"x-institution-id") == [HOSPITAL.encode()]
    assert request.value(b"x-forwarded-for") == b"127.0.0.1"
    assert request.value(b"x-forwarded-proto") == b"https"
    assert request.value(b"x-forwarded-host") == b"gateway.test"
    assert request.value(b"host") == b"gateway.test"
    assert request.value(b"via") == b"1.1 settlegate"
    assert request.value(b"x-request-id")
    assert (request.value(b"client-cert") or b"").startswith(b":MII")


def test_a_sound_request_id_is_kept_and_not_doubled(client: Client, node: RecordingNode) -> None:
    client.get("/", "X-Request-Id: abc-123")
    assert node.wait_for(1)[0].values(b"x-request-id") == [b"abc-123"]


def test_connections_are_kept_on_both_sides(client: Client, node: RecordingNode) -> None:
    before = node.connections
    for _ in range(5):
        assert client.get("/again").status == 200
    assert node.connections - before <= 1


def test_pipelined_requests_are_answered_in_order(client: Client, node: RecordingNode) -> None:
    node.answer = in_turn(ok(b"one"), ok(b"two"), ok(b"three"))
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(3)))
    assert [client.response().body for _ in range(3)] == [b"one", b"two", b"three"]


def test_a_chunked_request_keeps_its_octets_and_loses_its_extensions(client: Client, node: RecordingNode) -> None:
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for piece in (b"5;ext=1\r\nhel", b"lo\r\n6\r\n world\r", b"\n0\r\n\r\n"):
        client.send(piece)
    assert client.response().status == 200
    (request,) = node.wait_for(1)
    assert request.body == b"hello world"
    assert request.values(b"transfer-encoding") == [b"chunked"]
    assert b"ext" not in request.wire_body


@pytest.mark.parametrize("trailers", [b"", b"X-Checksum: 1\r\nX-Institution-Id: FORGED\r\n"], ids=["none", "some"])
def test_a_chunked_response_arrives_whole(client: Client, node: RecordingNode, trailers: bytes) -> None:
    node.answer = chunked(b"one ", b"two", trailers=trailers)
    answer = client.get()
    assert answer.body == b"one two"
    assert answer.value("trailer:x-checksum") == ("1" if trailers else None)
    assert client.get().status == 200


def test_a_response_that_ends_with_the_connection_is_framed_for_the_client(client: Client, node: RecordingNode) -> None:
    node.answer = until_close(b"until the end")
    answer = client.get()
    assert (answer.body, answer.value("transfer-encoding"), answer.complete) == (b"until the end", "chunked", True)
    node.answer = ok(b"next")
    assert client.get().body == b"next"


@pytest.mark.parametrize(
    ("answer", "body"),
    [(ok(b"plain"), b"plain"), (chunked(b"chu", b"nked"), b"chunked"), (until_close(b"closed"), b"closed")],
    ids=["length", "chunked", "until close"],
)
def test_an_http_1_0_client_gets_what_it_understands(
    gateway: Gateway, node: RecordingNode, answer: bytes, body: bytes
) -> None:
    node.answer = answer
    with gateway.connect() as client:
        got = client.exchange(b"GET / HTTP/1.0\r\n\r\n")
        assert (got.body, got.value("transfer-encoding"), got.value("connection")) == (body, None, "close")
        assert client.closed()


def test_head_has_the_length_and_no_body(client: Client, node: RecordingNode) -> None:
    node.answer = head(200, b"Content-Length: 5000")
    answer = client.exchange(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (answer.status, answer.value("content-length"), answer.body) == (200, "5000", b"")
    node.answer = ok(b"next")
    assert client.get().body == b"next"


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_end_with_their_head(client: Client, node: RecordingNode, status: int) -> None:
    node.answer = head(status)
    assert client.get().status == status
    node.answer = ok(b"next")
    assert client.get().body == b"next"


def test_expect_100_continue_is_answered_by_the_node(client: Client, node: RecordingNode) -> None:
    node.answer = ok(b"done")
    node.on_head = head(100)
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    assert client.any_response().status == 100
    client.send(b"body")
    assert client.response().body == b"done"
    assert node.wait_for(1)[0].body == b"body"


def test_interim_responses_are_passed_on(client: Client, node: RecordingNode) -> None:
    node.answer = interim(103, final=ok(b"final"))
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.any_response().status == 103
    assert client.any_response().body == b"final"


def _too_large(call: Call) -> bytes:
    call.close()
    return head(413, b"Content-Length: 0", b"Connection: close")


def test_an_answer_before_the_body_has_come_reaches_the_client(client: Client, node: RecordingNode) -> None:
    node.on_head = _too_large
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
    client.send(b"x" * 1000)
    answer = client.response()
    assert (answer.status, answer.value("connection")) == (413, "close")
    assert client.closed()


def test_a_client_that_has_ended_its_side_is_still_answered(gateway: Gateway, node: RecordingNode) -> None:
    node.answer = after(0.3, ok(b"late but whole"))
    with gateway.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert isinstance(client.sock, ssl.SSLSocket)
        socket.socket.shutdown(client.sock, socket.SHUT_WR)  # a bare FIN, as many old clients send it
        assert client.response().body == b"late but whole"


def test_hop_by_hop_fields_stay_on_their_hop(client: Client, node: RecordingNode) -> None:
    node.answer = ok(b"", b"Connection: X-Private", b"X-Private: 1", b"Keep-Alive: timeout=1", b"X-Public: 1")
    answer = client.get("/", "Connection: X-Mine", "X-Mine: 1", "TE: trailers", "Keep-Alive: 5", "X-Yours: 1")
    (request,) = node.wait_for(1)
    assert request.value(b"x-yours") == b"1"
    for name in (b"x-mine", b"te", b"keep-alive", b"connection"):
        assert request.value(name) is None, name
    assert answer.value("x-public") == "1"
    assert answer.value("x-private") is None
    assert answer.value("keep-alive") is None


def test_a_websocket_becomes_a_tunnel(client: Client, node: RecordingNode) -> None:
    def echo(call: Call) -> None:
        call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
        while data := call.sock.recv(100):
            call.send(data.upper())

    node.answer = echo
    fields = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13")
    assert client.get("/ws", *fields).status == 101
    assert client._exactly(5) == b"hello"
    client.send(b"ping")
    assert client._exactly(4) == b"PING"


def test_other_upgrades_are_not_offered_to_the_node(client: Client, node: RecordingNode) -> None:
    assert client.get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAA").status == 200
    (request,) = node.wait_for(1)
    assert (request.value(b"upgrade"), request.value(b"http2-settings")) == (None, None)


def _peak(gateway: Gateway) -> int:
    """Most resident octets of any worker so far, as the kernel counted them."""
    lines = "".join(Path(f"/proc/{pid}/status").read_text() for pid in gateway.workers())
    return max(int(line.split()[1]) * 1024 for line in lines.splitlines() if line.startswith("VmHWM"))


@pytest.mark.timeout(300)
def test_a_gibibyte_up_is_never_held_in_memory(gateway: Gateway, node: RecordingNode) -> None:
    node.answer, node.store = ok(b"done"), False
    size = 1024 * MIB
    piece = b"0123456789abcdef" * (MIB // 16)
    with gateway.connect() as client:
        client.send(b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // MIB):
            client.send(piece)
        assert client.response().body == b"done"
    request = node.wait_for(1)[-1]
    assert request.size == size
    digest = hashlib.sha256()
    for _ in range(size // MIB):
        digest.update(piece)
    assert request.sha256 == digest.hexdigest()
    node.store = True
    assert _peak(gateway) < 100 * MIB


@pytest.mark.timeout(300)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_gibibyte_down_is_never_held_in_memory(gateway: Gateway, node: RecordingNode, framing: str) -> None:
    size = 1024 * MIB
    node.answer = big(size, with_chunks=framing == "chunked")
    with gateway.connect() as client:
        client.send(b"GET /down HTTP/1.1\r\nHost: x\r\n\r\n")
        client._until(b"\r\n\r\n")
        got = len(client.buffer)
        view = memoryview(bytearray(MIB))
        while got < size:
            count = client.sock.recv_into(view)
            assert count
            got += count
    assert _peak(gateway) < 100 * MIB


def test_a_client_that_does_not_read_stops_the_node_and_not_the_others(gateway: Gateway, node: RecordingNode) -> None:
    """Backpressure: the gateway takes no more from the node than it can pass on."""
    node.answer = big(256 * MIB)
    with gateway.connect() as slow:
        slow.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        slow._until(b"\r\n\r\n")
        node.answer = ok(b"fast")
        with gateway.connect() as fast:
            assert fast.get().body == b"fast"
        assert _peak(gateway) < 100 * MIB


def test_many_clients_at_once_all_get_their_own_answer(gateway: Gateway, node: RecordingNode) -> None:
    node.answer = lambda call: call.send(ok(call.request.target))
    failures: list[object] = []

    def work(number: int) -> None:
        try:
            with gateway.connect() as client:
                for turn in range(20):
                    path = f"/{number}/{turn}"
                    body = client.get(path).body
                    if body != path.encode():
                        failures.append((path, body))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    process = psutil.Process(gateway.workers()[0])
    eventually(lambda: gateway.get("/api/v1/pools")["settlement"]["nodes"][node.address]["requests"] == 0)
    assert process.is_running()
