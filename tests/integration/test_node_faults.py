"""Nodes that refuse, hang, break off or answer nonsense: the client gets a full answer or a clear error, and what may
have been booked is never sent twice."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import psutil
import pytest

from tests.support.answers import (
    Script,
    after,
    chunk,
    chunked,
    closes_mid_response,
    closes_without_answer,
    garbage,
    head,
    in_turn,
    ok,
    slowly,
    until_close,
)
from tests.support.client import Client
from tests.support.faults import all_returned, descriptors, strict, until_it_closes
from tests.support.gateway import Gateway, eventually
from tests.support.nodes import Call, RecordingNode, RefusingNode, UnreachableNode

CONNECT, RESPONSE, IDLE = 0.3, 0.8, 0.6
SWEEP = 0.25
SLACK = 1.5
MIB = 1 << 20


class Nodes(NamedTuple):
    one: RecordingNode
    other: RecordingNode
    refusing: RefusingNode
    unreachable: UnreachableNode
    down: RecordingNode

    @property
    def recording(self) -> tuple[RecordingNode, ...]:
        return self.one, self.other

    @property
    def requests(self) -> int:
        return sum(len(node.requests) for node in self.recording)


@pytest.fixture(scope="module")
def everybody() -> Iterator[Nodes]:
    with (
        RecordingNode() as one,
        RecordingNode() as other,
        RefusingNode() as refusing,
        UnreachableNode() as unreachable,
        RecordingNode() as down,
    ):
        down.stop()
        yield Nodes(one, other, refusing, unreachable, down)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, everybody: Nodes) -> Iterator[Gateway]:
    one, other, refusing, unreachable, down = (node.address for node in everybody)
    check = {"http": {"path": "/healthz"}, "interval": "200ms", "timeout": "100ms"}
    pools = {
        "one": [one],
        "pair": [one, other],
        "half-refusing": [refusing, one],
        "half-unreachable": [unreachable, one],
        "refusing": [refusing],
        "unreachable": [unreachable],
        "down": [down],
    }
    with Gateway(
        tmp_path_factory.mktemp("node-faults"),
        listener={"timeouts": {"body": "800ms"}},
        routes=[{"name": name, "path": f"/{name}/", "pool": name} for name in pools],
        pools={
            name: {
                "nodes": [{"address": address} for address in addresses],
                "timeouts": {"connect": f"{CONNECT}s", "response": f"{RESPONSE}s", "idle": f"{IDLE}s"},
                "checks": [check] if name == "down" else [],
            }
            for name, addresses in pools.items()
        },
    ) as gateway:
        before = descriptors(gateway)
        yield gateway
        eventually(lambda: descriptors(gateway) <= before + 2, within=5)  # an idle connection to each living node


@pytest.fixture
def nodes(everybody: Nodes) -> Nodes:
    for node in everybody.recording:
        node.answer, node.on_head, node.read_body = ok(b"settled"), None, True
        node.wait_until(lambda node: node.open_connections <= 1)
        node.requests.clear()
    return everybody


@pytest.fixture
def gateway(running: Gateway, nodes: Nodes) -> Iterator[Gateway]:
    """Whatever the fault: afterwards nothing is held, nothing has died, and the next request is answered."""
    workers = running.workers()
    yield running
    nodes.one.answer, nodes.one.on_head, nodes.one.read_body = ok(b"settled"), None, True
    with running.connect() as client:
        assert client.get("/one/after").body == b"settled"
    all_returned(running)
    assert running.workers() == workers


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    with gateway.connect() as client:
        yield client


def count(gateway: Gateway, name: str, **labels: str) -> float:
    inner = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return gateway.metric(f"settlegate_{name}{{{inner}}}")


# ---- nobody there


def test_a_node_that_refuses_is_passed_over_without_the_client_noticing(
    gateway: Gateway, client: Client, nodes: Nodes
) -> None:
    refusing = nodes.refusing.address
    failures = count(gateway, "node_failures_total", pool="half-refusing", node=refusing)
    retries = count(gateway, "retries_total", pool="half-refusing", reason="node_unreachable")
    for number in range(8):
        answer = client.post("/half-refusing/", b"claim %d" % number)
        assert (answer.status, answer.body) == (200, b"settled")
    assert [request.body for request in nodes.one.requests] == [b"claim %d" % number for number in range(8)]
    failed = count(gateway, "node_failures_total", pool="half-refusing", node=refusing) - failures
    assert failed >= 2
    assert count(gateway, "retries_total", pool="half-refusing", reason="node_unreachable") - retries == failed
    assert max(line["attempts"] for line in eventually(lambda: gateway.access(pool="half-refusing", attempts=2))) == 2


def test_a_node_that_cannot_be_reached_is_passed_over_after_the_connect_timeout(
    gateway: Gateway, client: Client, nodes: Nodes
) -> None:
    took = []
    for number in range(2):
        start = time.monotonic()
        answer = client.post("/half-unreachable/", b"claim %d" % number)
        assert (answer.status, answer.body) == (200, b"settled")
        took.append(time.monotonic() - start)
    assert CONNECT <= max(took) <= CONNECT + SWEEP + SLACK
    assert [request.body for request in nodes.one.requests] == [b"claim %d" % number for number in range(2)]


@pytest.mark.parametrize("pool", ["refusing", "unreachable"])
def test_without_another_node_the_client_is_told(gateway: Gateway, client: Client, nodes: Nodes, pool: str) -> None:
    retries = count(gateway, "retries_total", pool=pool, reason="node_unreachable")
    answer = client.get(f"/{pool}/")
    assert (answer.status, answer.problem["reason"]) == (502, "node_unreachable")
    assert nodes.refusing.address not in answer.body.decode(), "addresses of nodes are not the client's business"
    assert client.get("/one/").status == 200, "the connection lives on"
    assert count(gateway, "retries_total", pool=pool, reason="node_unreachable") == retries, "nothing was tried again"


def test_with_all_nodes_down_the_client_is_asked_to_come_back(gateway: Gateway, client: Client, nodes: Nodes) -> None:
    eventually(lambda: gateway.node(nodes.down.address, "down")["state"] == "down")
    answer = client.post("/down/", b"claim")
    assert (answer.status, answer.value("content-type")) == (503, "application/problem+json")
    assert int(answer.value("retry-after") or "") >= 1
    assert answer.problem["reason"] == "no_node"
    assert answer.problem["cause"] == "down: 0 of 1 (1 down)"
    assert answer.problem["title_zh"]
    assert answer.value("x-request-id") == answer.problem["request_id"]
    page = client.get("/down/", "Accept: text/html")
    assert (page.status, page.value("content-type")) == (503, "text/html; charset=utf-8")
    assert client.get("/one/").status == 200, "the connection lives on"


# ---- silence


def test_a_node_that_hangs_is_given_up_in_time(gateway: Gateway, client: Client, nodes: Nodes) -> None:
    nodes.one.answer = until_it_closes
    failures = count(gateway, "node_failures_total", pool="one", node=nodes.one.address)
    start = time.monotonic()
    answer = client.post("/one/", b"claim")
    assert RESPONSE - 0.1 <= time.monotonic() - start <= RESPONSE + SWEEP + SLACK
    assert (answer.status, answer.problem["reason"]) == (504, "node_timeout")
    eventually(lambda: not nodes.one.open_connections)
    assert count(gateway, "node_failures_total", pool="one", node=nodes.one.address) == failures + 1
    nodes.one.answer = ok(b"settled")
    assert client.get("/one/").status == 200, "the connection lives on"


def test_a_head_in_drops_does_not_move_the_node_s_deadline(client: Client, nodes: Nodes) -> None:
    nodes.one.answer = slowly([bytes([octet]) for octet in b"HTTP/1.1 200 OK\r\nX-Drop: " + b"x" * 200], 0.03)
    start = time.monotonic()
    assert client.get("/one/").status == 504
    assert time.monotonic() - start <= RESPONSE + SWEEP + SLACK


def test_a_node_that_stops_in_mid_response_is_given_up_and_the_answer_cut(client: Client, nodes: Nodes) -> None:
    def half(call: Call) -> None:
        call.send(head(200, b"Content-Length: 1000") + b"half")
        until_it_closes(call)

    nodes.one.answer = half
    start = time.monotonic()
    answer = client.get("/one/")
    assert IDLE - 0.1 <= time.monotonic() - start <= IDLE + SWEEP + SLACK
    assert (answer.status, answer.body, answer.complete) == (200, b"half", False)


def test_an_answer_in_drops_takes_as_long_as_it_needs(client: Client, nodes: Nodes) -> None:
    """The deadline is for silence, not for slowness."""
    nodes.one.answer = slowly([head(200, b"Content-Length: 4"), b"s", b"l", b"o", b"w"], IDLE / 2)
    assert client.get("/one/").body == b"slow"


def test_a_node_that_reads_nothing_is_given_up(gateway: Gateway, client: Client, nodes: Nodes) -> None:
    nodes.one.read_body = False
    nodes.one.answer = after(60, b"")
    done = threading.Event()

    def upload() -> None:
        try:
            client.send(b"POST /one/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
            for _ in range(64):
                client.send(b"x" * MIB)
        except OSError:
            pass
        done.set()

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        (line,) = eventually(lambda: gateway.access(method="POST", status=504, reason="node_timeout", pool="one")[-1:])
        assert line["bytes_in"] < 64 * MIB
    finally:
        thread.join()
        nodes.one.kill()
        nodes.one.start()
    assert done.is_set()


# ---- the end before its time


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_node_that_closes_without_an_answer_is_an_error(
    gateway: Gateway, client: Client, nodes: Nodes, method: str
) -> None:
    nodes.one.answer = closes_without_answer
    answer = client.exchange(b"%s /one/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nclaim" % method.encode())
    assert (answer.status, answer.problem["reason"]) == (502, "node_protocol_error")
    assert nodes.requests == 1
    assert client.get("/one/").status == 502, "the connection lives on"


@pytest.mark.parametrize("ending", ["close", "reset", "garbage", "half a head", "silence"])
def test_a_claim_that_has_left_is_never_sent_again(client: Client, nodes: Nodes, ending: str) -> None:
    """It may have been booked: the institution has to ask, the gateway must not guess."""
    scripts: dict[str, Script] = {
        "close": closes_without_answer,
        "reset": lambda call: call.abort(),
        "garbage": garbage(),
        "half a head": until_close(b""),
        "silence": until_it_closes,
    }
    for node in nodes.recording:
        node.answer = scripts[ending]
    if ending == "half a head":
        for node in nodes.recording:
            node.answer = garbage(b"HTTP/1.1 200 OK\r\nContent-Le")
    answer = client.post("/pair/", b"claim")
    assert (answer.status, answer.problem["reason"]) == (
        (504, "node_timeout") if ending == "silence" else (502, "node_protocol_error")
    )
    assert nodes.requests == 1


def test_a_claim_half_of_which_has_left_is_never_sent_again(client: Client, nodes: Nodes) -> None:
    for node in nodes.recording:
        node.on_head = lambda call: call.abort()
    client.send(b"POST /pair/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
    answer = client.response()
    assert (answer.status, answer.problem["reason"]) == (502, "node_protocol_error")
    assert answer.value("connection") == "close", "what is left of the body would be read as a request"
    assert client.closed()
    assert nodes.requests == 1


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_a_kept_connection_that_the_node_has_ended_is_not_used(
    gateway: Gateway, client: Client, nodes: Nodes, ending: str
) -> None:
    def answer(call: Call) -> None:
        call.send(ok(b"settled"))
        if ending == "close":
            call.close()
        else:
            call.pause(0.01)  # a reset would overtake the answer
            call.abort()

    nodes.one.answer = answer
    for number in range(10):
        assert client.post("/one/", b"claim %d" % number).status == 200
        nodes.one.wait_until(lambda node: not node.open_connections)
    assert [request.body for request in nodes.one.requests] == [b"claim %d" % number for number in range(10)]
    assert len({request.connection for request in nodes.one.requests}) == 10


def test_a_kept_connection_that_ends_in_the_moment_of_a_claim_is_not_used(
    gateway: Gateway, client: Client, nodes: Nodes
) -> None:
    """A worker that was busy learns of the node's end and of the claim at the same time."""
    (worker,) = gateway.workers()
    assert client.get("/one/").status == 200
    os.kill(worker, signal.SIGSTOP)
    try:
        client.send(b"POST /one/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nclaim")
        nodes.one.kill()
        nodes.one.start()
    finally:
        os.kill(worker, signal.SIGCONT)
    assert client.response(method="POST").status == 200
    assert [request.method for request in nodes.one.requests] == [b"GET", b"POST"]


def test_a_claim_on_a_kept_connection_is_settled_once_or_an_error(client: Client, nodes: Nodes) -> None:
    for node in nodes.recording:
        node.answer = in_turn(ok(b"settled"), closes_without_answer)
    assert [client.get("/pair/").status for _ in range(2)] == [200, 200]
    assert client.post("/pair/", b"claim").status == 502
    assert sum(request.method == b"POST" for node in nodes.recording for request in node.requests) == 1


def with_chunks(*, reset: bool) -> Script:
    def answer(call: Call) -> None:
        call.send(head(200, b"Transfer-Encoding: chunked") + chunk(b"half"))
        call.abort() if reset else call.close()

    return answer


def without_end(call: Call) -> None:
    """Only a reset shows that a body which ends with the connection has not come whole."""
    call.send(head(200) + b"half")
    call.pause(0.1)
    call.abort()


@pytest.mark.parametrize(
    "script",
    [
        closes_mid_response(b"half"),
        closes_mid_response(b"half", reset=True),
        with_chunks(reset=False),
        with_chunks(reset=True),
        without_end,
    ],
    ids=["length, close", "length, reset", "chunks, close", "chunks, reset", "no framing, reset"],
)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_half_an_answer_never_looks_like_a_whole_one(
    gateway: Gateway, nodes: Nodes, script: Script, version: str
) -> None:
    nodes.one.answer = script
    with strict(gateway) as client:
        client.send(b"GET /one/half HTTP/%s\r\nHost: x\r\n\r\n" % version.encode())
        try:
            answer = client.response()
        except OSError:
            pass  # no close_notify and a reset: all that an HTTP/1.0 client without a length can go by
        else:
            assert answer.status == 502 or not answer.complete
    nodes.one.wait_until(lambda node: not node.open_connections)
    line = eventually(lambda: gateway.access(target="/one/half"))[-1]
    assert line["reason"] == "node_protocol_error"


def test_a_reset_that_comes_together_with_octets_is_noticed(gateway: Gateway, client: Client, nodes: Nodes) -> None:
    """The loop tells of a reset once, together with what came before it; a worker that was busy sees both as one."""
    (worker,) = gateway.workers()
    busy = threading.Event()

    def half(call: Call) -> None:
        busy.wait(10)
        call.send(head(200, b"Content-Length: 10000000") + b"x" * 600_000)
        call.abort()

    nodes.one.answer = half
    client.send(b"GET /one/ HTTP/1.1\r\nHost: x\r\n\r\n")
    nodes.one.wait_for(1)
    os.kill(worker, signal.SIGSTOP)
    try:
        busy.set()
        nodes.one.wait_until(lambda node: not node.open_connections)
    finally:
        os.kill(worker, signal.SIGCONT)
    start = time.monotonic()
    answer = client.response()
    assert not answer.complete
    assert time.monotonic() - start < IDLE - 0.2


# ---- nonsense

NONSENSE = {
    "no HTTP": b"\x16\x03\x01 this is not HTTP\r\n\r\n",
    "another version": b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n",
    "a status beyond all classes": b"HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n",
    "a line without a colon": b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n",
    "a folded line": b"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "a zero octet": b"HTTP/1.1 200 OK\r\nX-A: \x00\r\nContent-Length: 0\r\n\r\n",
    "lengths that differ": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and coding": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a signed length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "a tunnel nobody asked for": b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "an endless head": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 70_000,
    "too many fields": b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 300 + b"\r\n",
    "a chunk that is none": head(200, b"Transfer-Encoding: chunked") + b"nonsense\r\n",
    "a chunk longer than its size": head(200, b"Transfer-Encoding: chunked") + b"1\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("data", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_from_a_node_is_a_clear_error(gateway: Gateway, client: Client, nodes: Nodes, data: bytes) -> None:
    def answer(call: Call) -> None:
        call.send(data)
        until_it_closes(call)

    nodes.one.answer = answer
    failures = count(gateway, "node_failures_total", pool="one", node=nodes.one.address)
    got = client.get("/one/")
    assert (got.status, got.problem["reason"]) == (502, "node_protocol_error")
    nodes.one.wait_until(lambda node: not node.open_connections)
    assert count(gateway, "node_failures_total", pool="one", node=nodes.one.address) == failures + 1
    nodes.one.answer = ok(b"settled")
    assert client.get("/one/").body == b"settled", "the connection lives on"


def test_nonsense_in_mid_response_cuts_the_answer(client: Client, nodes: Nodes) -> None:
    nodes.one.answer = slowly([head(200, b"Transfer-Encoding: chunked") + chunk(b"half"), b"nonsense\r\n"], 0.1)
    answer = client.get("/one/")
    assert (answer.body, answer.complete) == (b"half", False)


EVIL = ok(b"evil")
SURPLUS: dict[str, tuple[str, bytes, bytes]] = {
    "behind a length": ("GET", ok(b"mine") + EVIL, b"mine"),
    "behind chunks": ("GET", chunked(b"mine") + EVIL, b"mine"),
    "an answer to HEAD": ("HEAD", ok(b"mine"), b""),
    "behind 204": ("GET", head(204) + EVIL, b""),
    "behind 304": ("GET", head(304, b"Content-Length: 4") + EVIL, b""),
    "a body of 204": ("GET", head(204, b"Content-Length: 4") + b"evil", b""),
}


@pytest.mark.parametrize("pause", [0.0, 0.1], ids=["at once", "later"])
@pytest.mark.parametrize(("method", "data", "body"), SURPLUS.values(), ids=SURPLUS.keys())
def test_what_a_node_sends_unasked_reaches_nobody(
    gateway: Gateway, client: Client, nodes: Nodes, method: str, data: bytes, body: bytes, pause: float
) -> None:
    """Octets behind an answer would be the next client's answer (RFC 9112 section 6.3)."""
    whole = data[: len(data) - len(EVIL)] if data.endswith(EVIL) else data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"

    def answer(call: Call) -> None:
        if pause:
            call.send(whole)
            call.pause(pause)
            call.send(data[len(whole) :])
        else:
            call.send(data)
        call.node.answer = ok(b"settled")

    nodes.one.answer = answer
    assert client.exchange(b"%s /one/ HTTP/1.1\r\nHost: x\r\n\r\n" % method.encode()).body == body
    if pause:
        nodes.one.wait_until(lambda node: not node.open_connections)
    for _ in range(2):
        with gateway.connect() as another:
            assert another.get("/one/").body == b"settled"
    assert client.get("/one/").body == b"settled"


# ---- answers before the request is over


@pytest.mark.parametrize("size", [1, 32], ids=["1 MiB", "32 MiB"])
@pytest.mark.parametrize("read", [0, 100_000], ids=["unread", "half-read"])
def test_a_refusal_before_the_upload_is_over_reaches_the_client(
    client: Client, nodes: Nodes, size: int, read: int
) -> None:
    """The node closes on what it has not read, so that its reset follows its answer (RFC 9112 section 9.6)."""

    def too_large(call: Call) -> None:
        got = len(call.link.buffer)
        while got < read:
            got += len(call.sock.recv(65536))
        call.send(head(413, b"Content-Length: 9", b"Connection: close") + b"too large")
        call.pause(0.05)
        call.close()

    assert client.get("/one/").status == 200  # and the session tickets are read, which would look like an answer
    nodes.one.on_head = too_large

    client.send(b"POST /one/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (size * MIB))
    for _ in range(size * 4):
        client.sock.sendall(b"x" * (MIB // 4))
        if size > 1 and select.select([client.sock], [], [], 0)[0]:
            break  # who is told that it is too much stops; who sends little is answered all the same
    answer = client.response(method="POST")
    assert (answer.status, answer.body, answer.complete) == (413, b"too large", True)
    assert size == 1 or answer.value("connection") == "close"


def test_a_node_that_resets_in_mid_upload_is_a_clear_error(gateway: Gateway, client: Client, nodes: Nodes) -> None:
    def cut(call: Call) -> None:
        call.sock.recv(1000)
        call.abort()

    nodes.one.on_head = cut
    client.send(b"POST /one/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % MIB)
    client.send(b"x" * (MIB // 2))
    answer = client.response(method="POST")
    assert (answer.status, answer.problem["reason"]) == (502, "node_protocol_error")
    assert client.closed()


def test_a_connection_with_an_unfinished_request_is_not_kept(client: Client, nodes: Nodes) -> None:
    def at_once(call: Call) -> bytes:
        call.node.on_head = None
        return ok(b"enough")

    nodes.one.on_head = at_once
    client.send(b"POST /one/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
    answer = client.response(method="POST")
    assert (answer.body, answer.value("connection")) == (b"enough", "close")
    nodes.one.wait_until(lambda node: not node.open_connections)


def test_interim_answers_without_end_fill_no_memory(gateway: Gateway, nodes: Nodes) -> None:
    (worker,) = gateway.workers()
    before = psutil.Process(worker).memory_info().rss
    sent = [0]

    def flood(call: Call) -> None:
        call.sock.settimeout(0.3)
        try:
            while sent[0] < 64 * MIB:
                sent[0] += call.sock.send(head(103, b"X-Fill: " + b"x" * 1000) * 60)
        except TimeoutError:
            call.close()

    nodes.one.answer = flood
    with gateway.connect() as client:
        client.send(b"GET /one/flood HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: gateway.access(target="/one/flood"))
        assert psutil.Process(worker).memory_info().rss - before < 16 * MIB
    assert sent[0] < 32 * MIB


@pytest.mark.parametrize(("interim", "status"), [(900, 200), (5000, 502)])
def test_after_a_thousand_interim_answers_none_is_awaited_any_more(
    gateway: Gateway, nodes: Nodes, interim: int, status: int
) -> None:
    nodes.one.answer = head(102) * interim + ok(b"settled")
    with gateway.connect() as client:
        assert client.get("/one/").status == status


def test_a_body_where_none_may_be_does_not_answer_the_next_request(client: Client, nodes: Nodes) -> None:
    """It comes late, and looks like an answer."""

    def late_body(call: Call) -> None:
        if call.request.method == b"HEAD":
            call.send(head(200, b"Content-Length: 50"))
            call.pause(0.2)
            call.send(ok(b"poison"))
        else:
            call.send(ok(b"settled"))

    nodes.one.answer = late_body
    client.send(b"HEAD /one/ HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.response(method="HEAD").status == 200
    answer = client.post("/one/", b"claim")
    assert (answer.status, answer.body) == (200, b"settled")


def test_a_dead_host_is_noticed_at_the_deadline_and_its_connections_are_released(
    gateway: Gateway, client: Client, nodes: Nodes
) -> None:
    """A host without power closes nothing: here a listener that never accepts holds the connection."""
    with socket.create_server(("127.0.0.1", 0)) as dead:
        gateway.config["pools"]["one"]["nodes"] = [{"address": f"127.0.0.1:{dead.getsockname()[1]}"}]
        gateway.write()
        gateway.reload()
        try:
            start = time.monotonic()
            answer = client.post("/one/", b"claim")
            assert (answer.status, answer.problem["reason"]) == (504, "node_timeout")
            assert time.monotonic() - start <= RESPONSE + SWEEP + SLACK
        finally:
            gateway.config["pools"]["one"]["nodes"] = [{"address": nodes.one.address}]
            gateway.write()
            gateway.reload()
