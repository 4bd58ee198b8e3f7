"""The end: what is in flight is finished, nobody new is let in, and no process stays behind."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.answers import hangs, ok
from tests.support.client import Client
from tests.support.gateway import Gateway, eventually
from tests.support.nodes import RecordingNode
from tests.support.operations import Held, Operated, gone, refused


@pytest.fixture
def node() -> Iterator[RecordingNode]:
    with RecordingNode(ok(b"settled")) as node:
        yield node


@pytest.fixture
def gateway(tmp_path: Path, node: RecordingNode) -> Iterator[Operated]:
    with Operated(tmp_path, nodes=[node.address], workers=2) as gateway:
        yield gateway.settled()


def everybody(gateway: Operated) -> set[int]:
    return set(gateway.processes().values())


def status(gateway: Gateway) -> int:
    """Exit status of the gateway, once it has ended."""
    assert gateway.process is not None
    return gateway.process.wait(15)


def test_sigterm_finishes_what_is_in_flight_and_lets_nobody_else_in(gateway: Operated, node: RecordingNode) -> None:
    family = everybody(gateway)
    node.answer = held = Held()
    with gateway.connect() as busy, gateway.connect() as idle, gateway.connect() as silent:
        assert silent.sock  # says nothing: it is not waited for longer than its moment
        busy.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        node.wait_for(1)
        os.kill(gateway.pid, signal.SIGTERM)
        eventually(lambda: refused(gateway.port()), within=1.0)
        # An idle client whose request was on its way has a moment, and learns that this was the last one.
        node.answer = ok(b"just in time")
        late = idle.get("/late")
        assert (late.status, late.body, late.value("connection")) == (200, b"just in time", "close")
        assert idle.closed()
        assert _readyz(gateway) == (503, "draining")
        assert silent.closed()
        held.release.set()
        answer = busy.response()
        assert (answer.status, answer.body, answer.complete) == (200, b"slow but whole", True)
        assert answer.value("connection") == "close"
        assert busy.closed()
    assert status(gateway) == 0
    eventually(lambda: all(gone(pid) for pid in family))
    assert len(gateway.access(status=200)) == 2


def _readyz(gateway: Gateway) -> tuple[int, str]:
    with socket.create_connection(("127.0.0.1", int(gateway.admin.rpartition(":")[2])), timeout=5) as raw:
        raw.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        data = b""
        while piece := raw.recv(4096):
            data += piece
    head, _, body = data.decode().partition("\r\n\r\n")
    return int(head.split()[1]), body.strip()


def test_a_tunnel_does_not_hold_the_end_up(gateway: Operated, node: RecordingNode) -> None:
    node.answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    fields = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13")
    with gateway.connect() as client:
        assert client.get("/ws", *fields).status == 101
        begun = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - begun < 6
        assert client.closed()


def test_a_second_sigterm_ends_at_once(gateway: Operated, node: RecordingNode) -> None:
    family = everybody(gateway)
    node.answer = hangs
    with gateway.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        node.wait_for(1)
        os.kill(gateway.pid, signal.SIGTERM)
        eventually(lambda: refused(gateway.port()))
        assert gateway.process is not None
        assert gateway.process.poll() is None
        os.kill(gateway.pid, signal.SIGTERM)
        assert status(gateway) == 0
    eventually(lambda: all(gone(pid) for pid in family))


def test_ctrl_c_is_sigterm_for_all_of_them(tmp_path: Path, node: RecordingNode) -> None:
    """A terminal sends it to the whole group; only the supervisor acts on it."""
    gateway = Operated(tmp_path, nodes=[node.address], workers=2)
    gateway.launch(own_session=True)
    try:
        eventually(gateway._is_ready)
        gateway.settled()
        family = everybody(gateway)
        node.answer = held = Held()
        with gateway.connect() as busy:
            busy.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            node.wait_for(1)
            os.killpg(gateway.pid, signal.SIGINT)
            eventually(lambda: refused(gateway.port()))
            held.release.set()
            assert busy.response().body == b"slow but whole"
        assert status(gateway) == 0
        eventually(lambda: all(gone(pid) for pid in family))
        assert "Traceback" not in gateway.log()
    finally:
        gateway.__exit__(None, None, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_during_the_start_ends_it_in_order(tmp_path: Path, number: int) -> None:
    """While `control` looks at nodes that do not answer: nothing serves yet, and nothing stays behind."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        checks = {"checks": [{"http": {"path": "/"}, "interval": "9s", "timeout": "8s"}]}
        gateway = Operated(tmp_path, nodes=[address], workers=2, pool=checks)
        gateway.launch(own_session=True)
        try:
            eventually(lambda: "sg control" in gateway.processes())
            family = everybody(gateway)
            os.killpg(gateway.pid, number)
            assert status(gateway) == 0
            eventually(lambda: all(gone(pid) for pid in family))
            assert "Traceback" not in gateway.log()
            assert "not started" not in gateway.log()
        finally:
            gateway.__exit__(None, None, None)


def test_a_worker_that_hangs_does_not_hold_the_end_up_for_ever(tmp_path: Path, node: RecordingNode) -> None:
    gateway = Operated(tmp_path, nodes=[node.address], workers=2)
    gateway.constants = {"crew.DRAIN": 1.0, "crew.GRACE": 0.5}
    with gateway:
        stopped = gateway.settled().worker_pids()[1]
        os.kill(stopped, signal.SIGSTOP)
        os.kill(gateway.pid, signal.SIGTERM)
        assert status(gateway) == 0
        assert gone(stopped)
        assert gateway.lines("is overdue and is killed")


def test_who_waits_in_the_accept_queue_is_served_before_the_listeners_close(
    gateway: Operated, node: RecordingNode
) -> None:
    """More than one turn of the loop takes: the kernel has told them that they are connected."""

    pids = gateway.all_worker_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    waiting = [socket.create_connection(("127.0.0.1", gateway.port()), timeout=10) for _ in range(60)]
    try:
        os.kill(gateway.pid, signal.SIGTERM)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        context = gateway.context(gateway.world.hospital)
        for raw in waiting:
            client = Client(context.wrap_socket(raw, server_hostname="127.0.0.1"))
            assert client.get().status == 200
            client.sock.close()
    finally:
        for raw in waiting:
            raw.close()
    assert status(gateway) == 0
