"""Many requests at once, clients that end their side: each request is answered once and in its turn, or not sent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.answers import chunked, garbage, head, ok
from tests.support.client import Client
from tests.support.faults import all_returned, until_it_closes
from tests.support.gateway import Gateway
from tests.support.nodes import Call, RecordingNode
from tests.support.sealed import Sealed

COUNT = 20
MIB = 1 << 20


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode() as node:
        yield node


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Gateway]:
    routes = [{"name": "claims", "path": "/claims/", "pool": "settlement"}]
    with Gateway(tmp_path_factory.mktemp("pipelines"), nodes=[node.address], routes=routes) as gateway:
        yield gateway


@pytest.fixture
def gateway(running: Gateway, node: RecordingNode) -> Iterator[Gateway]:
    node.requests.clear()
    node.answer, node.on_head = echo, None
    yield running
    node.answer = echo
    with running.connect() as client:
        assert client.get("/claims/after").status == 200
    all_returned(running)


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    with gateway.connect() as client:
        yield client


def echo(call: Call) -> bytes:
    """Target and body; one in three chunked."""
    said = b"%b %b" % (call.request.target, call.request.body)
    return chunked(said[:5], said[5:]) if call.request.target.endswith(b"3") else ok(said)


def claim(number: int, path: str = "/claims/") -> bytes:
    """With a length, chunked, or without a body, by turns."""
    target, body = f"{path}{number}".encode(), b"claim %d" % number
    if number % 3 == 0:
        return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (target, len(body), body)
    if number % 3 == 1:
        chunk = b"%x\r\n%b\r\n" % (len(body), body)
        return b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % (target, chunk)
    return b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target


def said(number: int) -> bytes:
    return b"/claims/%d %b" % (number, b"" if number % 3 == 2 else b"claim %d" % number)


def test_twenty_claims_at_once_are_answered_in_their_order(client: Client, node: RecordingNode) -> None:
    client.send(b"".join(map(claim, range(COUNT))))
    assert [client.response().body for _ in range(COUNT)] == [said(number) for number in range(COUNT)]
    assert [request.target for request in node.requests] == [b"/claims/%d" % number for number in range(COUNT)]


def test_slow_answers_do_not_change_the_order(client: Client, node: RecordingNode) -> None:
    """The first takes longest; the second is not sent before the first is answered."""

    def slower_first(call: Call) -> bytes:
        number = int(call.request.target.rpartition(b"/")[2])
        assert len(node.requests) == number + 1, "sent before its turn"
        call.pause(0.1 / (number + 1))
        return echo(call)

    node.answer = slower_first
    client.send(b"".join(map(claim, range(COUNT))))
    assert [client.response().body for _ in range(COUNT)] == [said(number) for number in range(COUNT)]


def test_an_error_of_one_request_is_no_error_of_the_others(client: Client, node: RecordingNode) -> None:
    """No route for the fifth, nonsense from the node for the tenth: the connection and the rest go on."""

    def nonsense_for_ten(call: Call) -> bytes | None:
        return _nonsense(call) if call.request.target == b"/claims/10" else echo(call)

    node.answer = nonsense_for_ten
    client.send(b"".join(claim(n, "/elsewhere/" if n == 5 else "/claims/") for n in range(COUNT)))
    answers = [client.response() for _ in range(COUNT)]
    assert [answer.status for answer in answers] == [{5: 404, 10: 502}.get(n, 200) for n in range(COUNT)]
    assert [answer.body for n, answer in enumerate(answers) if n not in (5, 10)] == [
        said(n) for n in range(COUNT) if n not in (5, 10)
    ]
    assert [request.target for request in node.requests] == [b"/claims/%d" % n for n in range(COUNT) if n != 5]


def _nonsense(call: Call) -> bytes | None:
    script = garbage()
    assert callable(script)
    return script(call)


@pytest.mark.parametrize(
    ("faulty", "status"),
    [
        (b"POST /claims/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST /claims/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400),
        (b"GET /claims/x HTTP/1.1\r\n\r\n", 400),
        (b"GET /claims/x HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    ],
    ids=["two lengths", "a chunk that is none", "no host", "another version"],
)
def test_behind_a_faulty_request_nothing_is_read(
    client: Client, node: RecordingNode, faulty: bytes, status: int
) -> None:
    first, rest = range(10), range(10, COUNT)
    client.send(b"".join(map(claim, first)) + faulty + b"".join(map(claim, rest)))
    assert [client.response().body for _ in first] == [said(number) for number in first]
    answer = client.response()
    assert (answer.status, answer.value("connection")) == (status, "close")
    assert client.closed()
    assert [request.target for request in node.requests if request.complete] == [b"/claims/%d" % n for n in first]


def test_a_client_that_leaves_takes_what_has_not_been_sent_with_it(gateway: Gateway, node: RecordingNode) -> None:
    """The first is under way, the others never leave the gateway: nobody would see what became of them."""
    node.answer = until_it_closes
    with gateway.connect() as client:
        client.send(b"".join(map(claim, range(COUNT))))
        node.wait_for(1)
        client.sock.close()
    node.wait_until(lambda node: not node.open_connections)
    assert [request.target for request in node.requests] == [b"/claims/0"]


# ---- clients that end their side

SIDES = pytest.mark.parametrize("how", ["close_notify", "FIN"])


@contextlib.contextmanager
def one_sided(gateway: Gateway, data: bytes, how: str, ended: Callable[[], None] = lambda: None) -> Iterator[Client]:
    """A client that sends `data`, ends its side, calls `ended`, and then only reads."""
    raw = socket.create_connection(("127.0.0.1", gateway.port()), timeout=20)
    sealed = Sealed(raw, gateway.context(gateway.world.hospital))
    sealed.sendall(data)
    if how == "close_notify":
        sealed.end_side()
    else:
        raw.shutdown(socket.SHUT_WR)
    ended()
    with Client(sealed) as client:  # type: ignore[arg-type]
        yield client


@SIDES
def test_a_long_answer_arrives_whole_at_a_client_that_has_ended_its_side(
    gateway: Gateway, node: RecordingNode, how: str
) -> None:
    size = 16 * MIB
    ended = threading.Event()

    def long(call: Call) -> None:
        ended.wait(20)
        call.send(head(200, b"Content-Length: %d" % size))
        for _ in range(16):
            call.send(b"x" * MIB)

    node.answer = long
    with one_sided(gateway, claim(0), how, ended.set) as client:
        answer = client.response()
        assert (len(answer.body), answer.complete) == (size, True)
        assert client.closed()
    assert len(node.requests) == 1


@SIDES
@pytest.mark.parametrize(
    "data",
    [b"", b"GET /claims/ HT", b"POST /claims/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nshort"],
    ids=["nothing", "half a head", "half a body"],
)
def test_half_a_request_and_the_end_reach_no_node(gateway: Gateway, node: RecordingNode, how: str, data: bytes) -> None:
    with one_sided(gateway, data, how) as client:
        if data:
            answer = client.response()
            assert (answer.status, answer.value("connection")) == (400, "close")
        assert client.closed()
    assert not [request for request in node.requests if request.complete]


@SIDES
def test_requests_that_were_complete_before_the_end_are_all_answered(
    gateway: Gateway, node: RecordingNode, how: str
) -> None:
    ended = threading.Event()

    def late(call: Call) -> bytes:
        ended.wait(20)
        call.pause(0.1)  # so that the end is known while the first is under way
        return echo(call)

    node.answer = late
    with one_sided(gateway, claim(0) + claim(1) + claim(2), how, ended.set) as client:
        assert [client.response().body for _ in range(3)] == [said(number) for number in range(3)]
        assert client.closed()


def test_a_head_longer_than_what_is_read_ahead_is_read_to_its_end(tmp_path: Path, node: RecordingNode) -> None:
    """It begins to arrive while the answer before it is still awaited."""
    asked, go_on = threading.Event(), threading.Event()

    def answer(call: Call) -> bytes:
        asked.set()
        go_on.wait(20)
        return echo(call)

    node.answer = answer
    listener = {"limits": {"head": "512KiB"}, "timeouts": {"head": "3s"}}
    fields = b"X: %b\r\n" % (b"x" * 1000) * 100 + b"Y: %b\r\n" % (b"y" * 200_000)
    long = b"GET /claims/2 HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n"
    with Gateway(tmp_path, nodes=[node.address], listener=listener) as gateway, gateway.connect() as client:
        sender = threading.Thread(target=client.send, args=(claim(5) + long,))
        sender.start()
        assert asked.wait(20)
        client.sock.settimeout(20)
        go_on.set()
        assert client.response().body == said(5)
        assert client.response().body == said(2)
        sender.join()
