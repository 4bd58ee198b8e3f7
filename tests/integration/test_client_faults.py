"""Clients that stall, break off, lie about lengths or speak nonsense get a clear answer or a closed connection, and
neither a node nor another client suffers from it."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from tests.support.answers import after, big, chunked, head, ok
from tests.support.client import Client, Response
from tests.support.faults import all_returned, descriptors, refused, reset, strict, until_it_closes
from tests.support.gateway import HOSPITAL, Gateway, eventually
from tests.support.nodes import Call, RecordingNode

HANDSHAKE, HEAD, BODY, IDLE = 0.8, 0.5, 0.5, 0.8
SWEEP = 0.25
SLACK = 1.5
"""Seconds a busy machine may add to a deadline."""
GET = b"GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
KIB = 1 << 10
MIB = 1 << 20


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode() as node:
        yield node


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Gateway]:
    listener = {
        "timeouts": {"handshake": f"{HANDSHAKE}s", "head": f"{HEAD}s", "body": f"{BODY}s", "idle": f"{IDLE}s"},
        "limits": {"head": "4KiB", "fields": 16, "target": 256},
    }
    routes = [{"name": "all", "host": "gateway.test", "path": "/", "pool": "settlement"}]
    folder = tmp_path_factory.mktemp("client-faults")
    with Gateway(folder, nodes=[node.address], listener=listener, routes=routes) as gateway:
        before = descriptors(gateway)
        yield gateway
        eventually(lambda: descriptors(gateway) <= before + 1, within=5)  # one idle connection to the node


@pytest.fixture
def gateway(running: Gateway, node: RecordingNode) -> Iterator[Gateway]:
    """Whatever the fault: afterwards nothing is held, nothing has died, and the next client is served."""
    node.requests.clear()
    node.answer, node.on_head, node.read_body, node.store = ok(b"settled"), None, True, True
    workers = running.workers()
    yield running
    node.answer, node.on_head, node.read_body = ok(b"settled"), None, True
    with running.connect() as client:
        assert client.get("/after").status == 200
    all_returned(running)
    assert running.workers() == workers


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    with gateway.connect() as client:
        yield client


def seconds(what: Callable[[], object]) -> float:
    start = time.monotonic()
    what()
    return time.monotonic() - start


def ended(sock: socket.socket) -> bytes:
    """Everything until the other side closes or resets."""
    got = b""
    try:
        while data := sock.recv(65536):
            got += data
    except ConnectionResetError:
        pass
    return got


def client_hello() -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


# ---- before there is TLS


@pytest.mark.parametrize("request_line", ["GET /", "POST /claims/"])
def test_plain_http_on_the_tls_port_gets_a_readable_answer(
    gateway: Gateway, node: RecordingNode, request_line: str
) -> None:
    before = refused(gateway, "plain_http")
    with gateway.plain() as raw:
        raw.sendall(f"{request_line} HTTP/1.1\r\nHost: gateway.test\r\n\r\n".encode())
        client = Client(raw)
        answer = client.response()
        assert (answer.status, answer.problem["reason"]) == (400, "plain_http")
        assert answer.value("x-request-id")
        assert "https" in answer.problem["detail"].lower()
        assert client.closed()
    eventually(lambda: refused(gateway, "plain_http") == before + 1)
    eventually(lambda: gateway.access(event="refused", reason="plain_http"))
    assert not node.requests


def test_garbage_in_place_of_a_handshake_closes_the_connection(gateway: Gateway) -> None:
    before = refused(gateway, "handshake_failed")
    with gateway.plain() as raw:
        raw.sendall(b"\x00\xff garbage " * 100)
        assert b"HTTP" not in ended(raw)
    eventually(lambda: refused(gateway, "handshake_failed") == before + 1)


@pytest.mark.parametrize("part", ["nothing", "half"])
def test_half_a_handshake_and_silence_ends_at_the_deadline(gateway: Gateway, part: str) -> None:
    before = refused(gateway, "handshake_timeout")
    with gateway.plain() as raw:
        hello = client_hello()
        raw.sendall(hello[: len(hello) // 2] if part == "half" else b"")
        assert HANDSHAKE - 0.1 <= seconds(lambda: ended(raw)) <= HANDSHAKE + SWEEP + SLACK
    eventually(lambda: refused(gateway, "handshake_timeout") == before + 1)


def test_a_handshake_in_drops_does_not_move_its_deadline(gateway: Gateway) -> None:
    hello = client_hello()
    with gateway.plain() as raw:
        raw.settimeout(0.05)

        def drip() -> None:
            for octet in hello * 10:
                try:
                    raw.sendall(bytes([octet]))
                    assert not raw.recv(100)
                    return
                except TimeoutError:
                    continue
                except ConnectionError:
                    return

        assert seconds(drip) <= HANDSHAKE + SWEEP + SLACK


def test_a_client_that_resets_in_its_handshake_is_forgotten_at_once(gateway: Gateway) -> None:
    with gateway.plain() as raw:
        raw.sendall(client_hello())
        raw.recv(1)
        reset(Client(raw))
    eventually(lambda: gateway.metric('settlegate_connections{listener="settlement"}') == 0, within=HANDSHAKE - 0.3)


# ---- heads


def drip(client: Client, data: bytes, pause: float = 0.03) -> Response:
    """Send octet by octet until an answer begins, or all is sent and then until it comes."""
    client.sock.settimeout(pause)
    for octet in data:
        try:
            client.sock.sendall(bytes([octet]))
            client.buffer += client.sock.recv(65536)
            break
        except TimeoutError:
            continue
    client.sock.settimeout(20)
    return client.response()


def test_a_head_that_never_ends_is_given_up_at_its_deadline(gateway: Gateway, node: RecordingNode) -> None:
    with gateway.connect() as client:
        start = time.monotonic()
        answer = drip(client, b"GET / HTTP/1.1\r\nHost: gateway.test\r\nX-Drop: " + b"a" * 1000)
        assert HEAD - 0.1 <= time.monotonic() - start <= HEAD + SWEEP + SLACK
        assert (answer.status, answer.problem["reason"]) == (408, "request_timeout")
        assert answer.value("connection") == "close"
        assert client.closed()
    assert not node.requests
    (line,) = eventually(lambda: gateway.access(event="exchange", status=408, request_id=answer.value("x-request-id")))
    assert line["institution"] == HOSPITAL


def test_an_unfinished_head_behind_an_answer_has_a_deadline_too(client: Client) -> None:
    assert client.exchange(GET + b"GET / HT").status == 200
    assert client.response().status == 408
    assert client.closed()


LONG = b"a" * 300


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: gateway.test\r\nX-Long: " + b"a" * 5000 + b"\r\n\r\n", 431, "head_too_large"),
        (b"GET / HTTP/1.1\r\nHost: gateway.test\r\nX-Long: " + b"a" * 5000, 431, "head_too_large"),
        (b"GET / HTTP/1.1\r\nHost: gateway.test\r\n" + b"X-A: 1\r\n" * 16 + b"\r\n", 431, "head_too_large"),
        (b"GET / HTTP/1.1\r\nHost: gateway.test\r\n" + b"X-A: 1\r\n" * 30, 431, "head_too_large"),
        (b"GET /" + LONG + b" HTTP/1.1\r\nHost: gateway.test\r\n\r\n", 414, "target_too_long"),
        (b"GET /" + LONG * 4, 414, "target_too_long"),
    ],
    ids=["field", "endless field", "fields", "endless fields", "target", "endless target"],
)
def test_what_is_too_long_is_refused_by_its_name(
    client: Client, node: RecordingNode, data: bytes, status: int, reason: str
) -> None:
    answer = client.exchange(data)
    assert (answer.status, answer.problem["reason"]) == (status, reason)
    assert client.closed()
    assert not node.requests


HOST = b"Host: gateway.test\r\n"
SMUGGLING = {
    "length and coding": b"POST / HTTP/1.1\r\n"
    + HOST
    + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
    "coding and length": b"POST / HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nX",
    "two lengths": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody!",
    "the same length twice": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody",
    "list of lengths": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4, 4\r\n\r\nbody",
    "signed length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +4\r\n\r\nbody",
    "hexadecimal length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0x4\r\n\r\nbody",
    "empty length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length:\r\n\r\n",
    "space before the colon": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length : 4\r\n\r\nbody",
    "folded line": b"POST / HTTP/1.1\r\n" + HOST + b"X-A: 1\r\n Content-Length: 4\r\n\r\nbody",
    "folded coding": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: gateway.test\n\n",
    "one bare line feed": b"GET / HTTP/1.1\r\nX-A: 1\nContent-Length: 4\r\n" + HOST + b"\r\n",
    "bare carriage return": b"GET / HTTP/1.1\r\nX-A: 1\rContent-Length: 4\r\n" + HOST + b"\r\n",
    "zero octet": b"GET / HTTP/1.1\r\nX-A: \x00\r\n" + HOST + b"\r\n",
    "coding in HTTP/1.0": b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding twice": b"POST / HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "tabulator after chunked": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "underscore for a dash": b"POST / HTTP/1.1\r\n" + HOST + b"Content_Length: 4\r\nContent-Length: 0\r\n\r\nbody",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + b"Host: other\r\n\r\n",
    "dot segments": b"GET /claims/../admin HTTP/1.1\r\n" + HOST + b"\r\n",
    "encoded dot segments": b"GET /claims/%2e%2E/admin HTTP/1.1\r\n" + HOST + b"\r\n",
    "space in the target": b"GET / a HTTP/1.1\r\n" + HOST + b"\r\n",
    "no version": b"GET /\r\n" + HOST + b"\r\n",
    "another protocol": b"\x80\x2e\x01\x00\x02\r\n\r\n",
}


@pytest.mark.parametrize("data", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_what_two_parsers_could_read_differently_reaches_no_node(
    client: Client, node: RecordingNode, data: bytes
) -> None:
    client.send(data + GET)
    answer = client.response()
    assert (answer.status, answer.problem["reason"]) == (400, "bad_request")
    assert answer.value("connection") == "close"
    assert client.closed(), "what follows cannot be told from the body"
    assert not node.requests


@pytest.mark.parametrize("coding", [b"xchunked", b"gzip", b"gzip, chunked", b"identity"])
def test_other_codings_than_chunked_reach_no_node(client: Client, node: RecordingNode, coding: bytes) -> None:
    answer = client.exchange(b"POST / HTTP/1.1\r\n%sTransfer-Encoding: %s\r\n\r\n0\r\n\r\n" % (HOST, coding) + GET)
    assert (answer.status, answer.value("connection")) in ((400, "close"), (501, "close"))
    assert client.closed()
    assert not node.requests


@pytest.mark.parametrize(
    "body",
    [
        b"4\nbody\r\n0\r\n\r\n",
        b"4\r\nbody!\r\n0\r\n\r\n",
        b"-4\r\nbody\r\n",
        b"0x4\r\nbody\r\n",
        b"\r\n",
        b"4 \rx\r\nbody",
    ],
)
@pytest.mark.parametrize("begun", [False, True], ids=["at once", "in mid-body"])
def test_a_chunk_that_is_none_never_completes_a_request(
    gateway: Gateway, client: Client, node: RecordingNode, body: bytes, begun: bool
) -> None:
    client.send(b"POST / HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n" % HOST)
    if begun:
        client.send(b"5\r\nhello\r\n")
        node.wait_for(1, complete=False)
    client.send(body + GET)
    answer = client.response()
    assert (answer.status, answer.problem["reason"]) == (400, "bad_request")
    assert client.closed()
    eventually(lambda: not node.open_connections)
    assert not [request for request in node.requests if request.complete]


def test_garbage_behind_a_good_request_does_not_harm_its_answer(client: Client, node: RecordingNode) -> None:
    node.answer = after(0.1, ok(b"settled"))
    assert client.exchange(GET + b"garbage\r\n\r\n").body == b"settled"
    assert client.response().status == 400
    assert client.closed()
    assert len(node.requests) == 1


# ---- pipelining


NOWHERE = b"GET / HTTP/1.1\r\nHost: nowhere.test\r\n\r\n"
FOR_THE_GATEWAY = b"OPTIONS * HTTP/1.1\r\nHost: gateway.test\r\nMax-Forwards: 0\r\n"


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (NOWHERE, 404),
        (b"POST / HTTP/1.1\r\nHost: nowhere.test\r\nContent-Length: 4\r\n\r\nbody", 404),
        (b"POST / HTTP/1.1\r\nHost: nowhere.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", 404),
        (FOR_THE_GATEWAY + b"\r\n", 200),
    ],
    ids=["no route", "no route for a body", "no route for chunks", "answered here"],
)
def test_requests_behind_one_the_gateway_answers_itself_are_not_lost(
    client: Client, node: RecordingNode, first: bytes, status: int
) -> None:
    assert client.exchange(first + GET + first + GET).status == status
    assert [client.response().status for _ in range(3)] == [200, status, 200]
    assert len(node.requests) == 2


def test_the_body_of_a_request_the_gateway_answers_itself_is_no_request(client: Client, node: RecordingNode) -> None:
    answer = client.exchange(FOR_THE_GATEWAY + b"Content-Length: %d\r\n\r\n" % len(GET) + GET)
    assert (answer.status, answer.value("connection")) == (200, "close")
    assert client.closed()
    assert not node.requests


@pytest.mark.parametrize("half_closes", [False, True])
def test_an_empty_line_behind_a_body_is_no_request(gateway: Gateway, client: Client, half_closes: bool) -> None:
    """Old clients send one (RFC 9112 2.2): a 408 for it would be taken for the answer to the next request."""
    began = datetime.now(UTC).isoformat()  # lines of earlier tests may still come
    client.send(b"POST /claims/ HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 5\r\n\r\nclaim\r\n")
    assert client.response(method="POST").body == b"settled"
    if half_closes:
        client.sock.unwrap()
    assert ended(client.sock) == b""
    assert [line for line in gateway.access(target="-") if line["time"] > began] == []


def test_what_comes_behind_the_announced_length_is_the_next_request(client: Client, node: RecordingNode) -> None:
    client.send(b"POST /one HTTP/1.1\r\n%sContent-Length: 4\r\n\r\nbodyGET /two HTTP/1.1\r\n%s\r\n" % (HOST, HOST))
    assert [client.response().status for _ in range(2)] == [200, 200]
    assert [(r.target, r.body) for r in node.requests] == [(b"/one", b"body"), (b"/two", b"")]


def test_a_client_that_asks_and_asks_and_never_reads_cannot_fill_the_memory(
    gateway: Gateway, node: RecordingNode
) -> None:
    node.answer = ok(b"x" * 60_000)
    with gateway.connect() as client:
        client.sock.settimeout(0.5)
        try:
            for _ in range(50):
                client.send(GET * 100)
        except (TimeoutError, ConnectionError):
            pass
        all_returned(gateway, within=20)
    assert len(node.requests) < 1000, "5,000 were asked for; what the kernel keeps is a tenth of that"


# ---- bodies


@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"], ids=["length", "chunked"])
def test_a_body_that_stops_is_given_up_at_its_deadline(
    gateway: Gateway, client: Client, node: RecordingNode, framing: bytes
) -> None:
    client.send(b"POST / HTTP/1.1\r\n%s%s\r\n\r\n" % (HOST, framing) + b"4\r\nhalf\r\n")
    node.wait_for(1, complete=False)
    start = time.monotonic()
    answer = client.response()
    assert BODY - 0.2 <= time.monotonic() - start <= BODY + SWEEP + SLACK
    assert (answer.status, answer.problem["reason"]) == (408, "request_timeout")
    assert client.closed()
    eventually(lambda: not node.open_connections)
    assert not node.requests[0].complete


def test_a_body_in_drops_takes_as_long_as_it_needs(client: Client, node: RecordingNode) -> None:
    """The deadline is for silence, not for slowness."""
    client.send(b"POST / HTTP/1.1\r\n%sContent-Length: 6\r\n\r\n" % HOST)
    assert drip(client, b"slowly", BODY / 2).status == 200
    assert node.requests[0].body == b"slowly"


@pytest.mark.parametrize("how", ["close_notify", "FIN"])
def test_a_body_that_ends_early_is_an_error_and_no_request(gateway: Gateway, node: RecordingNode, how: str) -> None:
    with gateway.connect() as client:
        client.send(b"POST / HTTP/1.1\r\n%sContent-Length: 10\r\n\r\nhalf" % HOST)
        node.wait_for(1, complete=False)
        assert isinstance(client.sock, ssl.SSLSocket)
        if how == "FIN":
            socket.socket.shutdown(client.sock, socket.SHUT_WR)
            answer = client.response()
            assert (answer.status, answer.problem["reason"]) == (400, "bad_request")
        else:
            with pytest.raises((ssl.SSLError, OSError)):  # the answer comes where close_notify was expected
                client.sock.unwrap()
    eventually(lambda: not node.open_connections)
    eventually(lambda: gateway.access(method="POST", status=400, reason="bad_request", bytes_in=4))
    assert not node.requests[0].complete


def test_a_client_that_resets_in_mid_upload_takes_its_node_connection_with_it(
    gateway: Gateway, node: RecordingNode
) -> None:
    client = gateway.connect()
    client.send(b"POST /upload HTTP/1.1\r\n%sContent-Length: 1000000\r\n\r\n" % HOST + b"x" * 1000)
    node.wait_for(1, complete=False)
    reset(client)
    eventually(lambda: not node.open_connections, within=BODY - 0.2)
    (line,) = eventually(lambda: gateway.access(target="/upload"))
    assert (line["status"], line["reason"]) == (499, "client_gone")
    assert not node.requests[0].complete


def test_a_client_that_resets_in_mid_download_takes_its_node_connection_with_it(
    gateway: Gateway, node: RecordingNode
) -> None:
    node.answer = big(64 * MIB)
    client = gateway.connect()
    client.send(b"GET /download HTTP/1.1\r\n%s\r\n" % HOST)
    client._until(b"\r\n\r\n")
    reset(client)
    eventually(lambda: not node.open_connections, within=BODY)
    (line,) = eventually(lambda: gateway.access(target="/download"))
    assert (line["status"], line["reason"]) == (200, "client_gone")


def test_a_reset_that_comes_together_with_octets_is_noticed(gateway: Gateway, node: RecordingNode) -> None:
    """The loop tells of a reset once, together with what came before it; a worker that was busy sees both as one."""
    (worker,) = gateway.workers()
    client = gateway.connect()
    client.send(b"POST / HTTP/1.1\r\n%sContent-Length: 1000000\r\n\r\n" % HOST + b"x")
    node.wait_for(1, complete=False)
    os.kill(worker, signal.SIGSTOP)
    try:
        client.send(b"x" * 1000)
        reset(client)
    finally:
        os.kill(worker, signal.SIGCONT)
    eventually(lambda: not node.open_connections, within=BODY - 0.2)


def test_a_client_that_takes_nothing_of_its_answer_is_cut(gateway: Gateway, node: RecordingNode) -> None:
    node.answer = big(64 * MIB)
    failures = f'settlegate_node_failures_total{{node="{node.address}",pool="settlement"}}'
    before = gateway.metric(failures)
    with gateway.connect() as client:
        client.send(b"GET /taken HTTP/1.1\r\n%s\r\n" % HOST)
        (line,) = eventually(lambda: gateway.access(target="/taken"), within=4 * BODY + SLACK)
        assert (line["status"], line["reason"]) == (200, "request_timeout")
        eventually(lambda: not node.open_connections)
        assert len(ended(client.sock)) < 64 * MIB
    assert gateway.metric(failures) == before, "the node is not to blame"


def narrow(gateway: Gateway) -> Client:
    """A client whose kernel takes little ahead of it."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * KIB)
    raw.settimeout(20)
    raw.connect(("127.0.0.1", gateway.port()))
    context = gateway.context(gateway.world.hospital)
    return Client(context.wrap_socket(raw, server_hostname="127.0.0.1"))


def test_a_client_on_a_slow_line_gets_its_answer_whole(gateway: Gateway, node: RecordingNode) -> None:
    """The kernel says that a socket takes more when a third of its buffer is free: longer than silence may last."""
    size = 8 * MIB
    node.answer = ok(b"x" * size)
    with narrow(gateway) as client:
        client.send(GET)
        client._until(b"\r\n\r\n")
        got = len(client.buffer)
        pace = time.monotonic()
        while got < size:
            data = client.sock.recv(16 * KIB)
            assert data, f"cut after {got} octets"
            got += len(data)
            if got < MIB:
                pace += 2.5 * BODY * len(data) / MIB
                eventually(lambda: time.monotonic() >= pace)  # noqa: B023 - one MiB in more than twice that time


# ---- the end of connections


def test_close_notify_is_answered_by_close_notify(client: Client) -> None:
    assert client.get().status == 200
    assert isinstance(client.sock, ssl.SSLSocket)
    client.sock = client.sock.unwrap()  # raises unless close_notify comes back
    assert client.closed()


def test_the_gateway_ends_a_connection_with_close_notify(gateway: Gateway) -> None:
    with strict(gateway) as client:
        assert client.get("/", "Connection: close").value("connection") == "close"
        assert client.sock.recv(1) == b"", "an SSLEOFError were a cut"


def test_an_idle_connection_is_closed_after_the_idle_timeout(gateway: Gateway) -> None:
    with strict(gateway) as client:
        assert client.get().status == 200
        took = seconds(lambda: client.sock.recv(1))
        assert IDLE - 0.1 <= took <= IDLE + SWEEP + SLACK


def test_a_half_closed_client_costs_nothing_while_it_waits(gateway: Gateway, node: RecordingNode) -> None:
    (worker,) = gateway.workers()
    process = psutil.Process(worker)
    node.answer = after(0.6, ok(b"late but whole"))
    with gateway.connect() as client:
        client.send(GET)
        node.wait_for(1)
        assert isinstance(client.sock, ssl.SSLSocket)
        socket.socket.shutdown(client.sock, socket.SHUT_WR)
        before = sum(process.cpu_times()[:2])
        assert client.response().body == b"late but whole"
        assert sum(process.cpu_times()[:2]) - before < 0.3, "the end of file was read over and over"


def test_a_client_that_resets_while_its_request_is_settled_holds_nothing(gateway: Gateway, node: RecordingNode) -> None:
    node.answer = until_it_closes
    client = gateway.connect()
    client.send(GET)
    node.wait_for(1)
    reset(client)
    eventually(lambda: not node.open_connections, within=2)


# ---- tunnels


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: gateway.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCH = head(101, b"Connection: Upgrade", b"Upgrade: websocket")


def count_octets(call: Call) -> None:
    """Switches late, reads slowly at first, says in the end how much has come."""
    call.pause(0.3)
    call.send(SWITCH)
    got = len(call.link.buffer)
    call.pause(0.3)
    while data := call.sock.recv(1 << 20):
        got += len(data)
        if got >= 8 * MIB:
            break
    call.send(b"%d" % got)
    call.close()


def test_a_tunnel_takes_what_was_sent_ahead_of_it_and_whatever_follows(gateway: Gateway, node: RecordingNode) -> None:
    node.answer = count_octets
    with gateway.connect() as client:
        client.send(UPGRADE)
        for _ in range(8):
            client.send(b"x" * MIB)
        assert client.response().status == 101
        assert client._exactly(7) == b"%d" % (8 * MIB)
        assert client.closed()


def test_a_tunnel_stops_the_side_that_is_too_fast(gateway: Gateway, node: RecordingNode) -> None:
    """Both ways: nobody reads, everybody writes, and the gateway keeps next to nothing."""
    sent = [0]

    def flood(call: Call) -> None:
        call.send(SWITCH)
        call.sock.settimeout(0.5)
        try:
            while sent[0] < 64 * MIB:
                sent[0] += call.sock.send(b"n" * 65536)
        except TimeoutError:
            pass
        call.close()

    node.answer = flood
    (worker,) = gateway.workers()
    before = psutil.Process(worker).memory_info().rss
    client = gateway.connect()
    client.send(UPGRADE)
    client.sock.settimeout(0.5)
    mine = 0
    try:
        while mine < 64 * MIB:
            client.sock.sendall(b"c" * 65536)
            mine += 65536
    except TimeoutError:
        pass
    assert mine < 32 * MIB
    eventually(lambda: 0 < sent[0] < 32 * MIB)
    assert psutil.Process(worker).memory_info().rss - before < 16 * MIB
    reset(client)
    eventually(lambda: gateway.access(target="/ws", status=101))


def test_a_reset_ends_a_tunnel_on_both_sides(gateway: Gateway, node: RecordingNode) -> None:
    def talk(call: Call) -> None:
        call.send(SWITCH + b"hello")
        until_it_closes(call)

    node.answer = talk
    client = gateway.connect()
    client.send(UPGRADE)
    assert client.response().status == 101
    assert client._exactly(5) == b"hello"
    reset(client)
    eventually(lambda: not node.open_connections, within=5)


def test_chunks_that_no_longer_end_are_cut_when_the_client_leaves(gateway: Gateway, node: RecordingNode) -> None:
    def endless(call: Call) -> None:
        call.send(head(200, b"Transfer-Encoding: chunked"))
        while True:
            call.send(b"1\r\nx\r\n")
            call.pause(0.01)

    node.answer = endless
    client = gateway.connect()
    client.send(GET)
    client._until(b"x")
    reset(client)
    eventually(lambda: not node.open_connections, within=5)


def test_memory_of_a_worker_stays_small_through_all_of_this(gateway: Gateway, node: RecordingNode) -> None:
    node.answer = chunked(b"one", b"two")
    with gateway.connect() as client:
        assert client.get().body == b"onetwo"
    for pid in gateway.workers():
        status = Path(f"/proc/{pid}/status").read_text()
        (peak,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
        assert peak < 120 * KIB
