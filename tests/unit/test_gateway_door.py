"""Who is let in before anything is known of him."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.board_layout import REFUSAL_INDEX, Capacity
from gateway.door import Door, _silent
from gateway.scoreboard import Scoreboard
from monitoring.access_log import AccessLog
from tests.support import pure

Counting = pure.load("gateway.counting").Counting

sockets: list[socket.socket] = []


class Stranger:
    """A session with a real socket under it, or none that speaks."""

    client_unknown = False

    def __init__(self, street: Street, client: str) -> None:
        self.listener, self.client, self.street = street.listener, client, street
        ours, self.theirs = socket.socketpair()
        sockets.extend((ours, self.theirs))
        ours.setblocking(False)
        self.fd = ours.fileno()
        self.stream = SimpleNamespace(sock=ours)

    def abort(self) -> None:
        self.street.leaves(self)


class Street:
    """A door, and the people before it."""

    def __init__(self, board: Scoreboard, **limits: Any) -> None:
        self.board = board
        self.count = Counting(board, AccessLog(SimpleNamespace(silent=True, atomic=False)))  # type: ignore[arg-type]
        self.door = Door(board, self.count)
        values = {"connections_limit": 100, "handshakes_share": 100, "connections_per_address": None, "proxies": ()}
        self.listener: Any = SimpleNamespace(
            name="settlement", slot=0, **values | {"handshakes_per_address": None} | limits
        )
        self.inside: list[Stranger] = []

    def comes(self, client: str = "192.0.2.1") -> Stranger | None:
        if not self.door.opens(self.listener, client):
            return None
        stranger = Stranger(self, client)
        self.inside.append(stranger)
        self.count.listener_connection(0, 1)
        self.door.entered(stranger)  # type: ignore[arg-type]
        return stranger

    def admitted(self, client: str = "192.0.2.1") -> Stranger:
        stranger = self.comes(client)
        assert stranger is not None
        self.door.admitted(stranger)  # type: ignore[arg-type]
        return stranger

    def leaves(self, stranger: Stranger) -> None:
        self.inside.remove(stranger)
        self.door.left(stranger)  # type: ignore[arg-type]
        self.count.listener_connection(0, -1)
        stranger.stream.sock.close()
        stranger.theirs.close()

    @property
    def refused(self) -> int:
        return int(self.board.mine.listener_refusals[REFUSAL_INDEX["limit_exceeded"]])


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    made = Scoreboard.create(1, Capacity(listeners=1, pools=1, nodes=1, institutions=1))
    made.own(0)
    yield made
    for sock in sockets:
        sock.close()
    sockets.clear()
    made.close()


def test_the_admitted_fill_the_connections_and_strangers_do_not(board: Scoreboard) -> None:
    street = Street(board, connections_limit=2)
    assert all(street.comes() for _ in range(5))
    first = street.admitted()
    street.admitted()
    assert street.door.full(street.listener)
    assert street.comes() is None
    street.leaves(first)
    assert street.comes() is not None
    assert street.refused == 1


def test_a_newcomer_takes_the_place_of_the_oldest_silent_one(board: Scoreboard) -> None:
    street = Street(board, handshakes_share=2)
    first, second = street.comes(), street.comes()
    assert first is not None
    first.theirs.send(b"hello")
    third = street.comes()
    assert street.inside == [first, third]
    assert second not in street.inside
    assert street.refused == 1


def test_where_all_have_spoken_the_newcomer_is_refused(board: Scoreboard) -> None:
    street = Street(board, handshakes_share=2)
    for stranger in (street.comes(), street.comes()):
        assert stranger is not None
        stranger.theirs.send(b"hello")
    assert street.comes() is None
    assert len(street.inside) == 2


def test_an_address_has_its_own_share(board: Scoreboard) -> None:
    street = Street(board, handshakes_per_address=1, connections_per_address=2)
    other = street.comes("192.0.2.9")
    mine = street.comes()
    assert street.comes() is not None
    assert mine not in street.inside
    assert other in street.inside
    street.inside[-1].theirs.send(b"hello")
    assert street.comes() is None, "the one that is here has spoken"
    street.door.admitted(street.inside[-1])  # type: ignore[arg-type]
    assert street.comes() is not None
    assert street.comes() is None, "two connections of this address are open"


def test_afterwards_nothing_is_counted(board: Scoreboard) -> None:
    street = Street(board, handshakes_per_address=5, connections_per_address=5)
    for stranger in [street.comes(), street.admitted(), street.comes("2001:db8::1")]:
        assert stranger is not None
        street.leaves(stranger)
    row = board.mine
    assert [row.listener_connections[0], row.listener_strangers[0]] == [0, 0]
    assert not any(row.address_connections)
    assert not any(row.address_strangers)
    assert repr(street.door) == "<Door 0 not admitted yet>"


def test_who_is_gone_holds_a_place_and_nothing_else(board: Scoreboard) -> None:
    stranger = Street(board).comes()
    assert stranger is not None
    assert _silent(stranger)  # type: ignore[arg-type]
    stranger.theirs.send(b"hello")
    assert not _silent(stranger)  # type: ignore[arg-type]
    stranger.stream.sock.recv(5)
    stranger.theirs.close()
    assert _silent(stranger)  # type: ignore[arg-type]
    stranger.stream.sock.close()
    assert _silent(stranger)  # type: ignore[arg-type]
