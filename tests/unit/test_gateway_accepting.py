"""Which sockets a worker accepts on, and that nobody is left standing in a queue."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import accepting as module
from gateway import listening
from gateway.accepting import Accepting
from gateway.listening import Sockets
from settings.types import Address

KEY = ("front", "127.0.0.1:0")


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    listener = SimpleNamespace(bind=(Address("127.0.0.1", 0),))
    config: Any = SimpleNamespace(workers=2, listeners={"front": listener})
    opened = listening.open_missing(config, {})
    yield opened
    listening.close(opened)


class Place:
    """One worker's accepting, and who has come in."""

    def __init__(self, sockets: Sockets, index: int = 0) -> None:
        self.sockets = sockets
        self.address = sockets[KEY][0].getsockname()
        self.come: list[tuple[str, str]] = []
        self.accepting = Accepting(asyncio.get_running_loop(), index, dict(sockets), self._begin)

    def _begin(self, name: str, connection: socket.socket, client: str) -> None:
        self.come.append((name, client))
        connection.close()

    def clients(self, count: int) -> None:
        """So many connect; the kernel deals them to the sockets of all workers."""
        for _ in range(count):
            socket.create_connection(self.address, timeout=5).close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))


async def until(what: Callable[[], object]) -> None:
    while not what():
        await asyncio.sleep(0.005)


def test_nobody_is_let_in_before_it_opens(sockets: Sockets) -> None:
    async def test() -> None:
        place = Place(sockets)
        place.clients(16)
        await asyncio.sleep(0.05)
        assert place.come == []
        place.accepting.open()
        await until(lambda: place.come)
        assert place.come[0] == ("front", "127.0.0.1")

    run(test)


def test_it_accepts_on_its_own_socket_and_on_those_it_stands_in_for(sockets: Sockets) -> None:
    async def test() -> None:
        place = Place(sockets)
        place.accepting.open()
        place.clients(40)
        await until(lambda: place.come)
        await asyncio.sleep(0.05)
        own = len(place.come)
        assert own < 40, "some were dealt to the other socket"
        place.accepting.adopt(1)
        await until(lambda: len(place.come) == 40)
        place.accepting.release(1)
        place.clients(40)
        await until(lambda: len(place.come) > 40)
        await asyncio.sleep(0.05)
        assert len(place.come) < 80
        assert "open on 1 of 1" in repr(place.accepting)

    run(test)


def test_whoever_waits_is_taken_in_before_the_sockets_close(sockets: Sockets) -> None:
    """More than one turn takes, and on the sockets of all: the last worker to close leaves nobody standing."""

    async def test() -> None:
        place = Place(sockets)
        place.accepting.open()
        place.clients(60)
        place.accepting.close()
        assert len(place.come) == 60
        with pytest.raises(ConnectionRefusedError):
            place.clients(1)

    run(test)


def test_of_an_address_that_is_kept_nothing_changes(sockets: Sockets) -> None:
    async def test() -> None:
        place = Place(sockets)
        place.accepting.open()
        place.accepting.renew({}, lambda key: key == KEY, lambda name: name == "front")
        place.clients(20)
        await until(lambda: place.come)

    run(test)


@pytest.mark.parametrize(("known", "taken"), [(True, 30), (False, 0)], ids=["another address", "removed"])
def test_who_waits_at_an_address_that_goes_is_taken_in_if_its_listener_stays(
    sockets: Sockets, known: bool, taken: int
) -> None:
    async def test() -> None:
        place = Place(sockets)
        place.accepting.open()
        place.clients(30)
        place.accepting.renew({}, lambda _: False, lambda _: known)
        assert len(place.come) == taken

    run(test)


def test_new_sockets_are_accepted_on(sockets: Sockets) -> None:
    async def test() -> None:
        place = Place(sockets)
        empty = Accepting(asyncio.get_running_loop(), 0, {}, place._begin)
        empty.open()
        empty.renew(dict(sockets), lambda _: True, lambda _: True)
        place.clients(20)
        await until(lambda: place.come)

    run(test)


class Starved:
    """A listening socket whose accept fails for a while."""

    def __init__(self, sock: socket.socket, code: int) -> None:
        self._sock = sock
        self.code = code

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def accept(self) -> Any:
        if self.code:
            raise OSError(self.code, "why")
        return self._sock.accept()


def test_without_descriptors_it_waits_says_so_once_and_goes_on(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.02)
    starved = Starved(sockets[KEY][0], errno.EMFILE)

    async def test() -> None:
        place = Place(sockets)
        place.accepting._sockets = {KEY: [starved, sockets[KEY][1]]}  # type: ignore[list-item]
        place.accepting.open()
        place.clients(20)
        await until(lambda: "paused" in repr(place.accepting))
        await asyncio.sleep(0.1)  # some attempts later
        assert place.come == []
        place.accepting.adopt(1)  # what is asked for while it waits is not forgotten
        starved.code = 0
        await until(lambda: len(place.come) == 20)

    with caplog.at_level(logging.INFO, "settlegate.worker"):
        run(test)
    assert [message.split(":")[0] for message in caplog.messages] == ["cannot accept", "accepting again"]


def test_other_errors_are_told_and_end_nothing(sockets: Sockets, caplog: pytest.LogCaptureFixture) -> None:
    starved = Starved(sockets[KEY][0], errno.EPROTO)

    async def test() -> None:
        place = Place(sockets)
        place.accepting._sockets = {KEY: [starved]}  # type: ignore[list-item]
        place.accepting.open()
        place.clients(20)
        await until(lambda: caplog.messages)
        starved.code = 0
        await until(lambda: place.come)

    run(test)


def test_it_may_close_while_it_waits(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.02)

    async def test() -> None:
        place = Place(sockets)
        place.accepting._sockets = {KEY: [Starved(sockets[KEY][0], errno.EMFILE)]}  # type: ignore[list-item]
        place.accepting.open()
        place.clients(20)
        await until(lambda: "paused" in repr(place.accepting))
        place.accepting.close()
        await asyncio.sleep(0.1)
        assert place.come == []

    run(test)
