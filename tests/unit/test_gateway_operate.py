"""Commands to a running gateway: which one is meant, and what comes of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import last_run, operate
from gateway.admin_client import AdminClient
from gateway.operate import FailedError, Running, find
from monitoring.centre import ReloadResult, ReloadUnderWayError
from settings.errors import ConfigError
from settings.types import Address
from tests.support.fake_admin import AdminServer, FakeCentre

NODE = "127.0.0.1:18101"


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETTLEGATE_STATE", str(tmp_path / "state"))


@pytest.fixture
def server() -> Iterator[AdminServer]:
    with AdminServer(FakeCentre()) as running:
        yield running


def _running(server: AdminServer) -> Running:
    return Running(AdminClient(Address("127.0.0.1", server.port)), None)


def _closed_port() -> Address:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return Address(*sock.getsockname()[:2])


def test_the_address_given_goes_first(tmp_path: Path) -> None:
    last_run.remember(tmp_path / "a.yaml", "127.0.0.1:2", os.getpid())
    running = find(Address("127.0.0.1", 1), tmp_path / "a.yaml")
    assert running.client.address == Address("127.0.0.1", 1)
    assert running.last is None  # another gateway: its process is not the one to signal


def test_the_address_given_may_be_that_of_the_last_run(tmp_path: Path) -> None:
    last_run.remember(tmp_path / "a.yaml", "127.0.0.1:2", os.getpid())
    assert find(Address("127.0.0.1", 2), None).last is not None


def test_without_arguments_it_is_the_last_run(tmp_path: Path) -> None:
    last_run.remember(tmp_path / "a.yaml", "[::1]:2", os.getpid())
    assert find(None, None).client.address == Address("::1", 2)


def test_without_arguments_and_memory_there_is_nothing_to_ask(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="give --admin"):
        find(None, None)
    last_run.remember(tmp_path / "a.yaml", "nonsense", os.getpid())
    with pytest.raises(FailedError, match="damaged"):
        find(None, None)


def test_a_configuration_names_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bind = {"value": Address("127.0.0.1", 19901)}

    class Admin:
        @property
        def bind(self) -> Address:
            return bind["value"]

    class Loaded:
        admin = Admin()

    monkeypatch.setattr("gateway.config.load_gateway", lambda path: Loaded())
    path = tmp_path / "gateway.yaml"
    last_run.remember(tmp_path / "other.yaml", "127.0.0.1:2", os.getpid())
    running = find(None, path)
    assert (running.client.address, running.last) == (Address("127.0.0.1", 19901), None)

    bind["value"] = Address("127.0.0.1", 0)
    with pytest.raises(FailedError, match="leaves the port open"):
        find(None, path)
    last_run.remember(path, "127.0.0.1:3", os.getpid())
    running = find(None, path)
    assert running.client.address == Address("127.0.0.1", 3)
    assert running.last is not None


def test_a_broken_configuration_says_where(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("admin: [\n")
    with pytest.raises(ConfigError, match=r"gateway\.yaml"):
        find(None, path)


def test_status_for_programs(server: AdminServer, capsys: pytest.CaptureFixture[str]) -> None:
    operate.status(_running(server), as_json=True, watch=False)
    assert json.loads(capsys.readouterr().out)["settlement"]["nodes"][NODE]["state"] == "up"


def test_status_for_people(server: AdminServer, capsys: pytest.CaptureFixture[str]) -> None:
    operate.status(_running(server), as_json=False, watch=False)
    out = capsys.readouterr().out
    assert NODE in out
    assert "检查全部通过" in out


def test_watching_outlives_a_restart_of_the_gateway(
    server: AdminServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = iter([RuntimeError("broken"), None, KeyboardInterrupt()])

    def pause(_: float) -> None:
        turn = next(turns)
        if isinstance(turn, KeyboardInterrupt):
            raise turn
        server.centre.fault = turn

    monkeypatch.setattr("gateway.operate.time.sleep", pause)
    with pytest.raises(KeyboardInterrupt):
        operate.status(_running(server), as_json=False, watch=True)
    text = capsys.readouterr().out
    assert text.count("1/2 正常 up") == 2
    assert text.index("1/2") < text.index("the request failed inside the gateway") < text.rindex("1/2")


def test_draining_without_waiting(server: AdminServer, capsys: pytest.CaptureFixture[str]) -> None:
    operate.drain(_running(server), "settlement", NODE, None)
    assert server.centre.nodes["settlement"][NODE]["state"] == "draining"
    assert "3 个进行中 in flight" in capsys.readouterr().out


def test_waiting_ends_when_the_node_is_empty(server: AdminServer, capsys: pytest.CaptureFixture[str]) -> None:
    def finish() -> None:
        server.centre.nodes["settlement"][NODE]["requests"] = 0

    timer = threading.Timer(0.3, finish)
    timer.start()
    operate.drain(_running(server), "settlement", NODE, 30)
    timer.join()
    assert server.centre.nodes["settlement"][NODE]["requests"] == 0
    assert "已排空 empty" in capsys.readouterr().out


def test_waiting_ends_when_the_node_is_gone(server: AdminServer, capsys: pytest.CaptureFixture[str]) -> None:
    timer = threading.Timer(0.3, server.centre.nodes["settlement"].pop, (NODE,))
    timer.start()
    operate.drain(_running(server), "settlement", NODE, 30)
    timer.join()
    assert "已排空 empty" in capsys.readouterr().out


def test_waiting_ends_in_time(server: AdminServer) -> None:
    with pytest.raises(FailedError, match=r"still 3 in flight after 0\.1 s"):
        operate.drain(_running(server), "settlement", NODE, 0.1)


def test_a_node_is_made_ready(server: AdminServer, capsys: pytest.CaptureFixture[str]) -> None:
    operate.ready(_running(server), "settlement", "[::1]:18102")
    assert "[::1]:18102: up: 检查全部通过 all checks pass" in capsys.readouterr().out


def test_a_wrong_name_is_answered_with_the_right_ones(server: AdminServer) -> None:
    with pytest.raises(FailedError, match='did you mean "settlement"'):
        operate.drain(_running(server), "setlement", NODE, None)
    with pytest.raises(FailedError, match=r"known nodes of pool settlement: 127\.0\.0\.1:18101"):
        operate.ready(_running(server), "settlement", "zzz")


def test_a_reload_that_succeeds(server: AdminServer, capsys: pytest.CaptureFixture[str]) -> None:
    operate.reload(_running(server))
    out = capsys.readouterr().out
    assert "pool clinic added" in out
    assert "generation 2 is in force" in out


def test_a_reload_that_is_refused_shows_every_problem(server: AdminServer) -> None:
    server.centre.result = ReloadResult(False, 7, ("gateway.yaml:1:1: a", "gateway.yaml:2:1: b"))
    with pytest.raises(FailedError) as caught:
        operate.reload(_running(server))
    lines = str(caught.value).splitlines()
    assert lines[:2] == ["gateway.yaml:1:1: a", "gateway.yaml:2:1: b"]
    assert "generation 7 stays in force" in lines[2]


def test_a_reload_during_another(server: AdminServer) -> None:
    server.centre.result = ReloadUnderWayError()
    with pytest.raises(FailedError, match="another reload has not ended yet"):
        operate.reload(_running(server))


def test_a_reload_falls_back_to_a_signal_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = _closed_port()
    code = "import signal; signal.signal(signal.SIGHUP, lambda *_: exit(42)); print('on', flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"on\n"
        last_run.remember(tmp_path / "a.yaml", str(address), child.pid)
        operate.reload(find(None, None))
        assert child.wait(10) == 42
    out = capsys.readouterr().out
    assert "Connection refused" in out
    assert f"sent SIGHUP to process {child.pid}" in out


def test_a_process_that_only_has_the_number_is_not_signalled(tmp_path: Path) -> None:
    address = _closed_port()
    last_run.remember(tmp_path / "a.yaml", str(address), os.getpid())
    last = last_run.recall()
    assert last is not None
    heard: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _: heard.append(number))
    try:
        other = last_run.LastRun(last.config, last.admin, last.pid, last.started + 1)
        with pytest.raises(FailedError, match="the gateway last run here has ended"):
            operate.reload(Running(AdminClient(address), other))
        with pytest.raises(FailedError, match="Connection refused"):
            operate.reload(Running(AdminClient(address), None))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert heard == []
