"""What can go wrong in the middle of a reload: somebody hangs, dies, is just being born, or is told to stop."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.answers import ok
from tests.support.gateway import HOSPITAL, PHARMACY, eventually
from tests.support.nodes import RecordingNode
from tests.support.operations import Operated, gone


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode(ok(b"settled"), store=False) as node:
        yield node


@pytest.fixture
def gateway(tmp_path: Path, node: RecordingNode) -> Operated:
    """Not started. One deadline serves the tests in which somebody hangs."""
    gateway = Operated(tmp_path, nodes=[node.address], workers=2)
    gateway.constants = {"consent.READY_WITHIN": 1.0, "consent.COMMIT_WITHIN": 1.0}
    return gateway


def without_pharmacy(gateway: Operated) -> None:
    gateway.config["institutions"] = {HOSPITAL: {}}
    gateway.write()


def all_refuse_the_pharmacy(gateway: Operated) -> bool:
    """Every worker has the configuration without it; the hospital is served everywhere."""
    with ExitStack() as stack:
        seen: set[int] = set()
        while len(seen) < len(gateway.worker_pids()):
            client = stack.enter_context(gateway.connect(gateway.world.pharmacy))
            seen.add(gateway.worker_of(client))
            if client.get().status != 403:
                return False
        return stack.enter_context(gateway.connect()).get().status == 200


def test_a_worker_that_does_not_answer_is_replaced_and_its_successor_is_up_to_date(gateway: Operated) -> None:
    with gateway:
        stopped, other = gateway.settled().worker_pids().values()
        with gateway.connect() as client:
            eventually(lambda: client.get().status == 200)
            os.kill(stopped, signal.SIGSTOP)
            without_pharmacy(gateway)
            assert gateway.reload()["generation"] == 2
            assert gone(stopped)
            gateway.settled()
            assert gateway.worker_pids()[1] == other
            assert all_refuse_the_pharmacy(gateway)
        assert gateway.metric("settlegate_worker_restarts_total") == 1
        assert gateway.lines("worker 0 did not answer in time and is replaced")


def test_a_reload_that_nobody_answers_is_refused(gateway: Operated) -> None:
    with gateway:
        stopped = set(gateway.settled().worker_pids().values())
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        without_pharmacy(gateway)
        assert gateway.reload(expect=False)["problems"] == ["no worker answered in time"]
        gateway.settled()
        eventually(lambda: not stopped & gateway.all_worker_pids())
        with gateway.connect(gateway.world.pharmacy) as client:
            assert client.get().status == 200
        gateway.reload()
        assert all_refuse_the_pharmacy(gateway)


@pytest.mark.parametrize("moment", ["_prepare", "_commit"])
def test_a_worker_that_dies_in_the_middle_comes_back_up_to_date(gateway: Operated, moment: str) -> None:
    gateway.patch = f"""
def dies(self, *arguments):
    if self._worker.index == 0:
        os._exit(9)
    return before(self, *arguments)
before, orders.Orders.{moment} = orders.Orders.{moment}, dies
"""
    with gateway:
        victim, other = gateway.settled().worker_pids().values()
        without_pharmacy(gateway)
        assert gateway.reload()["generation"] == 2
        assert gone(victim)
        gateway.settled()
        assert gateway.worker_pids()[1] == other
        assert all_refuse_the_pharmacy(gateway)


def test_a_worker_that_says_no_stops_it_for_all(gateway: Operated) -> None:
    gateway.patch = """
def refuses(bundle, stock, board, index, previous=None):
    if previous is not None and index == 1 and len(bundle.config.institutions) == 1:
        raise worker.SnapshotError("not here")
    return build(bundle, stock, board, index, previous)
build, orders.build = orders.build, refuses
"""
    with gateway:
        pids = gateway.settled().worker_pids()
        kept = gateway.path.read_text()
        without_pharmacy(gateway)
        for _ in range(2):
            assert gateway.reload(expect=False)["problems"] == ["not here"]
        assert gateway.metric("settlegate_config_reload_success") == 0
        with ExitStack() as stack:
            for _ in range(8):
                client = stack.enter_context(gateway.connect(gateway.world.pharmacy))
                assert client.get().status == 200
        gateway.path.write_text(kept)
        assert gateway.reload()["generation"] == 2
        assert gateway.worker_pids() == pids


def test_a_worker_that_is_just_being_started_ends_on_the_new_configuration(gateway: Operated) -> None:
    gateway.constants |= {"consent.READY_WITHIN": 20.0}
    gateway.patch = f"""
def slow(bundle, stock, board, index, previous=None):
    if previous is None and os.path.exists({str(gateway.folder / "slow")!r}):
        time.sleep(1.5)
    return build(bundle, stock, board, index, previous)
build, worker.build = worker.build, slow
"""
    with gateway:
        victim = gateway.settled().worker_pids()[0]
        (gateway.folder / "slow").touch()
        os.kill(victim, signal.SIGKILL)
        fresh = eventually(lambda: (pid := gateway.worker_pids().get(0)) != victim and pid)
        without_pharmacy(gateway)
        assert gateway.reload()["generation"] == 2
        gateway.settled()
        assert gateway.worker_pids()[0] == fresh
        assert all_refuse_the_pharmacy(gateway)


def test_without_control_sighup_still_reloads_and_control_returns_to_the_result(gateway: Operated) -> None:
    gateway.constants |= {"crew.RESPAWN_AFTER": 1.0}
    with gateway:
        gateway.settled()
        control = gateway.control()
        os.kill(control, signal.SIGKILL)
        eventually(lambda: gone(control))
        without_pharmacy(gateway)
        gateway.hangup()
        assert all_refuse_the_pharmacy(gateway)
        eventually(lambda: "sg control" in gateway.processes())
        assert eventually(lambda: "generation 2" in gateway.get("/readyz"))
        assert PHARMACY not in gateway.get("/metrics/institutions")


def test_a_control_that_dies_during_a_reload_comes_back_with_its_result(gateway: Operated) -> None:
    with gateway:
        stopped = gateway.settled().worker_pids()[0]
        control = gateway.control()
        os.kill(stopped, signal.SIGSTOP)  # so that it takes a second
        without_pharmacy(gateway)
        os.kill(gateway.pid, signal.SIGHUP)
        eventually(lambda: gateway.lines("reload asked for by SIGHUP"))
        os.kill(control, signal.SIGKILL)
        eventually(lambda: gateway.lines("is in force after"))
        assert eventually(lambda: "generation 2" in gateway.get("/readyz"))
        assert all_refuse_the_pharmacy(gateway.settled())


def test_sigterm_in_the_middle_of_a_reload_is_obeyed(gateway: Operated) -> None:
    gateway.constants |= {"consent.READY_WITHIN": 60.0}
    with gateway:
        stopped = gateway.settled().worker_pids()[0]
        family = set(gateway.processes().values())
        os.kill(stopped, signal.SIGSTOP)
        gateway.config["listeners"]["second"] = gateway.config["listeners"]["settlement"]
        gateway.write()
        os.kill(gateway.pid, signal.SIGHUP)
        eventually(lambda: gateway.lines("reload asked for by SIGHUP"))
        time.sleep(0.3)
        begun = time.monotonic()
        os.kill(gateway.pid, signal.SIGTERM)
        os.kill(stopped, signal.SIGCONT)
        assert gateway.stop() == 0
        assert time.monotonic() - begun < 10
        eventually(lambda: all(gone(pid) for pid in family))


def test_files_that_cannot_be_read_in_time_are_a_refusal_and_nothing_waits_for_them(gateway: Operated) -> None:
    """A pipe that nobody writes into stands for a name server or a network file system that does not answer."""
    gateway.constants |= {"reading.READ_WITHIN": 1.5}
    with gateway:
        victim = gateway.settled().worker_pids()[0]
        os.mkfifo(gateway.world.folder / "stuck.pem")
        good = gateway.path.read_text()
        gateway.config["listeners"]["settlement"]["trust"]["anchors"] = ["pki/stuck.pem"]
        gateway.write()
        os.kill(gateway.pid, signal.SIGHUP)
        eventually(lambda: gateway.lines("reload asked for by SIGHUP"))
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: gateway.lines("reading the configuration took longer than 1.5 s"))
        gateway.settled()
        eventually(lambda: "sg reader" not in gateway.processes())
        gateway.path.write_text(good)
        assert gateway.reload()["generation"] == 2


def test_a_reading_that_crashes_is_a_refusal(gateway: Operated) -> None:
    gateway.constants |= {"reading.READ_WITHIN": 20.0}
    gateway.patch = f"""
def crashes(config, known, *, start):
    if os.path.exists({str(gateway.folder / "crash")!r}):
        os.kill(os.getpid(), signal.SIGKILL)
    return gather(config, known, start=start)
gather, reading.gather = reading.gather, crashes
"""
    with gateway:
        (gateway.folder / "crash").touch()
        answer = gateway.settled().reload(expect=False)
        assert answer["problems"] == ["reading the configuration failed; the log says why"]
        (gateway.folder / "crash").unlink()
        assert gateway.reload()["generation"] == 2
