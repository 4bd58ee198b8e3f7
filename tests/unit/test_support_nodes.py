"""The test nodes do what they say: tests that rest on them would otherwise prove nothing."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator

import pytest

from tests.support import nodes
from tests.support.nodes import RecordingNode


@contextlib.contextmanager
def connected(node: RecordingNode) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", node.port), timeout=10) as sock:
        yield sock


def read_all(sock: socket.socket) -> bytes:
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def test_records_head_and_body_verbatim_over_one_connection() -> None:
    first = b"POST /claims/?a=%20 HTTP/1.1\r\nhOST: x\r\nContent-Length: 5\r\nX-Twice: 1\r\nx-twice:2\r\n\r\n"
    with RecordingNode() as node, connected(node) as sock:
        sock.sendall(first + b"hello")
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        seen = node.wait_for(2)
    assert (seen[0].head, seen[0].body, seen[0].size) == (first, b"hello", 5)
    assert (seen[0].method, seen[0].target) == (b"POST", b"/claims/?a=%20")
    assert seen[0].values(b"X-Twice") == [b"1", b"2"]
    assert seen[0].value(b"host") == b"x"
    assert [request.connection for request in seen] == [0, 0]
    assert node.connections == 1
    assert node.open_connections == 0


def test_decodes_chunks_and_keeps_the_wire() -> None:
    wire = b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-T: 1\r\n\r\n"
    with RecordingNode() as node, connected(node) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + wire)
        request = node.wait_for(1)[0]
    assert (request.body, request.wire_body, request.trailers) == (b"abcde", wire, b"X-T: 1\r\n")


@pytest.mark.parametrize("with_chunks", [False, True])
def test_big_bodies_pass_without_being_stored(with_chunks: bool) -> None:
    size = 3_000_001
    with RecordingNode(nodes.big(size, with_chunks=with_chunks), store=False) as node:
        client = http.client.HTTPConnection("127.0.0.1", node.port, timeout=10)
        with contextlib.closing(client):
            client.request("POST", "/", body=b"".join(nodes.pattern(size)))
            answer = client.getresponse().read()
        request = node.wait_for(1)[0]
    assert answer == b"".join(nodes.pattern(size))
    assert (request.size, request.sha256, request.body) == (size, nodes.pattern_sha256(size), b"")


def test_cut_request_is_never_complete() -> None:
    with RecordingNode() as node:
        with connected(node) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf")
            node.wait_for(1, complete=False)
        node.wait_until(lambda node: node.open_connections == 0)
        assert [(request.complete, request.body) for request in node.requests] == [(False, b"half")]


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        (nodes.closes_mid_response(b"half", 9), b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nhalf"),
        (nodes.closes_without_answer, b""),
        (nodes.garbage(b"\x00garbage"), b"\x00garbage"),
        (nodes.until_close(b"all"), b"HTTP/1.1 200 X\r\n\r\nall"),
    ],
)
def test_faults_that_end_the_connection(script: nodes.Script, answer: bytes) -> None:
    with RecordingNode(script) as node, connected(node) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_all(sock) == answer


def test_reset_mid_response() -> None:
    with RecordingNode(nodes.closes_mid_response(b"half", 9, reset=True)) as node, connected(node) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            read_all(sock)


def test_answers_in_turn_with_interim_slow_and_chunked() -> None:
    slow = nodes.slowly([b"HTTP/1.1 200 X\r\nContent-", b"Length: 2\r\n\r\n", b"ok"], 0.01)
    script = nodes.in_turn(nodes.interim(100, final=nodes.ok(b"1")), slow, nodes.chunked(b"a", b"bc"))
    with RecordingNode(script) as node:
        client = http.client.HTTPConnection("127.0.0.1", node.port, timeout=10)
        with contextlib.closing(client):
            bodies = []
            for _ in range(4):
                client.request("GET", "/")
                bodies.append(client.getresponse().read())
    assert bodies == [b"1", b"ok", b"abc", b"abc"]


def test_asks_to_continue_before_it_reads_the_body() -> None:
    with RecordingNode(on_head=nodes.head(100)) as node, connected(node) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 X\r\n\r\n"
        sock.sendall(b"ab")
        assert node.wait_for(1)[0].body == b"ab"


def test_a_hanging_node_ends_with_the_test() -> None:
    with RecordingNode(nodes.hangs) as node, connected(node) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        node.wait_for(1)
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_killed_and_started_again_on_the_same_port() -> None:
    with RecordingNode() as node:
        port = node.port
        with connected(node) as sock:
            node.wait_until(lambda node: node.open_connections == 1)
            node.kill()
            assert sock.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1)
        node.start()
        assert node.port == port
        with connected(node) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200 ")


def test_missing_requests_are_said() -> None:
    with RecordingNode() as node, pytest.raises(AssertionError, match="1 requests expected"):
        node.wait_for(1, deadline=0.01)


def test_refusing_and_unreachable_addresses() -> None:
    with nodes.RefusingNode() as node, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", node.port), timeout=1)
    with nodes.UnreachableNode() as node, pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", node.port), timeout=0.2)
