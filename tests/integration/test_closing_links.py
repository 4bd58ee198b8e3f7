"""A node that ends an idle connection just as a claim leaves: neither an error nor a second settlement.

What may have been read is never sent again. What reached the node's kernel behind its own end cannot have been: such a
claim goes out on a fresh connection.
"""

from __future__ import annotations

import random
import select
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.support.answers import ok
from tests.support.client import Client
from tests.support.gateway import Gateway, eventually
from tests.support.nodes import Call, RecordingNode
from tests.support.segments import can_vanish, deafen, hear, queues, vanish

CLAIMS = 600


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode() as node:
        yield node


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("stale"), nodes=[node.address]) as gateway:
        yield gateway


@pytest.fixture
def client(gateway: Gateway, node: RecordingNode) -> Iterator[Client]:
    node.answer = ok(b"settled")
    with gateway.connect() as client:
        assert client.get("/first").status == 200
        node.requests.clear()
        yield client


class Idle:
    """The node's end of the connection on which the last answer went out."""

    def __init__(self, node: RecordingNode, client: Client) -> None:
        self.calls: list[Call] = []
        self.leave = threading.Event()

        def answer(call: Call) -> None:
            self.calls.append(call)
            node.answer = ok(b"settled")
            call.send(ok(b"settled"))
            self.leave.wait(20)  # reads no further request
            call.close()

        node.answer = answer
        assert client.post("/claims/", b"before").status == 200
        node.requests.clear()
        self.sock = self.calls[0].sock
        self._gateway, self._node = self.sock.getpeername(), self.sock.getsockname()

    def unacknowledged(self) -> int:
        """Octets the gateway has sent on it that have not arrived."""
        found = queues(self._gateway, self._node)
        return found.unacknowledged if found is not None else 0


@pytest.mark.skipif(not can_vanish(), reason="needs CAP_NET_ADMIN to close a socket without a word")
def test_a_reset_alone_proves_nothing(client: Client, node: RecordingNode) -> None:
    """A node that reads and then resets may do so before its kernel has acknowledged anything (delayed ACK)."""
    idle = Idle(node, client)
    vanish(idle.sock)
    idle.leave.set()
    assert client.post("/claims/", b"claim").status == 502
    assert node.requests == []


def test_a_claim_that_crosses_the_end_of_its_connection_is_settled(client: Client, node: RecordingNode) -> None:
    idle = Idle(node, client)
    deafen(idle.sock)
    client.send(b"POST /claims/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nclaim")
    eventually(idle.unacknowledged)
    idle.leave.set()
    assert client.response(method="POST").status == 200
    assert [request.body for request in node.requests] == [b"claim"]


def test_a_claim_that_has_arrived_is_not_sent_again_whatever_becomes_of_its_connection(
    client: Client, node: RecordingNode
) -> None:
    """The node's kernel has taken it; whether the node has read it, nobody can say."""
    idle = Idle(node, client)
    client.send(b"POST /claims/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nclaim")
    select.select([idle.sock], [], [], 20)
    idle.leave.set()  # closes with the claim unread, which resets the connection
    assert client.response(method="POST").status == 502
    assert node.requests == []


def test_a_claim_of_which_a_part_has_arrived_is_not_sent_again(client: Client, node: RecordingNode) -> None:
    idle = Idle(node, client)
    client.send(b"POST /claims/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\ncl")
    select.select([idle.sock], [], [], 20)
    deafen(idle.sock)
    client.send(b"aim")
    eventually(idle.unacknowledged)
    idle.leave.set()
    assert client.response(method="POST").status == 502
    assert node.requests == []


def closes_after(seconds: float) -> Callable[[Call], None]:
    """Answers, waits up to so long, and ends the connection; but a claim that has arrived by then it still takes."""

    def answer(call: Call) -> None:
        call.send(ok(b"settled"))
        select.select([call.sock], [], [], random.uniform(0, seconds))
        deafen(call.sock)  # nothing can arrive between the look and the end
        if call.link.buffer or select.select([call.sock], [], [], 0)[0]:
            hear(call.sock)
        else:
            call.sock.close()
            call.close()

    return answer


def settle(client: Client, seconds: float) -> Counter[bytes]:
    """Many claims, each about when the node ends the connection; those that were answered 200, and how often."""
    settled: Counter[bytes] = Counter()
    for number in range(CLAIMS):
        claim = b"claim %d" % number
        answer = client.post("/claims/", claim)
        assert answer.status in (200, 502)
        settled[claim] += answer.status == 200
        time.sleep(random.uniform(0, seconds))  # to hit, now and then, just that moment
    return settled


MOMENTS = pytest.mark.parametrize("seconds", [0.0, 0.001], ids=["at once", "within a millisecond"])


@MOMENTS
def test_no_claim_is_settled_twice(client: Client, node: RecordingNode, seconds: float) -> None:
    """Nor is one reported as settled that was not, nor the other way round."""
    node.answer = closes_after(seconds)
    told = settle(client, seconds)
    read = Counter(request.body for request in node.requests if request.complete)
    assert max(read.values()) == 1
    assert read == +told
    assert node.connections > CLAIMS / 20, "the node has hardly ended a connection"


@MOMENTS
def test_no_claim_fails_because_its_connection_ended(client: Client, node: RecordingNode, seconds: float) -> None:
    node.answer = closes_after(seconds)
    told = settle(client, seconds)
    assert CLAIMS - told.total() == 0, "answered 502"
