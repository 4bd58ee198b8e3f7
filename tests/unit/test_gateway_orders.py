"""What the supervisor tells a worker, step by step, and what is answered."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import listening
from gateway import orders as module
from gateway.channel import Channel, DescriptorsLostError, pack
from gateway.orders import PROBLEM_LIMIT, RESERVE, Orders
from gateway.snapshot import SnapshotError
from tests.support.operations import own_descriptors


class Loop:
    """Readers that the test calls."""

    def __init__(self) -> None:
        self.readers: dict[int, Callable[[], None]] = {}

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        self.readers[fd] = callback

    def remove_reader(self, fd: int) -> None:
        del self.readers[fd]


class FakeWorker:
    """Writes down what it is told to do."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.snapshot = SimpleNamespace(generation=1)
        self.stock, self.board, self.index = object(), object(), 3
        self.done: list[Any] = []
        self.opened: Any = None
        self.accepting = SimpleNamespace(
            adopt=lambda index: self.done.append(("adopt", index)),
            release=lambda index: self.done.append(("release", index)),
        )

    def accept(self) -> None:
        self.done.append("accept")

    def drain(self) -> None:
        self.done.append("drain")

    def take_over(self, prepared: Any, opened: Any) -> None:
        self.done.append(("take over", prepared))
        self.opened = opened

    def reopen_log(self) -> None:
        self.done.append("reopen log")

    def review_sessions(self) -> None:
        self.done.append("review")


class Desk:
    def __init__(self) -> None:
        self.supervisor, self.channel = Channel.pair()
        self.worker = FakeWorker()
        self.orders = Orders(self.worker, self.channel)  # type: ignore[arg-type]
        self.orders.listen()
        assert self.answer() == ("ready", 1, None)

    def answer(self) -> tuple[str, int | None, str | None] | None:
        received = self.supervisor.receive()
        if received is None:
            return None
        message = received[0]
        return message["kind"], message.get("generation"), message.get("problem")

    def say(self, kind: str, fds: tuple[int, ...] = (), **values: Any) -> None:
        self.supervisor.send(kind, fds, **values)
        self.hear()

    def hear(self) -> None:
        self.worker.loop.readers[self.channel.fileno()]()

    def prepare(self, generation: int, what: object = "bundle") -> None:
        fd = pack(what)
        self.say("prepare", (fd,), generation=generation)
        os.close(fd)

    def sockets(self, *names: str) -> None:
        made = [socket.socket() for _ in names for _ in range(2)]
        described = [(name, "127.0.0.1:0", 2) for name in names]
        self.say("sockets", tuple(sock.fileno() for sock in made), sockets=described)
        for sock in made:
            sock.close()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    def build(bundle: object, _stock: object, _board: object, index: int, _previous: object) -> str:
        assert index == 3
        if isinstance(bundle, dict):
            raise SnapshotError(bundle["problem"])
        if bundle == "crash":
            raise KeyError("unexpected")
        return f"prepared {bundle}"

    monkeypatch.setattr(module, "build", build)
    before = own_descriptors()
    made = Desk()
    yield made
    made.orders._spend_reserve()
    made.orders._discard()
    made.channel.close()
    made.supervisor.close()
    if made.worker.opened:
        listening.close(made.worker.opened)
    assert own_descriptors() == before


def test_what_is_prepared_is_taken_over_when_it_is_committed(desk: Desk) -> None:
    desk.prepare(2)
    assert desk.answer() == ("ready", 2, None)
    assert desk.worker.done == []
    desk.say("commit", generation=2)
    assert desk.worker.done == [("take over", "prepared bundle"), "review"]
    assert desk.answer() == ("committed", 2, None)
    desk.say("commit", generation=2)
    assert desk.answer() is None, "only once"


def test_sockets_that_came_ahead_go_with_it(desk: Desk) -> None:
    desk.sockets("one")
    desk.sockets("two")
    desk.prepare(2)
    desk.say("commit", generation=2)
    assert {key: len(several) for key, several in desk.worker.opened.items()} == {
        ("one", "127.0.0.1:0"): 2,
        ("two", "127.0.0.1:0"): 2,
    }


@pytest.mark.parametrize("ending", ["discard", "no", "another", "nothing"])
def test_sockets_of_what_does_not_come_into_force_are_closed(desk: Desk, ending: str) -> None:
    before = own_descriptors()
    desk.sockets("one")
    if ending == "no":
        desk.prepare(2, {"problem": "why"})
    elif ending != "nothing":
        desk.prepare(2)
    if ending == "another":
        desk.prepare(3)
    else:
        desk.say("discard")
    assert own_descriptors() == before


def test_a_commit_of_something_else_is_none(desk: Desk) -> None:
    desk.prepare(2)
    desk.say("commit", generation=3)
    desk.say("discard")
    desk.say("commit", generation=2)
    assert desk.worker.done == []


def test_no_is_said_with_its_reason(desk: Desk) -> None:
    desk.prepare(2, {"problem": "listeners.front: why" + "y" * 10_000})
    answer = desk.answer()
    assert answer is not None
    assert answer[:2] == ("not_ready", 2)
    assert len(answer[2] or "") == PROBLEM_LIMIT
    desk.say("commit", generation=2)
    assert desk.worker.done == []


def test_an_unexpected_error_is_a_no_too(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.prepare(2, "crash")
    assert desk.answer() == ("not_ready", 2, "'unexpected'")
    assert "preparing generation 2" in caplog.messages


def test_it_accepts_and_stands_in_when_it_is_told(desk: Desk) -> None:
    for kind, values in (
        ("accept", {}),
        ("adopt", {"index": 1}),
        ("release", {"index": 1}),
        ("reopen", {}),
        ("unheard of", {}),
    ):
        desk.say(kind, **values)  # type: ignore[arg-type]
    assert desk.worker.done == ["accept", ("adopt", 1), ("release", 1), "reopen log"]
    assert desk.answer() == ("accepting", None, None), "only then is the service ready"
    assert desk.answer() is None


def test_without_the_supervisor_it_drains(desk: Desk) -> None:
    desk.supervisor.close()
    desk.hear()
    assert desk.worker.done == ["drain"]
    assert desk.worker.loop.readers == {}


def test_a_reserve_of_descriptors_is_kept_for_messages(desk: Desk) -> None:
    assert len(desk.orders._reserve) == RESERVE
    desk.say("accept")
    assert len(desk.orders._reserve) == RESERVE


def test_sockets_that_got_lost_are_a_no(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def loses() -> None:
        monkeypatch.undo()
        desk.channel.receive()
        raise DescriptorsLostError({"kind": "sockets", "fds": 2})

    desk.supervisor.send("sockets", sockets=[])
    monkeypatch.setattr(desk.channel, "receive", loses)
    desk.hear()
    monkeypatch.setattr(module, "build", lambda *_: "prepared")
    desk.prepare(2)
    assert desk.answer() == ("not_ready", 2, "too many open files to take new sockets")
    desk.prepare(3)
    assert desk.answer() == ("ready", 3, None)


def test_a_configuration_that_got_lost_is_a_no(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def loses() -> None:
        raise DescriptorsLostError({"kind": "prepare", "fds": 1, "generation": 2})

    monkeypatch.setattr(desk.channel, "receive", loses)
    desk.hear()
    answer = desk.answer()
    assert answer is not None
    assert (answer[0], answer[1], "too many open files" in str(answer[2])) == ("not_ready", 2, True)
