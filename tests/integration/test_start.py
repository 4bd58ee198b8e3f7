"""The start: it serves when it is fit to serve, or says in a line why it does not start, and leaves nothing behind."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.answers import ok
from tests.support.gateway import HOSPITAL, eventually
from tests.support.nodes import RecordingNode
from tests.support.operations import Operated


@pytest.fixture
def node() -> Iterator[RecordingNode]:
    with RecordingNode(ok(b"settled"), store=False) as node:
        yield node


def ends(gateway: Operated, within: float = 15) -> tuple[int, list[str]]:
    """Exit status, and what was said without its time and place."""
    process = gateway.launch(own_session=True)
    try:
        code = process.wait(within)
    except subprocess.TimeoutExpired:
        gateway.__exit__(None, None, None)
        raise
    eventually(lambda: _alive_in_session(process.pid) == [], within=5)
    assert "Traceback" not in gateway.log()
    return code, [re.sub(r"^.*?\]\s", "", line) for line in gateway.log().splitlines()]


def _alive_in_session(session: int) -> list[str]:
    """Processes started by one that had a session to itself."""
    found = subprocess.run(
        ["ps", "-o", "stat=,pid=,args=", "-s", str(session)], capture_output=True, text=True, check=False
    )
    return [line for line in found.stdout.splitlines() if not line.startswith("Z")]


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        gateway = Operated(tmp_path, listener={"bind": ["127.0.0.1:0", address]})
        code, said = ends(gateway)
    assert code == 1
    assert said == [
        f"{address}: Address already in use",
        f"not started; `settlegate check {gateway.path}` shows everything that is wrong",
    ]


def test_a_port_is_not_shared_with_another_gateway(tmp_path: Path, node: RecordingNode) -> None:
    """Both would get a part of the clients: the kernel allows it, because the sockets of our workers share ports."""
    with Operated(tmp_path / "one", nodes=[node.address]) as first:
        second = Operated(tmp_path / "two", nodes=[node.address], listener={"bind": f"127.0.0.1:{first.port()}"})
        code, said = ends(second)
        assert (code, said[0]) == (1, f"127.0.0.1:{first.port()}: Address already in use")
        with first.connect() as client:
            assert client.get().status == 200


def test_a_second_instance_of_the_same_configuration_stops_at_the_admin_address(
    tmp_path: Path, node: RecordingNode
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    gateway = Operated(tmp_path, nodes=[node.address], admin={"bind": f"127.0.0.1:{port}"})
    with gateway:
        second = Operated(tmp_path / "second", admin={"bind": f"127.0.0.1:{port}"})
        code, said = ends(second)
        assert (code, said[0]) == (1, f"127.0.0.1:{port}: Address already in use")
        assert gateway.get("/readyz").startswith("accepting")


def test_a_broken_file_is_refused_with_everything_that_is_wrong(tmp_path: Path) -> None:
    gateway = Operated(tmp_path)
    gateway.config["pools"]["settlement"]["polcy"] = "least_connections"
    gateway.config["routes"][0]["pool"] = "nowhere"
    code, said = ends(gateway)
    assert code == 1
    assert any("polcy" in line for line in said)
    assert any("nowhere" in line for line in said)
    assert len(said) == 3


@pytest.mark.parametrize(
    ("listener", "told"),
    [
        ({"key": "pki/gone.key"}, "pki/gone.key: No such file or directory"),
        ({"key": "pki/hospital.key"}, "listeners.settlement: certificate or key cannot be used"),
    ],
    ids=["no key", "another key"],
)
def test_files_that_cannot_be_used_are_refused(tmp_path: Path, listener: dict[str, str], told: str) -> None:
    code, said = ends(Operated(tmp_path, listener=listener))
    assert code == 1
    assert any(told in line for line in said), said


def test_an_admin_address_others_could_reach_is_refused(tmp_path: Path) -> None:
    code, said = ends(Operated(tmp_path, admin={"bind": "0.0.0.0:0"}))
    assert code == 1
    assert any("admin.bind" in line and "loopback" in line for line in said), said


def test_a_process_that_cannot_be_started_is_said_in_one_line(tmp_path: Path) -> None:
    gateway = Operated(tmp_path)
    gateway.patch = """
def fails(*_):
    raise BlockingIOError(11, "Resource temporarily unavailable")
crew.start_control = fails
"""
    code, said = ends(gateway)
    assert (code, said[0]) == (1, "[Errno 11] Resource temporarily unavailable")


def test_a_list_that_cannot_be_read_does_not_stop_the_start(tmp_path: Path, node: RecordingNode) -> None:
    """There is nothing to go on with instead: it starts, says so, and lets nobody in whom it cannot judge."""
    gateway = Operated(tmp_path, nodes=[node.address])
    gateway.world.crl.unlink()
    with gateway:
        assert gateway.lines("WARNING .*pki/ca.crl: No such file")
        with gateway.connect() as client:
            answer = client.get()
            assert answer.status == 403
            assert b"crl_missing" in answer.body
        gateway.world.revoke()
        gateway.reload()
        with gateway.connect() as client:
            assert client.get().status == 200


def test_traffic_begins_behind_the_first_probes(tmp_path: Path, node: RecordingNode) -> None:
    """The first request of all finds the nodes judged, though the second probe is ten seconds away."""
    with RecordingNode() as dead:
        dead.stop()
        checks = {"checks": [{"http": {"path": "/health"}, "interval": "10s", "timeout": "1s"}]}
        with Operated(tmp_path, nodes=[dead.address, node.address], pool=checks) as gateway:
            for _ in range(4):
                with gateway.connect() as client:
                    assert client.get().status == 200
            assert "are not judged yet" not in gateway.log()


def test_nodes_that_do_not_answer_the_first_probe_delay_the_start_by_seconds_only(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        checks = {"checks": [{"http": {"path": "/"}, "interval": "20s", "timeout": "19s"}]}
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        with Operated(tmp_path, nodes=[address], pool=checks) as gateway:
            assert time.monotonic() - begun < 12
            assert gateway.lines("1 nodes are not judged yet")
            with gateway.connect() as client:
                answer = client.get()
                assert (answer.status, answer.value("retry-after") is not None) == (503, True)


@pytest.mark.timeout(120)
def test_two_thousand_institutions_start_and_reload_quickly(tmp_path: Path, node: RecordingNode) -> None:
    gateway = Operated(tmp_path, nodes=[node.address], workers=2, institutions_from="institutions/*.yaml")
    folder = tmp_path / "institutions"
    folder.mkdir()
    everybody = {f"H{number:09}": {"name": f"第{number}医院", "limits": {"requests": 50}} for number in range(2000)}
    (folder / "hospitals.yaml").write_text(yaml.safe_dump(everybody, allow_unicode=True))
    begun = time.monotonic()
    with gateway:
        started = time.monotonic() - begun
        with gateway.connect() as client:
            assert client.get().status == 200
        everybody["H410300099"] = {"name": "新医院"}
        (folder / "hospitals.yaml").write_text(yaml.safe_dump(everybody, allow_unicode=True))
        quickest = min(_reload_time(gateway) for _ in range(2))
        with gateway.connect(gateway.world.issue("new", uid="H410300099")) as client:
            assert client.get().status == 200
    assert HOSPITAL in gateway.config["institutions"]
    assert quickest < 1.5, quickest
    assert started < 15, started


def _reload_time(gateway: Operated) -> float:
    begun = time.monotonic()
    gateway.reload()
    return time.monotonic() - begun


def test_the_command_finds_the_gateway_that_was_started_last(tmp_path: Path, node: RecordingNode) -> None:
    with Operated(tmp_path, nodes=[node.address]) as gateway:
        done = gateway.command("status", "--json")
        assert (done.returncode, node.address in done.stdout) == (0, True)
    assert gateway.command("status").returncode == 1
