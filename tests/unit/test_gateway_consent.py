"""All workers or none, whatever single ones do."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import consent, listening
from gateway.channel import DESCRIPTORS
from settings.types import Address
from tests.support.crews import Puppet, Stage, events, say

NEXT = SimpleNamespace(generation=2)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with events() as made:
        stage = Stage(made, 2, monkeypatch)
        stage.full(2)
        yield stage
        for puppet in stage.puppets:
            puppet.channel.close()
            puppet.theirs.close()


def ask(stage: Stage, opened: Any = None) -> list[str]:
    return consent.ask(stage.crew, stage.crew._events, NEXT, opened or {})  # type: ignore[arg-type]


def answers(puppet: Puppet, kind: str = "ready", generation: int = 2, **values: Any) -> None:
    say(puppet, kind, generation=generation, **values)


def test_all_have_said_yes(stage: Stage) -> None:
    for index in (0, 1):
        answers(stage.worker(index))
    assert ask(stage) == []
    assert [stage.worker(index).told() for index in (0, 1)] == [["prepare:2"], ["prepare:2"]]


def test_one_no_is_enough_and_the_same_reason_is_told_once(stage: Stage) -> None:
    answers(stage.worker(0), "not_ready", problem="no room")
    answers(stage.worker(1), "not_ready", problem="no room")
    assert ask(stage) == ["no room"]
    consent.discard(stage.crew)
    assert stage.worker(1).told() == ["prepare:2", "discard"]


def test_whoever_does_not_answer_is_ended_and_holds_nobody_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consent, "READY_WITHIN", -1)
    answers(stage.worker(0))
    stage.crew._events.collect(1)
    monkeypatch.setattr(stage.crew._events, "answer", _answers_then_none(stage, 0))
    assert ask(stage) == []
    assert (stage.worker(0).signals, stage.worker(1).signals) == ([], [signal.SIGKILL])


def _answers_then_none(stage: Stage, *indices: int) -> Any:
    script: list[Any] = [(stage.worker(index), {"kind": "ready", "generation": 2}) for index in indices]
    return lambda *_: script.pop(0) if script else None


def test_when_nobody_answers_it_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage.crew._events, "answer", lambda *_: None)
    assert ask(stage) == ["no worker answered in time"]


def test_one_that_dies_meanwhile_is_no_hindrance(stage: Stage) -> None:
    answers(stage.worker(0))
    victim = stage.worker(1)
    stage.dies(victim)
    assert ask(stage) == []
    assert victim.signals == []


def test_one_that_is_just_being_started_is_asked_too(stage: Stage) -> None:
    """It says that it is ready with the old one first, and then with the new one."""
    stage.dies(stage.worker(0))
    stage.crew.turn()
    fresh = stage.worker(0)
    answers(fresh, generation=1)
    answers(fresh)
    answers(stage.worker(1))
    assert ask(stage) == []
    assert fresh.ready
    assert fresh.told() == ["prepare:2", "accept"]


def test_while_the_gateway_stops_nobody_is_killed_for_being_late(stage: Stage) -> None:
    stage.crew._events.stopping = True
    ask(stage)
    assert stage.worker(0).signals == stage.worker(1).signals == []


def test_a_commit_is_waited_for(stage: Stage) -> None:
    for index in (0, 1):
        say(stage.worker(index), "committed", generation=1)  # of the time before
        say(stage.worker(index), "committed", generation=2)
    consent.commit(stage.crew, stage.crew._events, 2)
    assert [stage.worker(index).told() for index in (0, 1)] == [["commit:2"], ["commit:2"]]
    assert [stage.worker(index).signals for index in (0, 1)] == [[], []]


def test_whoever_does_not_swap_is_ended(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage.crew._events, "answer", lambda *_: None)
    consent.commit(stage.crew, stage.crew._events, 2)
    assert stage.worker(0).signals == [signal.SIGKILL]


def test_new_sockets_go_ahead_in_as_many_messages_as_it_takes(stage: Stage) -> None:
    """One message holds 250 descriptors: 3 listeners of 100 sockets take two."""
    any_port = Address("127.0.0.1", 0)
    sockets = {(f"l{number}", "any"): [listening.open_admin(any_port) for _ in range(100)] for number in range(3)}
    for index in (0, 1):
        answers(stage.worker(index))
    arrived: list[tuple[str, int]] = []

    def told(puppet: Puppet) -> list[str]:
        kinds = []
        while received := puppet.theirs.receive():
            message, fds = received
            kinds.append(message["kind"])
            assert len(fds) <= DESCRIPTORS
            arrived.extend((name, count) for name, _, count in message.get("sockets", []))
            for fd in fds:
                os.close(fd)
        return kinds

    assert ask(stage, sockets) == []
    assert told(stage.worker(0)) == ["sockets", "sockets", "prepare"]
    assert arrived == [("l0", 100), ("l1", 100), ("l2", 100)]
    told(stage.worker(1))
    listening.close(sockets)
