"""Expect: 100-continue: the node decides whether it wants the body, and the client may wait for that or not."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator

import pytest

from tests.support.answers import head, ok
from tests.support.client import Client
from tests.support.faults import all_returned
from tests.support.gateway import Gateway
from tests.support.nodes import Call, RecordingNode

ASKS = b"POST /claims/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode() as node:
        yield node


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("expectations"), nodes=[node.address]) as gateway:
        yield gateway


@pytest.fixture
def gateway(running: Gateway, node: RecordingNode) -> Iterator[Gateway]:
    node.requests.clear()
    node.answer, node.on_head = ok(b"settled"), None
    yield running
    node.answer, node.on_head = ok(b"settled"), None
    all_returned(running)


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    with gateway.connect() as client:
        yield client


def test_a_client_that_waits_is_told_to_go_on_by_the_node_and_not_before(client: Client, node: RecordingNode) -> None:
    may_go_on = threading.Event()

    def ask_first(call: Call) -> bytes:
        may_go_on.wait(20)
        return head(100)

    assert client.get().status == 200  # and the session tickets are read, which would look like an answer
    node.requests.clear()
    node.on_head = ask_first
    client.send(ASKS)
    node.wait_for(1, complete=False)
    assert select.select([client.sock], [], [], 0)[0] == [], "told to go on before the node has said so"
    may_go_on.set()
    assert client.any_response().status == 100
    client.send(b"claim")
    assert client.response().body == b"settled"
    assert node.wait_for(1)[0].body == b"claim"
    assert client.get().status == 200, "the connection lives on"


def test_a_client_that_waits_is_told_no_and_sends_nothing(client: Client, node: RecordingNode) -> None:
    def no(call: Call) -> bytes:
        call.close()
        return head(417, b"Content-Length: 0")

    node.on_head = no
    client.send(ASKS)
    answer = client.any_response()
    assert (answer.status, answer.value("connection")) == (417, "close")
    assert client.closed()
    node.wait_until(lambda node: not node.open_connections)
    assert not [request for request in node.requests if request.complete]


def test_behind_a_no_the_body_is_not_taken_for_a_request(client: Client, node: RecordingNode) -> None:
    """The client may send its body all the same (RFC 9110 10.1.1); here it looks like a request."""
    body = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

    def no(call: Call) -> bytes:
        call.close()
        call.node.on_head = None
        return ok(b"no", status=403)

    node.on_head = no
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(body))
    assert client.response().status == 403
    client.send(body)
    assert client.closed()
    assert [request.target for request in node.requests] == [b"/"]


def test_a_client_that_does_not_wait_is_served(client: Client, node: RecordingNode) -> None:
    node.on_head = head(100)
    client.send(ASKS + b"claim")
    assert client.any_response().status == 100
    assert client.any_response().body == b"settled"
    assert node.wait_for(1)[0].body == b"claim"


def test_a_node_that_never_says_go_on_gets_the_body_of_a_client_that_is_tired_of_waiting(
    client: Client, node: RecordingNode
) -> None:
    client.send(ASKS)
    node.wait_for(1, complete=False)
    client.send(b"claim")
    answer = client.any_response()
    assert (answer.status, answer.body) == (200, b"settled")
    assert node.wait_for(1)[0].body == b"claim"


def test_100_and_the_final_answer_in_one_piece_arrive_as_two(client: Client, node: RecordingNode) -> None:
    node.on_head = lambda call: call.close() or head(100) + ok(b"enough", b"Connection: close")  # type: ignore[func-returns-value]
    client.send(ASKS)
    assert client.any_response().status == 100
    answer = client.any_response()
    assert (answer.status, answer.value("connection")) == (200, "close")


def test_an_old_client_never_sees_100(gateway: Gateway, node: RecordingNode) -> None:
    node.answer = head(100) + ok(b"settled")
    with gateway.connect() as client:
        client.send(b"POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nclaim")
        assert client.any_response().status == 200
    assert node.wait_for(1)[0].value(b"expect") is None


def test_a_chunked_body_may_wait_too(client: Client, node: RecordingNode) -> None:
    node.on_head = head(100)
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
    assert client.any_response().status == 100
    client.send(b"5\r\nclaim\r\n0\r\n\r\n")
    assert client.response().body == b"settled"
    assert node.wait_for(1)[0].body == b"claim"
