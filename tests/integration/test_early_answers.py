"""A node that answers while the client is still sending: the answer arrives whole, and nothing else happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.support.answers import head, ok
from tests.support.client import Client
from tests.support.faults import all_returned
from tests.support.gateway import Gateway, eventually
from tests.support.nodes import Call, RecordingNode

MIB = 1 << 20
TOO_LARGE = head(413, b"Content-Length: 9", b"Connection: close") + b"too large"


class Nodes(NamedTuple):
    one: RecordingNode
    other: RecordingNode

    @property
    def requests(self) -> int:
        return len(self.one.requests) + len(self.other.requests)


@pytest.fixture(scope="module")
def both() -> Iterator[Nodes]:
    with RecordingNode(store=False) as one, RecordingNode(store=False) as other:
        yield Nodes(one, other)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, both: Nodes) -> Iterator[Gateway]:
    pool = {"retries": {"attempts": 2}}
    folder = tmp_path_factory.mktemp("early")
    with Gateway(folder, nodes=[node.address for node in both], pool=pool) as gateway:
        yield gateway


@pytest.fixture
def nodes(both: Nodes, running: Gateway) -> Iterator[Nodes]:
    for node in both:
        node.requests.clear()
        node.answer, node.on_head, node.read_body = ok(b"settled"), None, True
    yield both
    for node in both:
        node.answer, node.on_head = ok(b"settled"), None
    with running.connect() as client:
        assert client.get("/after").body == b"settled"
    all_returned(running)


@pytest.fixture
def client(nodes: Nodes, running: Gateway) -> Iterator[Client]:
    with running.connect() as client:
        yield client


def says_413(call: Call) -> None:
    call.send(TOO_LARGE)
    call.close()


def says_413_and_resets(call: Call) -> None:
    call.send(TOO_LARGE)
    call.pause(0.05)  # a reset at once would take the answer with it
    call.abort()


def says_413_and_reads_on(call: Call) -> None:
    """As a careful server does (RFC 9112 9.6), so that its answer is not lost."""
    call.send(TOO_LARGE)
    while call.sock.recv(MIB):
        pass
    call.close()


FRAMINGS = pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
ENDINGS = pytest.mark.parametrize(
    "script", [says_413, says_413_and_resets, says_413_and_reads_on], ids=["closes", "resets", "reads on"]
)


def begin(client: Client, *, chunked: bool, size: int) -> Iterator[bytes]:
    """Send the head of an upload; what comes behind it, piece by piece."""
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    client.send(b"POST /claims/ HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % framing)
    piece = b"x" * (MIB // 4)
    yield from [b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece] * (size // len(piece))
    if chunked:
        yield b"0\r\n\r\n"


@FRAMINGS
@ENDINGS
def test_a_client_that_is_still_sending_gets_the_refusal_whole(
    client: Client, nodes: Nodes, script: Callable[[Call], None], chunked: bool
) -> None:
    for node in nodes:
        node.on_head = script
    client.send_and_read(begin(client, chunked=chunked, size=64 * MIB), until=lambda got: b"too large" in got)
    answer = client.response(method="POST")
    assert (answer.status, answer.body, answer.complete) == (413, b"too large", True)
    assert answer.value("connection") == "close"
    assert client.closed()
    assert nodes.requests == 1, "no other node is asked"
    assert not [request for node in nodes for request in node.requests if request.complete]


@FRAMINGS
def test_an_answer_that_streams_while_the_body_streams(client: Client, nodes: Nodes, chunked: bool) -> None:
    """The node begins its answer when it has seen the head, and ends it when it has read the body."""
    size = 4 * MIB

    for node in nodes:
        node.on_head = head(200, b"Transfer-Encoding: chunked") + b"5\r\nbegun\r\n"
        node.answer = b"3\r\nend\r\n0\r\n\r\n"
    upload = begin(client, chunked=chunked, size=size)
    client.send_and_read([next(upload)], until=lambda got: b"begun" in got)
    client.send_and_read(upload, until=lambda got: b"end" in got)
    answer = client.response(method="POST")
    assert (answer.status, answer.body, answer.complete) == (200, b"begunend", True)
    (request,) = [request for node in nodes for request in node.requests]
    assert (request.size, request.complete) == (size, True)


def test_a_pipelined_request_behind_an_upload_that_was_refused_is_not_read(client: Client, nodes: Nodes) -> None:
    """It cannot be told from the rest of the body, which the client may have stopped sending."""
    for node in nodes:
        node.on_head = says_413
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nbody")
    assert client.response().status == 413
    client.send(b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.closed()
    assert nodes.requests == 1


def test_a_small_upload_that_has_been_sent_whole_keeps_its_connection(client: Client, nodes: Nodes) -> None:
    """The node answers before it has read the body, but the gateway has all of it: nothing is uncertain."""

    def answers_first(call: Call) -> bytes:
        call.close()
        return ok(b"early")

    for node in nodes:
        node.on_head = answers_first
    assert client.post("/", b"claim").body == b"early"
    for node in nodes:
        node.on_head = None
    assert client.get().body == b"settled"
    assert nodes.requests == 2


def test_the_log_says_413_and_what_had_come_until_then(client: Client, nodes: Nodes, running: Gateway) -> None:
    for node in nodes:
        node.on_head = says_413
    client.send(b"POST /too-large HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nbegun" % MIB)
    assert client.response().status == 413
    (row,) = eventually(lambda: running.access(target="/too-large"))
    assert (row["status"], row["reason"] or "") == (413, "")
