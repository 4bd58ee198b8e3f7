"""When there are no file descriptors left: the worker waits, says so, and goes on when there are some again."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.answers import ok
from tests.support.gateway import eventually
from tests.support.nodes import RecordingNode
from tests.support.operations import Operated

ROOM = 12


@pytest.fixture
def node() -> Iterator[RecordingNode]:
    with RecordingNode(ok(b"settled"), store=False) as node:
        yield node


@pytest.fixture
def starved(tmp_path: Path, node: RecordingNode) -> Iterator[Operated]:
    """Room for a dozen clients in its only worker, and more than that have come."""
    with Operated(tmp_path, nodes=[node.address], listener={"timeouts": {"handshake": "60s"}}) as gateway:
        (pid,) = gateway.settled().workers()
        used = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
        free = [number for number in range(max(used) + ROOM + 2) if number not in used]
        psutil.Process(pid).rlimit(resource.RLIMIT_NOFILE, (free[ROOM], free[ROOM]))
        yield gateway


def crowd(gateway: Operated, size: int) -> list[socket.socket]:
    return [socket.create_connection(("127.0.0.1", gateway.port()), timeout=20) for _ in range(size)]


def test_it_says_so_once_and_serves_again_when_some_are_free(starved: Operated) -> None:
    with starved.connect() as client:
        assert client.get().status == 200
        many = crowd(starved, ROOM + 8)
        eventually(lambda: starved.lines("cannot accept: Too many open files"))
        assert client.get().status == 200, "whoever is connected is served"
        late = socket.create_connection(("127.0.0.1", starved.port()), timeout=20)  # the kernel keeps it for us
        for raw in many:
            raw.close()
        eventually(lambda: starved.lines("accepting again"))
        late.close()
        with starved.connect() as other:
            assert other.get().status == 200
    assert len(starved.lines("cannot accept")) <= 3
    assert "Traceback" not in starved.log()


def test_a_revocation_is_taken_up_all_the_same(starved: Operated) -> None:
    """Else whoever is to be locked out had only to open many connections first."""
    world = starved.world
    with starved.connect(world.pharmacy) as pharmacy, starved.connect() as hospital:
        assert pharmacy.get().status == hospital.get().status == 200
        many = crowd(starved, ROOM + 8)
        eventually(lambda: starved.lines("cannot accept: Too many open files"))
        world.revoke(world.pharmacy)
        starved.reload()
        assert pharmacy.closed()
        assert hospital.get().status == 200
        for raw in many:
            raw.close()
    assert starved.metric("settlegate_worker_restarts_total") == 0


def test_a_new_listener_for_which_there_is_no_room_is_refused(starved: Operated) -> None:
    many = crowd(starved, ROOM + 8)
    eventually(lambda: starved.lines("cannot accept: Too many open files"))
    second = starved.config["listeners"]["settlement"] | {
        "bind": ["127.0.0.1:0"] + [f"127.0.1.{n}:0" for n in range(40)]
    }
    starved.config["listeners"]["second"] = second
    starved.write()
    assert starved.reload(expect=False)["problems"] == ["too many open files to take new sockets"]
    del starved.config["listeners"]["second"]
    starved.write()
    assert starved.reload()["ok"]
    for raw in many:
        raw.close()
