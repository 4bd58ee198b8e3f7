"""Ticket keys are rotated every night, and workers replaced when there is no blank context left for new ones."""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.answers import ok
from tests.support.gateway import eventually
from tests.support.nodes import RecordingNode
from tests.support.operations import Held, Operated, gone

ROTATE = """
def turn(self):
    if os.path.exists({flag!r}):
        os.unlink({flag!r})
        self._rotation = 0.0
    before(self)
before, supervisor.Supervisor._turn = supervisor.Supervisor._turn, turn
"""


@pytest.fixture
def node() -> Iterator[RecordingNode]:
    with RecordingNode(ok(b"settled"), store=False) as node:
        yield node


@pytest.fixture
def gateway(tmp_path: Path, node: RecordingNode) -> Iterator[Operated]:
    """Three blank contexts: the start takes one, two nights the others."""
    gateway = Operated(tmp_path, nodes=[node.address], workers=2)
    gateway.constants = {"bundling.STOCK": 3, "supervisor.ROTATION_AGAIN": 0.5}
    gateway.patch = ROTATE.format(flag=str(tmp_path / "rotate"))
    with gateway:
        yield gateway.settled()


def rotate(gateway: Operated) -> None:
    before = len(gateway.lines("ticket keys rotated"))
    (gateway.folder / "rotate").touch()
    os.kill(gateway.pid, signal.SIGCHLD)  # as good as any event: look at the clock now
    eventually(lambda: len(gateway.lines("ticket keys rotated")) > before)


def ticket(gateway: Operated, context: ssl.SSLContext) -> ssl.SSLSession:
    with gateway.connect(context=context) as client:
        assert client.get().status == 200
        assert isinstance(client.sock, ssl.SSLSocket)
        session = client.sock.session
        client.sock.unwrap()  # a session that is cut off may not be resumed
    assert session is not None
    assert session.has_ticket
    return session


def resumes(gateway: Operated, context: ssl.SSLContext, session: ssl.SSLSession) -> set[bool]:
    """Whether it does, asked of every worker."""
    told: dict[int, bool] = {}
    with ExitStack() as stack:
        while set(told) != set(gateway.worker_pids().values()):
            client = stack.enter_context(gateway.connect(context=context, session=session))
            assert client.get().status == 200
            assert isinstance(client.sock, ssl.SSLSocket)
            told[gateway.worker_of(client)] = bool(client.sock.session_reused)
    return set(told.values())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_old_tickets_are_worth_nothing_and_new_ones_hold_in_every_worker(
    gateway: Operated, version: ssl.TLSVersion
) -> None:
    context = gateway.context(gateway.world.hospital, version=version)
    with gateway.connect() as live:
        assert live.get().status == 200
        old = ticket(gateway, context)
        assert resumes(gateway, context, old) == {True}
        gateway.reload()
        assert resumes(gateway, context, old) == {True}, "a reload leaves tickets alone"
        # Nothing is read for it: a file that is being replaced, or a broken one, is no hindrance.
        gateway.world.crl.unlink()
        gateway.path.write_text("half")
        rotate(gateway)
        assert resumes(gateway, context, old) == {False}
        new = ticket(gateway, context)
        index, victim = next(item for item in gateway.worker_pids().items() if item[1] != gateway.worker_of(live))
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: gateway.worker_pids().get(index) not in (None, victim))
        gateway.settled()
        assert resumes(gateway, context, new) == {True}, "also in a worker that came later"
        assert live.get().status == 200


def test_when_the_stock_has_run_out_workers_are_replaced_and_finish_what_they_have(
    gateway: Operated, node: RecordingNode
) -> None:
    context = gateway.context(gateway.world.hospital)
    first = gateway.worker_pids()
    for _ in range(2):
        rotate(gateway)
    assert gateway.worker_pids() == first
    old = ticket(gateway, context)
    node.answer = held = Held()
    with gateway.connect() as busy, gateway.connect() as idle:
        seen = len(node.requests)
        busy.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        node.wait_for(seen + 1)
        node.answer = ok(b"settled")
        rotate(gateway)
        second = gateway.worker_pids()
        assert set(first.values()).isdisjoint(second.values())
        assert idle.get().value("connection") == "close"
        assert resumes(gateway, context, old) == {False}
        assert resumes(gateway, context, ticket(gateway, context)) == {True}
        # While the old ones finish there is no room for a third set; what needs none goes on as usual.
        for _ in range(2):
            rotate(gateway)
        assert gateway.reload()["ok"]
        gateway.config["listeners"]["settlement"]["minimum_tls"] = "1.3"
        gateway.write()
        (problem,) = gateway.reload(expect=False)["problems"]
        assert "still finish what they have in flight" in problem
        held.release.set()
        answer = busy.response()
        assert (answer.body, answer.complete, answer.value("connection")) == (b"slow but whole", True, "close")
    eventually(lambda: all(gone(pid) for pid in first.values()))
    assert gateway.reload()["ok"]
    assert set(second.values()).isdisjoint(gateway.worker_pids().values())
    assert gateway.metric("settlegate_worker_restarts_total") == 0
    with gateway.connect() as client:
        assert client.get().status == 200


def test_a_rotation_that_finds_no_room_is_tried_again(gateway: Operated, node: RecordingNode) -> None:
    for _ in range(2):
        rotate(gateway)
    node.answer = held = Held()
    with gateway.connect() as busy:
        seen = len(node.requests)
        busy.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        node.wait_for(seen + 1)
        for _ in range(3):
            rotate(gateway)
        (gateway.folder / "rotate").touch()
        eventually(lambda: gateway.lines("ticket keys could not be rotated: workers replaced a moment ago"))
        rotated = len(gateway.lines("ticket keys rotated"))
        held.release.set()
        assert busy.response().body == b"slow but whole"
    eventually(lambda: len(gateway.lines("ticket keys rotated")) > rotated)
    gateway.settled()


def test_successors_that_cannot_start_change_nothing(tmp_path: Path, node: RecordingNode) -> None:
    gateway = Operated(tmp_path, nodes=[node.address], workers=2)
    gateway.constants = {"bundling.STOCK": 1}
    gateway.patch = f"""
def refuses(bundle, stock, board, index, previous=None):
    if index == 1 and os.path.exists({str(tmp_path / "refuse")!r}):
        raise worker.SnapshotError("not here")
    return build(bundle, stock, board, index, previous)
build, worker.build = worker.build, refuses
"""
    with gateway:
        pids = gateway.settled().worker_pids()
        (tmp_path / "refuse").touch()
        gateway.config["listeners"]["settlement"]["minimum_tls"] = "1.3"
        gateway.write()
        with gateway.connect() as client:
            assert gateway.reload(expect=False)["problems"] == ["not here"]
            eventually(lambda: gateway.all_worker_pids() == set(pids.values()))
            old = gateway.context(gateway.world.hospital, version=ssl.TLSVersion.TLSv1_2)
            for _ in range(6):
                with gateway.connect(context=old) as other:
                    assert other.get().status == 200
            assert client.get().status == 200
        (tmp_path / "refuse").unlink()
        assert gateway.reload()["ok"]
        eventually(lambda: all(gone(pid) for pid in pids.values()))
        with pytest.raises(ssl.SSLError):
            gateway.connect(context=old)
