"""Clients below `limits.minimum_rate` are ended, either way; nobody pays for a node that is slow, and tunnels and idle
connections may be as quiet as they like."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.answers import after, big, ok, slowly
from tests.support.gateway import eventually
from tests.support.nodes import Call, RecordingNode
from tests.support.operations import Operated
from tests.support.trickling import narrow, sip, trickle

GRACE = 0.5
RATE = 2000
LONG = GRACE + 4.0
"""Seconds after which whoever is to be ended has been ended, with a look a second and a busy machine's slack."""
HOST = b"Host: gateway.test\r\n"
POST = b"POST /up HTTP/1.1\r\n%sContent-Length: 1000000\r\n\r\n" % HOST
MIB = 1 << 20


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode() as node:
        yield node


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Operated]:
    listener = {
        "timeouts": {"handshake": "20s", "head": "2s", "body": "20s", "idle": "60s"},
        "limits": {"minimum_rate": f"{RATE}B/s"},
    }
    gateway = Operated(tmp_path_factory.mktemp("slow"), nodes=[node.address], listener=listener)
    gateway.constants = {"pace.GRACE": GRACE}
    with gateway:
        yield gateway


@pytest.fixture
def gateway(running: Operated, node: RecordingNode) -> Iterator[Operated]:
    """Afterwards nobody is connected any more and the next client is served."""
    node.requests.clear()
    yield running
    node.answer, node.on_head = ok(b"settled"), None
    with running.connect() as client:
        assert client.get("/after").status == 200
    eventually(lambda: not running.metric('settlegate_connections{listener="settlement"}'))


def ended_for_slowness(gateway: Operated) -> float:
    return gateway.metric('settlegate_refusals_total{listener="settlement",reason="request_timeout"}')


# ---- those who are too slow


def test_a_body_that_trickles_is_given_up_with_an_answer(gateway: Operated, node: RecordingNode) -> None:
    before = ended_for_slowness(gateway)
    with gateway.connect() as client:
        client.send(POST)
        assert GRACE < trickle(client, lambda: b"x", LONG) < LONG
        answer = client.response()
        assert (answer.status, answer.problem["reason"]) == (408, "request_timeout")
        assert client.closed()
    assert ended_for_slowness(gateway) == before + 1
    (line,) = eventually(lambda: gateway.access(target="/up", reason="request_timeout"))
    assert line["status"] == 408
    node.wait_until(lambda it: all(not request.complete for request in it.requests))


def test_a_chunked_body_that_trickles_is_no_better(gateway: Operated) -> None:
    with gateway.connect() as client:
        client.send(b"POST /chunks HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n" % HOST)
        assert trickle(client, lambda: b"1\r\nx\r\n", LONG) < LONG
        assert client.response().status == 408


def test_an_answer_that_is_sipped_is_cut(gateway: Operated, node: RecordingNode) -> None:
    node.answer = big(64 * MIB)
    before = ended_for_slowness(gateway)
    client = narrow(gateway)
    client.send(b"GET /sipped HTTP/1.1\r\n%s\r\n" % HOST)
    assert GRACE < sip(client, 5, LONG) < LONG
    (line,) = eventually(lambda: gateway.access(target="/sipped"))
    assert (line["status"], line["reason"]) == (200, "request_timeout")
    assert ended_for_slowness(gateway) == before + 1
    eventually(lambda: not node.open_connections)


def test_an_answer_that_hides_in_the_kernel_s_buffer_is_cut_too(gateway: Operated, node: RecordingNode) -> None:
    """The exchange is over as soon as the kernel has all of it; who does not take it from there is no idle client."""
    node.answer = ok(b"x" * 100_000)
    before = ended_for_slowness(gateway)
    client = narrow(gateway)
    client.send(b"GET /hidden HTTP/1.1\r\n%s\r\n" % HOST)
    (line,) = eventually(lambda: gateway.access(target="/hidden"))
    assert (line["status"], line["reason"]) == (200, None)
    assert sip(client, 5, LONG) < LONG
    assert ended_for_slowness(gateway) == before + 1


def test_a_head_that_trickles_has_the_time_of_a_head(gateway: Operated) -> None:
    with gateway.connect() as client:
        client.send(b"GET / HTTP/1.1\r\n")
        assert 1.9 < trickle(client, lambda: b"X-a: b\r\n", LONG) < 2 + LONG
        assert client.response().status == 408


def test_after_a_good_start_there_is_an_end_to_patience(gateway: Operated) -> None:
    """What was sent ahead buys time by the rate, not a connection for the day."""
    with gateway.connect() as client:
        client.send(POST + b"x" * (2 * RATE))
        assert 2 + GRACE <= trickle(client, lambda: b"x", 2 + LONG) < 2 + LONG


# ---- those who are not


def test_a_steady_body_above_the_rate_takes_its_time(gateway: Operated) -> None:
    with gateway.connect() as client:
        client.send(POST)
        assert trickle(client, lambda: b"x" * RATE, LONG) >= LONG


def test_a_steady_reader_above_the_rate_takes_its_time(gateway: Operated, node: RecordingNode) -> None:
    node.answer = big(64 * MIB)
    client = narrow(gateway)
    client.send(b"GET /steady HTTP/1.1\r\n%s\r\n" % HOST)
    assert sip(client, 10 * RATE, LONG) >= LONG


def test_a_node_that_takes_nothing_for_a_while_costs_nobody_an_upload(gateway: Operated, node: RecordingNode) -> None:
    go = threading.Event()

    def waits(call: Call) -> None:
        go.wait(20)

    node.on_head = waits
    size = 16 * MIB
    with gateway.connect() as client:
        sender = threading.Thread(target=client.post, args=("/wait", b"x" * size))
        sender.start()
        node.wait_for(1, complete=False)
        go.wait(LONG)  # the client stands still for so long, because the node does
        go.set()
        sender.join(20)
    assert node.wait_for(1)[0].size == size
    (line,) = eventually(lambda: gateway.access(target="/wait"))
    assert (line["status"], line["reason"]) == (200, None)


def test_a_node_that_answers_late_costs_nobody_a_connection(gateway: Operated, node: RecordingNode) -> None:
    node.answer = after(LONG, ok(b"late"))
    with gateway.connect() as client:
        assert client.post("/late", b"claim").body == b"late"


def test_a_node_that_answers_in_drops_costs_nobody_a_connection(gateway: Operated, node: RecordingNode) -> None:
    node.answer = slowly([b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n", *[b"x"] * 40], LONG / 40)
    with gateway.connect() as client:
        assert client.get("/drops").body == b"x" * 40


def test_who_waits_for_leave_to_send_is_not_slow(gateway: Operated, node: RecordingNode) -> None:
    def later(call: Call) -> None:
        call.pause(LONG)
        call.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    node.on_head = later
    with gateway.connect() as client:
        client.send(b"POST /leave HTTP/1.1\r\n%sContent-Length: 5\r\nExpect: 100-continue\r\n\r\n" % HOST)
        assert client.any_response().status == 100
        client.send(b"claim")
        assert client.response().status == 200


def test_a_quiet_tunnel_and_an_idle_connection_stay(gateway: Operated, node: RecordingNode) -> None:
    def tunnel(call: Call) -> None:
        call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        call.send(call.sock.recv(100))
        call.close()

    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n"
    with gateway.connect() as idle, gateway.connect() as client:
        assert idle.get("/idle").status == 200
        node.answer = tunnel
        client.send(b"GET /tunnel HTTP/1.1\r\n%s" % HOST + upgrade % b"AAAAAAAAAAAAAAAAAAAAAA==")
        assert client.response().status == 101
        quiet = time.monotonic() + LONG
        eventually(lambda: time.monotonic() >= quiet)
        client.send(b"still here")
        assert client._exactly(10) == b"still here"
        node.answer = ok(b"settled")
        assert idle.get("/idle").status == 200


# ---- when the client cannot even be told


def test_a_reader_that_closes_and_still_takes_nothing_is_forgotten(gateway: Operated, node: RecordingNode) -> None:
    """Half-closed in mid-answer: the session is flushing, and that has to end, too."""
    node.answer = ok(b"x" * 8 * MIB, b"Connection: close")
    client = narrow(gateway)
    client.send(b"GET /half HTTP/1.1\r\nConnection: close\r\n%s\r\n" % HOST)
    client.sock.shutdown(socket.SHUT_WR)
    assert sip(client, 5, LONG) < LONG
