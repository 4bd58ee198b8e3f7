"""What is written in one turn leaves at its end: requests first, all of it, and one that fails takes no other along."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.support import pure

outbox = pure.load("gateway.outbox")


class Loop:
    """Calls back when told to."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def turn(self) -> None:
        soon, self.soon = self.soon, []
        for callback in soon:
            callback()


class Waiting:
    """An exchange or a session; `session` of an exchange is itself."""

    def __init__(self, name: str, left: list[str], then: Callable[[], None] = lambda: None) -> None:
        self.name, self.left, self.then = name, left, then
        self.session = self
        self.aborted = False

    def leave(self) -> None:
        self.left.append(self.name)
        self.then()

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def box(loop: Loop) -> Any:
    return outbox.Outbox(cast("Any", loop))


def test_requests_leave_before_answers_and_each_once(loop: Loop, box: Any) -> None:
    left: list[str] = []
    box.add_answer(Waiting("answer", left))
    box.add_request(Waiting("request 1", left))
    box.add_request(Waiting("request 2", left))
    assert not left
    assert "2 requests, 1 answers" in repr(box)
    loop.turn()
    assert left == ["request 1", "request 2", "answer"]
    loop.turn()
    box.flush()
    assert len(left) == 3


def test_the_end_of_a_turn_is_asked_for_once_and_again_in_the_next(loop: Loop, box: Any) -> None:
    left: list[str] = []
    for _ in range(3):
        box.add_answer(Waiting("a", left))
    assert len(loop.soon) == 1
    loop.turn()
    box.add_request(Waiting("b", left))
    assert len(loop.soon) == 1
    loop.turn()
    assert left == ["a", "a", "a", "b"]


def test_who_waits_in_a_long_turn_does_not_wait_for_its_end(loop: Loop, box: Any) -> None:
    left: list[str] = []
    for number in range(outbox.FULL + 1):
        box.add_request(Waiting(str(number), left))
    assert len(left) == outbox.FULL
    loop.turn()
    assert len(left) == outbox.FULL + 1


def test_an_answer_made_while_requests_leave_goes_with_them(loop: Loop, box: Any) -> None:
    """A request that nobody takes is answered at once."""
    left: list[str] = []
    refused = Waiting("refused", left)
    box.add_request(Waiting("request", left, lambda: box.add_answer(refused)))
    loop.turn()
    assert left == ["request", "refused"]


def test_what_is_added_while_all_leave_goes_in_the_next_turn(loop: Loop, box: Any) -> None:
    left: list[str] = []
    again = Waiting("again", left)
    box.add_request(Waiting("request", left, lambda: box.add_request(again)))
    loop.turn()
    assert left == ["request"]
    loop.turn()
    assert left == ["request", "again"]


@pytest.mark.parametrize("kind", ["add_request", "add_answer"])
def test_one_that_fails_ends_itself_and_nobody_else(
    loop: Loop, box: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("unexpected")

    left: list[str] = []
    bad, good = Waiting("bad", left, fail), Waiting("good", left)
    with caplog.at_level(logging.ERROR):
        getattr(box, kind)(bad)
        getattr(box, kind)(good)
        loop.turn()
    assert left == ["bad", "good"]
    assert (bad.aborted, good.aborted) == (True, False)
    assert "unexpected error" in caplog.text
