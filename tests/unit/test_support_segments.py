"""Tricks with segments that tests of the gateway rely on: they must do what they say."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.support.desk import Desk, Reply
from tests.support.gateway import eventually
from tests.support.http1_strict import Message
from tests.support.lockstep import SINGLE, in_pieces, send_in_octets
from tests.support.segments import can_vanish, deafen, hear, queues, vanish

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as here:
        here.settimeout(20)
        here.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        there, _ = listener.accept()
        with there:
            there.settimeout(20)
            yield here, there


def test_octets_sent_in_lockstep_are_read_one_at_a_time(pair: Pair) -> None:
    here, there = pair
    sender = threading.Thread(target=send_in_octets, args=(here, b"hello"))
    sender.start()
    assert [there.recv(100) for _ in range(5)] == [b"h", b"e", b"l", b"l", b"o"]
    sender.join(20)


def test_a_reader_that_leaves_ends_the_lockstep(pair: Pair) -> None:
    here, there = pair
    sender = threading.Thread(target=send_in_octets, args=(here, b"hello"))
    sender.start()
    there.recv(1)
    there.close()
    sender.join(20)
    assert not sender.is_alive()


def test_pieces_are_single_at_both_ends_and_lose_nothing() -> None:
    data = bytes(range(256)) * 40
    pieces = list(in_pieces(data))
    assert b"".join(pieces) == data
    assert {len(piece) for piece in pieces[:SINGLE] + pieces[-SINGLE:]} == {1}
    assert len(pieces) < len(data)


def test_what_is_sent_to_the_deaf_is_not_acknowledged_and_comes_later(pair: Pair) -> None:
    here, there = pair
    deafen(there)
    here.send(b"claim")
    eventually(lambda: (queues(here.getsockname(), here.getpeername()) or (0, 0))[1] == 5)
    assert select.select([there], [], [], 0)[0] == []
    hear(there)
    assert there.recv(100) == b"claim"


@pytest.mark.skipif(not can_vanish(), reason="needs CAP_NET_ADMIN")
def test_a_socket_that_vanishes_is_noticed_by_the_next_octet_only(pair: Pair) -> None:
    here, there = pair
    vanish(there)
    assert select.select([here], [], [], 0)[0] == []
    here.send(b"claim")
    with pytest.raises(ConnectionResetError):
        here.recv(1)


def test_a_desk_shows_all_that_was_written_before_it_was_asked() -> None:
    def answer(message: Message) -> Reply:
        return Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with Desk(answer) as desk:
        host, port = desk.address.split(":")
        with socket.create_connection((host, int(port))) as one, socket.create_connection((host, int(port))) as other:
            for turn in range(50):
                desk.fresh(answer)
                one.send(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % turn)
                other.send(b"half")
                first, second = desk.look()
                assert (first.octets, second.octets) == (b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % turn, b"half")
                assert one.recv(1000).startswith(b"HTTP/1.1 200")
        assert [line.ended for line in desk.look()] == [True, True]
