"""A node that closes a kept connection just as a request leaves for it: the request is neither lost nor sent twice.

In nature that is a matter of microseconds. Here the gateway is made blind to the end of an idle connection, so that
every request on a kept one meets a node that has closed already.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.stream import Stream
from tests.support.answers import ok
from tests.support.gateway import Gateway, eventually
from tests.support.node_proxy import AnnouncedNode
from tests.support.nodes import Call, RecordingNode

BLIND = """
import sys
from gateway import links, wire
from gateway.__main__ import main
wire.peek = lambda fd: wire.NOTHING
links.Link.idle_readable = lambda link: link.stream.stop_reading()
sys.exit(main())
"""
PURE = {"SETTLEGATE_PURE": "1"}  # only Python can be made blind; the compiled twin is the same source


def closes_silently(call: Call) -> bytes:
    """Answers as if the connection went on, and closes it."""
    call.close()
    return ok(b"settled")


@pytest.fixture
def blind(tmp_path: Path) -> Callable[..., Gateway]:
    return lambda *nodes, **pool: Gateway(
        tmp_path, nodes=nodes, program=("-c", BLIND), environment=PURE, pool=pool or None
    )


def test_a_claim_that_meets_a_closed_connection_is_settled_once(blind: Callable[..., Gateway]) -> None:
    with (
        RecordingNode(answer=closes_silently) as node,
        blind(node.address) as gateway,
        gateway.connect() as client,
    ):
        for number in range(40):
            answer = client.post("/claims/", b"claim %d" % number)
            assert (answer.status, answer.body) == (200, b"settled")
            eventually(lambda: not node.open_connections)
        assert [bytes(request.body) for request in node.requests] == [b"claim %d" % number for number in range(40)]
        lines = eventually(lambda: len(gateway.access(event="exchange")) == 40 and gateway.access(event="exchange"))
        assert sum(line["attempts"] for line in lines) > 50, "many met a closed connection first"
        assert gateway.metric(f'settlegate_node_state{{node="{node.address}",pool="settlement",state="up"}}') == 1


def test_a_node_that_is_told_who_the_client_is_is_no_exception(blind: Callable[..., Gateway]) -> None:
    """The PROXY header, too, has been acknowledged on that connection."""
    with (
        AnnouncedNode(answer=closes_silently) as node,
        blind(node.address, proxy_protocol="v2") as gateway,
        gateway.connect() as client,
    ):
        for number in range(10):
            assert client.post("/claims/", b"claim %d" % number).status == 200
            eventually(lambda: not node.open_connections)
        assert [bytes(request.body) for request in node.requests] == [b"claim %d" % number for number in range(10)]


def test_an_upload_of_which_more_has_left_than_is_kept_is_not_sent_again(blind: Callable[..., Gateway]) -> None:
    with (
        RecordingNode(answer=closes_silently) as node,
        blind(node.address) as gateway,
        gateway.connect() as client,
    ):
        assert client.post("/claims/", b"first").status == 200
        eventually(lambda: not node.open_connections)
        client.send(b"POST /claims/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf.")
        answer = client.exchange(b"other", method="POST")
        assert answer.status in (200, 502)
        bodies = [bytes(request.body) for request in node.requests]
        assert bodies.count(b"half.other") == (answer.status == 200)


def reads_and_closes(call: Call) -> bytes | None:
    """The second request on a connection is read, and perhaps booked, but not answered."""
    if len(call.node.requests) % 2:
        return ok(b"settled")
    call.close()
    return None


def test_a_claim_that_was_read_is_never_sent_again(blind: Callable[..., Gateway]) -> None:
    with (
        RecordingNode(answer=reads_and_closes) as node,
        blind(node.address) as gateway,
        gateway.connect() as client,
    ):
        for number in range(10):
            answer = client.post("/claims/", b"claim %d" % number)
            assert answer.status == (502 if number % 2 else 200)
        assert [bytes(request.body) for request in node.requests] == [b"claim %d" % number for number in range(10)]


def pair() -> tuple[socket.socket, socket.socket]:
    """A connection on which one exchange has been made."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
    ours.sendall(b"x" * 100)
    assert peer.recv(1000) == b"x" * 100
    peer.sendall(b"y")
    assert ours.recv(10) == b"y"
    ours.setblocking(False)
    return ours, peer


def closed(peer: socket.socket, ours: socket.socket) -> None:
    peer.close()
    ours.send(b"z" * 200)


def read_all(peer: socket.socket, ours: socket.socket) -> None:
    ours.send(b"z" * 200)
    peer.recv(1000)
    peer.close()


def read_part(peer: socket.socket, ours: socket.socket) -> None:
    ours.send(b"z" * 200)
    peer.recv(10)
    peer.close()


def half_closed_and_read(peer: socket.socket, ours: socket.socket) -> None:
    peer.shutdown(socket.SHUT_WR)
    ours.send(b"z" * 200)
    peer.recv(1000)
    peer.close()


def half_closed(peer: socket.socket, ours: socket.socket) -> None:
    peer.shutdown(socket.SHUT_WR)
    ours.send(b"z" * 200)


@pytest.mark.parametrize(
    ("story", "proof"),
    [(closed, True), (read_all, False), (read_part, False), (half_closed_and_read, None), (half_closed, None)],
)
def test_what_the_kernel_can_prove(story: Callable[[socket.socket, socket.socket], None], proof: bool | None) -> None:
    ours, peer = pair()
    stream = Stream(None, ours)  # type: ignore[arg-type]
    before = stream.acknowledged()
    assert before == 101
    story(peer, ours)
    try:
        stream.eof = ours.recv(10) == b""
    except OSError as error:
        stream.error = error.strerror or ""
    assert stream.refused_unread(before) is proof
    for sock in (ours, peer):
        sock.close()


def test_a_node_that_closes_after_each_answer_gets_new_connections(tmp_path: Path) -> None:
    """With eyes open, and the natural race: in its first moments nobody knows the node's habit yet."""
    with RecordingNode(answer=closes_silently) as node, Gateway(tmp_path, nodes=[node.address]) as gateway:
        answers: dict[bytes, int] = {}

        def settle(name: int, claims: int) -> None:
            with gateway.connect() as client:
                for number in range(claims):
                    body = b"%d-%d" % (name, number)
                    answers[body] = client.post("/claims/", body).status

        for number in range(3):
            settle(-number, 1)
            eventually(lambda: not node.open_connections)
        threads = [threading.Thread(target=settle, args=(name, 25)) for name in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bodies = [bytes(request.body) for request in node.requests if request.complete]
        assert len(bodies) == len(set(bodies)), "settled twice"
        assert {body for body, status in answers.items() if status == 200} <= set(bodies)
        assert [
            body for body, status in answers.items() if status != 200 and body[:2] not in (b"0-", b"-1", b"-2")
        ] == []


def test_a_node_that_closes_after_a_while_is_asked_before_that(tmp_path: Path) -> None:
    def waits_and_closes(call: Call) -> bytes:
        call.sock.settimeout(0.3)  # idle for so long, then closed
        return ok(b"settled")

    with (
        RecordingNode(answer=waits_and_closes) as node,
        Gateway(tmp_path, nodes=[node.address]) as gateway,
        gateway.connect() as client,
    ):
        assert client.post("/claims/", b"1").status == 200
        assert client.post("/claims/", b"2").status == 200
        assert node.connections == 1, "kept"
        eventually(lambda: not node.open_connections)
        assert client.post("/claims/", b"once more").status == 200
        eventually(lambda: not node.open_connections)  # twice after the same time
        for number in range(3, 9):
            threading.Event().wait(0.27)  # a moment before the node would close: too late to be sure
            assert client.post("/claims/", b"%d" % number).status == 200
        assert node.connections == 8, "each of the late ones on a connection of its own"
