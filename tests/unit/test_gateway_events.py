"""Signals as they come, messages in their order, and no wait without an end."""

from __future__ import annotations

import math
import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from gateway.events import SILENT_CHILD, Events
from tests.support.crews import Puppet, events, say


@pytest.fixture
def seen() -> list[int]:
    return []


@pytest.fixture
def heard(seen: list[int]) -> Iterator[Events]:
    with events(lambda numbers: seen.extend(sorted(numbers))) as made:
        yield made


@pytest.fixture
def child(heard: Events) -> Iterator[Puppet]:
    made = Puppet("worker 0", 50_000, index=0)
    heard.listen_to(made)
    yield made
    made.channel.close()
    made.theirs.close()


def soon() -> float:
    return time.monotonic() + 5


def test_a_signal_is_acted_upon_when_it_comes(heard: Events, seen: list[int]) -> None:
    os.kill(os.getpid(), signal.SIGHUP)
    heard.collect(5)
    assert seen == [signal.SIGHUP]
    heard.collect(0)
    assert seen == [signal.SIGHUP]


def test_messages_wait_in_their_order(heard: Events, child: Puppet) -> None:
    say(child, "ready", generation=1)
    say(child, "committed", generation=2)
    heard.collect(5)
    heard.collect(5)
    assert [message["kind"] for _, message in heard.inbox] == ["ready", "committed"]


def test_an_answer_is_picked_out_and_the_rest_left(heard: Events, child: Puppet) -> None:
    say(child, "refresh")
    say(child, "ready", generation=2)
    answer = heard.answer({child}, ("ready", "not_ready"), soon())
    assert answer is not None
    assert (answer[0], answer[1]["generation"]) == (child, 2)
    assert [message["kind"] for _, message in heard.inbox] == ["refresh"]


def test_time_is_up(heard: Events, child: Puppet) -> None:
    begun = time.monotonic()
    assert heard.answer({child}, ("ready",), begun + 0.1) is None
    assert 0.05 < time.monotonic() - begun < 3


def test_nobody_waits_for_the_dead(heard: Events, child: Puppet) -> None:
    child.gone = True
    assert heard.answer({child}, ("ready",), time.monotonic() + 60) is None


def test_when_the_gateway_is_to_stop_nobody_waits_any_more(child: Puppet) -> None:
    def stop(_: object) -> None:
        made.stopping = True

    with events(stop) as made:
        os.kill(os.getpid(), signal.SIGTERM)
        assert made.answer({child}, ("ready",), time.monotonic() + 60) is None
        left, right = socket.socketpair()
        made.wait_for(left, time.monotonic() + 60)
        left.close()
        right.close()


def test_last_words_are_kept_and_the_channel_closed(heard: Events, child: Puppet) -> None:
    """A worker says why it cannot start, and ends: its death may be noticed first."""
    say(child, "not_ready", problem="why")
    child.theirs.close()
    heard.bury(child)
    assert child.gone
    assert [message["problem"] for _, message in heard.inbox] == ["why"]
    assert child.channel.fileno() == -1
    heard.collect(0)


@pytest.mark.parametrize("what", ["closed", "nonsense"])
def test_a_child_without_a_channel_is_not_listened_to_and_ended_later(heard: Events, child: Puppet, what: str) -> None:
    if what == "closed":
        child.theirs.close()
    else:
        child.theirs.sock.send(b"\xff\xff")
    assert child.kill_at == math.inf
    heard.collect(5)
    assert time.monotonic() < child.kill_at <= time.monotonic() + SILENT_CHILD
    begun = time.monotonic()
    heard.collect(0.05)  # it would be readable for ever
    assert time.monotonic() - begun >= 0.04


def test_a_descriptor_is_waited_for(heard: Events) -> None:
    left, right = socket.socketpair()
    begun = time.monotonic()
    heard.wait_for(left, begun + 0.1)
    assert time.monotonic() - begun >= 0.09
    right.send(b"x")
    heard.wait_for(left, begun + 60)
    assert time.monotonic() - begun < 5
    heard.wait_for(left, begun + 60)  # once more: nothing of it was kept
    left.close()
    right.close()


def test_messages_are_taken_in_while_something_else_is_waited_for(heard: Events, child: Puppet) -> None:
    left, right = socket.socketpair()
    say(child, "ready", generation=1)
    heard.wait_for(left, time.monotonic() + 0.1)
    assert len(heard.inbox) == 1
    left.close()
    right.close()
