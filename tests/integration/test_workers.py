"""Several workers: each accepts, none takes the others with it, and whoever dies is replaced."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.answers import after, ok
from tests.support.client import Client
from tests.support.gateway import Gateway, eventually
from tests.support.nodes import RecordingNode
from tests.support.operations import Held, Load, Operated, gone, refused

ANSWERED = 'settlegate_requests_total{code="200",pool="settlement"}'
OPEN = 'settlegate_connections{listener="settlement"}'
CHECKED = {"checks": [{"tcp": {}, "interval": "1s", "timeout": "500ms"}]}


@pytest.fixture
def node() -> Iterator[RecordingNode]:
    with RecordingNode(ok(b"settled"), store=False) as node:
        yield node


@pytest.fixture
def gateway(tmp_path: Path, node: RecordingNode) -> Iterator[Operated]:
    """Two workers, one of which is missed for a while when it dies."""
    gateway = Operated(tmp_path, nodes=[node.address], workers=2, pool=CHECKED)
    gateway.constants = {"crew.RESPAWN_AFTER": 1.5}
    with gateway:
        yield gateway.settled()


def connect_to(gateway: Operated, pid: int, stack: ExitStack) -> Client:
    """A connection that this very worker has."""

    def attempt() -> Client | None:
        client = stack.enter_context(gateway.connect())
        return client if gateway.worker_of(client) == pid else None

    found: Client = eventually(attempt)  # type: ignore[assignment]
    return found


def test_both_workers_accept(gateway: Operated) -> None:
    with ExitStack() as stack:
        for pid in gateway.worker_pids().values():
            assert connect_to(gateway, pid, stack).get().status == 200


def test_a_worker_killed_under_load_is_missed_by_nobody_else(gateway: Operated, node: RecordingNode) -> None:
    victim, other = gateway.worker_pids().values()
    with ExitStack() as stack:
        survivors = [connect_to(gateway, other, stack) for _ in range(3)]
        doomed = connect_to(gateway, victim, stack)
        assert doomed.get().status == 200
        os.kill(victim, signal.SIGKILL)
        dead = time.monotonic()
        while time.monotonic() < dead + 2.0:  # until the replacement is there, and beyond
            for client in survivors:
                assert client.get().body == b"settled"
        assert doomed.closed()
        eventually(lambda: gateway.worker_pids().get(0) not in (None, victim))
        replacement = gateway.worker_pids()[0]
        assert connect_to(gateway, replacement, stack).get().status == 200
        assert gateway.worker_pids()[1] == other


def test_new_connections_do_not_hang_while_workers_are_missing(tmp_path: Path, node: RecordingNode) -> None:
    """Most of them are dealt to the sockets of the dead: a living one accepts there, too, and so does its stand-in."""
    gateway = Operated(tmp_path, nodes=[node.address], workers=3)
    gateway.constants = {"crew.RESPAWN_AFTER": 60.0}
    with gateway:
        first, second, third = gateway.settled().worker_pids().values()
        for pid in (first, second):
            os.kill(pid, signal.SIGKILL)
            eventually(lambda pid=pid: gone(pid))  # type: ignore[misc]
            with ExitStack() as stack:
                for _ in range(20):  # all on the living one by chance: once in 3,000 times at most
                    assert stack.enter_context(gateway.connect()).get().status == 200
        with gateway.connect() as client:
            assert gateway.worker_of(client) == third


def test_connections_that_waited_in_a_dead_workers_queue_are_served(gateway: Operated, node: RecordingNode) -> None:
    victim, other = gateway.worker_pids().values()
    for pid in (victim, other):
        os.kill(pid, signal.SIGSTOP)  # nobody accepts: all of these wait in the kernel
    with ExitStack() as stack:
        waiting = [stack.enter_context(gateway.plain()) for _ in range(12)]
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: gone(victim))
        os.kill(other, signal.SIGCONT)
        for raw in waiting:
            context = gateway.context(gateway.world.hospital)
            client = Client(context.wrap_socket(raw, server_hostname="127.0.0.1"))
            assert client.get().status == 200
            client.sock.close()


def test_a_dead_workers_gauges_are_cleared_and_its_counters_kept(gateway: Operated, node: RecordingNode) -> None:
    victim, other = gateway.worker_pids().values()
    with ExitStack() as stack:
        busy, calm = connect_to(gateway, victim, stack), connect_to(gateway, other, stack)
        for client in (busy, calm):
            for _ in range(3):
                assert client.get().status == 200
        answered = eventually(lambda: gateway.metric(ANSWERED) == 6 and 6.0)
        connected = gateway.metric(OPEN)
        node.answer = after(30, b"")
        busy.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: gateway.node(node.address)["requests"] == 1)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: gateway.node(node.address)["requests"] == 0)
        assert gateway.metric(ANSWERED) == answered
        assert 1 <= gateway.metric(OPEN) < connected
        assert gateway.metric("settlegate_worker_restarts_total") == 1
        gateway.settled()
        node.answer = ok(b"settled")
        assert connect_to(gateway, gateway.worker_pids()[0], stack).get().status == 200
        eventually(lambda: gateway.metric(ANSWERED) > answered)


def test_a_worker_that_keeps_dying_is_started_less_and_less_often(tmp_path: Path, node: RecordingNode) -> None:
    with Operated(tmp_path, nodes=[node.address], workers=2) as gateway:
        begun = time.monotonic()
        for _ in range(3):
            pid = eventually(lambda: gateway.worker_pids().get(0)) or 0
            os.kill(pid, signal.SIGKILL)
            eventually(lambda pid=pid: gateway.worker_pids().get(0) != pid)  # type: ignore[misc]
        eventually(lambda: gateway.worker_pids().get(0))
        # None, 0.8 s, 1.6 s: the pauses before it is started again.
        assert time.monotonic() - begun > 2.4
        with gateway.connect() as client:
            assert client.get().status == 200


def test_all_workers_dead_at_once_are_all_replaced(tmp_path: Path, node: RecordingNode) -> None:
    with Operated(tmp_path, nodes=[node.address], workers=2) as gateway:
        gateway.settled()
        before = gateway.all_worker_pids()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: len(gateway.all_worker_pids() - before) == 2)
        gateway.settled()
        with gateway.connect() as client:
            assert client.get().status == 200
        assert gateway.metric("settlegate_worker_restarts_total") == 2


# ---- control


def states(gateway: Gateway) -> dict[str, str]:
    nodes = gateway.get("/api/v1/pools")["settlement"]["nodes"]
    return {address: view["state"] for address, view in nodes.items()}


def test_without_control_traffic_goes_on_and_it_comes_back_as_it_was(tmp_path: Path) -> None:
    with RecordingNode(ok(b"settled")) as up, RecordingNode() as dead, RecordingNode() as drained:
        dead.stop()
        gateway = Operated(tmp_path, nodes=[up.address, dead.address, drained.address], workers=2, pool=CHECKED)
        gateway.constants = {"crew.RESPAWN_AFTER": 1.0}
        with gateway:
            wanted = {up.address: "up", dead.address: "down", drained.address: "draining"}
            gateway.post(f"/api/v1/pools/settlement/nodes/{drained.address}/drain")
            eventually(lambda: states(gateway) == wanted)
            control = gateway.control()
            with Load(gateway) as load:
                os.kill(control, signal.SIGKILL)
                eventually(lambda: gone(control))
                load.more()
                eventually(lambda: gateway.processes().get("sg control") not in (None, control))
                # The first answer it gives: nothing was forgotten, though no probe can have told it by now.
                assert eventually(lambda: states(gateway)) == wanted
                load.more()
            assert not load.failures
            assert not drained.requests
            assert gateway.metric("settlegate_worker_restarts_total") == 0
            assert gateway.metric("settlegate_config_reload_success") == 1
            gateway.post(f"/api/v1/pools/settlement/nodes/{drained.address}/ready")
            eventually(lambda: states(gateway)[drained.address] == "up")


def test_control_back_after_a_refused_reload_still_says_that_it_was_refused(gateway: Operated) -> None:
    good = gateway.path.read_text()
    gateway.path.write_text("listeners: {")
    gateway.reload(expect=False)
    control = gateway.control()
    os.kill(control, signal.SIGKILL)
    eventually(lambda: gateway.processes().get("sg control") not in (None, control))
    assert eventually(lambda: gateway.get("/metrics"))
    assert gateway.metric("settlegate_config_reload_success") == 0
    gateway.path.write_text(good)
    gateway.reload()
    assert gateway.metric("settlegate_config_reload_success") == 1


# ---- the supervisor


def test_without_the_supervisor_everybody_finishes_and_goes(gateway: Operated, node: RecordingNode) -> None:
    node.answer = held = Held()
    control, workers = gateway.control(), gateway.all_worker_pids()
    with gateway.connect() as client, gateway.connect() as idle:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        node.wait_for(1)
        os.kill(gateway.pid, signal.SIGKILL)
        eventually(lambda: refused(gateway.port()))
        eventually(lambda: gone(control))
        held.release.set()
        answer = client.response()
        assert (answer.status, answer.body, answer.value("connection")) == (200, b"slow but whole", "close")
        assert idle.closed()
    eventually(lambda: all(gone(pid) for pid in workers), within=10)
