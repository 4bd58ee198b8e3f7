"""Who replaces whom, and who stands in meanwhile; with children that have no process."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from gateway.children import CONTROL
from gateway.crew import GRACE, LONGEST_BACKOFF, READY_WITHIN
from gateway.worker import DRAIN
from tests.support.crews import Puppet, Stage, events


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with events() as made:
        stage = Stage(made, 3, monkeypatch)
        yield stage
        for puppet in stage.puppets:
            puppet.channel.close()
            puppet.theirs.close()


def test_a_worker_accepts_when_it_is_ready_and_told_to(stage: Stage) -> None:
    stage.crew.start_worker(0)
    assert stage.worker(0).told() == []
    assert stage.ready(0).told() == ["accept"]


def test_every_worker_has_a_row_of_its_own(stage: Stage) -> None:
    stage.full(3)
    assert [child.row for child in stage.crew.workers.values()] == [0, 1, 2]
    stage.crew.start_successors(stage.crew.force)
    assert [child.row for child in stage.crew.successors.values()] == [3, 4, 5]


def test_what_is_told_to_workers_is_told_to_those_that_leave_as_well(stage: Stage) -> None:
    stage.full(2)
    leaving = stage.worker(0)
    stage.crew.start_successors(stage.crew.force)
    stage.crew.succeed()
    for worker in (leaving, stage.worker(0), stage.worker(1)):
        worker.told()
    stage.crew.tell_workers("reopen")
    assert [worker.told() for worker in (leaving, stage.worker(0), stage.worker(1))] == [["reopen"]] * 3


def test_a_dead_one_is_stood_in_for_until_its_replacement_is_ready(stage: Stage) -> None:
    stage.full(3)
    stage.dies(stage.worker(0))
    assert (stage.worker(1).told(), stage.worker(2).told()) == (["adopt:0"], [])
    assert stage.cleared == [0]
    stage.crew.turn()
    assert stage.worker(0).row == 0
    assert stage.worker(1).told() == []
    assert stage.ready(0).told() == ["accept"]
    assert stage.worker(1).told() == ["release:0"]


def test_when_the_stand_in_dies_another_takes_over_both(stage: Stage) -> None:
    stage.full(3)
    stage.dies(stage.worker(0))
    stage.dies(stage.worker(1))
    assert sorted(stage.worker(2).told()) == ["adopt:0", "adopt:1"]
    stage.crew.turn()
    stage.ready(1)
    assert stage.worker(2).told() == ["release:1"]


def test_with_nobody_left_the_first_to_be_ready_stands_in(stage: Stage) -> None:
    stage.full(3)
    for index in (0, 1, 2):
        stage.dies(stage.worker(index))
    stage.crew.turn()
    assert stage.ready(1).told() == ["accept", "adopt:0", "adopt:2"]


def test_one_that_is_not_ready_is_no_stand_in(stage: Stage) -> None:
    stage.crew.start_worker(0)
    stage.crew.start_worker(1)
    stage.ready(0)
    stage.dies(stage.worker(0))
    assert stage.worker(1).told() == []


def test_whoever_keeps_dying_is_started_less_and_less_often(stage: Stage) -> None:
    stage.crew.start_worker(0)
    pauses = []
    for _ in range(8):
        stage.dies(stage.worker(0))
        begun = stage.now
        while 0 not in stage.crew.workers:
            stage.now += 0.05
            stage.crew.turn()
        pauses.append(round(stage.now - begun, 1))
    assert pauses[0] < 0.2
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_BACKOFF
    stage.now += LONGEST_BACKOFF + 1  # it has lived for a while
    stage.dies(stage.worker(0))
    assert stage.crew.next_due(10) == 0


def test_two_thousand_deaths_are_no_number_too_large(stage: Stage) -> None:
    stage.crew.start_worker(0)
    for _ in range(2000):
        stage.dies(stage.worker(0))
        stage.now += LONGEST_BACKOFF
        stage.crew.turn()
    assert stage.crew.restarts == 2000


def test_what_cannot_be_started_is_tried_again(stage: Stage) -> None:
    stage.full(1)
    stage.unable = True
    stage.dies(stage.worker(0))
    stage.crew.turn()
    assert 0 not in stage.crew.workers
    stage.unable = False
    stage.now += LONGEST_BACKOFF
    stage.crew.turn()
    assert 0 in stage.crew.workers


def test_control_is_replaced_and_told_what_is_in_force(stage: Stage) -> None:
    briefed: list[object] = []
    stage.crew.brief = lambda: briefed.append(stage.crew.control)
    stage.crew.start_control()
    first = stage.crew.control
    assert isinstance(first, Puppet)
    stage.dies(first)
    assert stage.crew.control is None
    assert stage.crew.restarts == 0
    stage.crew.turn()
    assert stage.crew.control is not None
    assert briefed == [first, stage.crew.control]


def test_control_hears_of_a_dead_worker(stage: Stage) -> None:
    stage.crew.start_control()
    stage.full(2)
    stage.dies(stage.worker(0))
    assert isinstance(stage.crew.control, Puppet)
    received = stage.crew.control.theirs.receive()
    assert received is not None
    assert (received[0]["kind"], received[0]["restarts"]) == ("worker_died", 1)


def test_a_worker_that_never_becomes_ready_is_ended_and_replaced(stage: Stage) -> None:
    stage.crew.start_worker(0)
    first = stage.worker(0)
    stage.now += READY_WITHIN - 1
    stage.crew.turn()
    assert first.signals == []
    stage.now += 1
    stage.crew.turn()
    assert first.signals == [signal.SIGKILL]
    stage.dies(first)
    stage.crew.turn()
    assert stage.worker(0) is not first


def test_successors_take_the_places_and_the_others_leave(stage: Stage) -> None:
    stage.full(2)
    before = dict(stage.crew.workers)
    stage.crew.start_successors(stage.crew.force)
    assert stage.crew.workers == before
    after = dict(stage.crew.successors)
    stage.crew.succeed()
    assert stage.crew.workers == after
    assert list(stage.crew.leaving) == list(before.values())
    for old in before.values():
        assert isinstance(old, Puppet)
        assert (old.leaving, old.signals) == (True, [signal.SIGTERM])
    for new in after.values():
        assert isinstance(new, Puppet)
        assert new.told() == ["accept"]
    for old in before.values():
        stage.dies(old, 0)
    assert stage.crew.restarts == 0
    assert not stage.crew.leaving
    assert stage.crew.next_due(1.0) == 1.0, "nobody is to be replaced"


def test_a_successor_that_dies_is_no_restart_and_is_missed_by_nobody(stage: Stage) -> None:
    stage.full(2)
    stage.crew.start_successors(stage.crew.force)
    stage.dies(stage.crew.successors[0])
    assert list(stage.crew.successors) == [1]
    stage.crew.dismiss_successors()
    other = stage.crew.successors[1]
    assert isinstance(other, Puppet)
    assert other.signals == [signal.SIGKILL]
    stage.dies(other)
    assert (stage.crew.restarts, stage.crew.next_due(1.0)) == (0, 1.0)


def test_a_successor_takes_the_place_of_a_dead_one_and_ends_the_standing_in(stage: Stage) -> None:
    stage.full(2)
    stage.crew.start_successors(stage.crew.force)
    stage.dies(stage.worker(0))
    old = stage.worker(1)
    assert old.told() == ["adopt:0"]
    stage.crew.succeed()
    assert old.told() == ["release:0"]
    stage.crew.turn()
    assert len(stage.puppets) == 4, "nobody else is started"


def test_stopping_asks_everybody_to_finish_and_replaces_nobody(stage: Stage) -> None:
    stage.crew.start_control()
    stage.full(2)
    stage.crew._events.stopping = True
    stage.crew.stop()
    for index in (0, 1):
        assert stage.worker(index).signals == [signal.SIGTERM]
    control = stage.crew.control
    assert isinstance(control, Puppet)
    assert (control.signals, control.told()) == ([], ["draining"])
    stage.dies(stage.worker(0), 0)
    stage.crew.turn()
    assert list(stage.crew.workers) == [1]
    stage.now += DRAIN + GRACE
    stage.crew.turn()
    assert stage.worker(1).signals == [signal.SIGTERM, signal.SIGKILL]
    assert not stage.crew.empty
    stage.dies(stage.worker(1))
    assert stage.crew.empty


def test_without_control_nobody_waits_at_the_admin_address_of_a_gateway_that_stops(stage: Stage) -> None:
    stage.crew.stop()
    assert stage.crew.admin.closed  # type: ignore[attr-defined]


def test_whoever_does_not_end_is_killed_again_and_again_but_not_all_the_time(stage: Stage) -> None:
    stage.full(1)
    child = stage.worker(0)
    child.end_by(stage.now)
    for _ in range(5):
        stage.crew.turn()
    assert child.signals == [signal.SIGKILL]
    stage.now += GRACE
    stage.crew.turn()
    assert child.signals == [signal.SIGKILL] * 2


def test_a_stranger_that_was_waited_for_is_no_matter(stage: Stage) -> None:
    stage.full(1)
    stage.deaths.append((12345, 0))  # the process that read the configuration
    stage.crew.reap()
    assert list(stage.crew.workers) == [0]
    assert CONTROL not in stage.crew.workers
