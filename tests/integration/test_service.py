"""Under a service manager: it is told how things go, the real logrotate rotates the log, and SIGTERM is enough."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.answers import ok
from tests.support.gateway import eventually
from tests.support.nodes import RecordingNode
from tests.support.operations import Operated

LOGROTATE = Path(__file__).parents[2] / "deploy/logrotate.d/settlegate"


@pytest.fixture
def node() -> Iterator[RecordingNode]:
    with RecordingNode(ok(b"settled"), store=False) as node:
        yield node


@pytest.fixture
def gateway(tmp_path: Path, node: RecordingNode) -> Operated:
    return Operated(tmp_path, nodes=[node.address], workers=2)


def break_the_file(gateway: Operated) -> None:
    gateway.path.write_text("listeners: [", encoding="utf-8")


# ---- what systemd hears


def test_it_is_told_of_the_start_of_reloads_and_of_the_stop(
    gateway: Operated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

        def heard() -> list[str]:
            return ear.recv(4096).decode().split("\n")

        with gateway:
            ready, status = heard()
            assert ready == "READY=1"
            assert status == f"STATUS=generation 1 is in force, admin on {gateway.admin}"
            assert gateway.get("/readyz").startswith("accepting: 2 workers"), "ready is when everybody accepts"
            gateway.hangup()
            assert heard()[0] == "RELOADING=1"
            assert heard() == ["READY=1", "STATUS=generation 2 is in force"]
            break_the_file(gateway)
            gateway.reload(expect=False)
            assert heard()[0] == "RELOADING=1"
            assert heard() == ["READY=1", "STATUS=generation 2 stays in force: the last reload was refused"]
            environment = Path(f"/proc/{gateway.control()}/environ").read_bytes()
            assert b"NOTIFY_SOCKET" not in environment, "its children must not speak for it"
            assert gateway.stop() == 0
            assert heard()[0] == "STOPPING=1"


# ---- the log


def settle(gateway: Operated) -> None:
    """Until each worker has written a line."""
    lines = _lines(gateway.access_path)
    for _ in range(8):
        with gateway.connect() as client:
            assert client.get().status == 200
    eventually(lambda: _lines(gateway.access_path) == lines + 8)


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="logrotate is not installed")
@pytest.mark.parametrize("sound", [True, False], ids=["sound", "broken"])
def test_logrotate_gives_every_line_a_file(gateway: Operated, tmp_path: Path, sound: bool) -> None:
    """With a configuration that is refused as well: nobody looks at it in the night, and the old file is compressed."""
    with gateway:
        gateway.settled()
        settle(gateway)
        if not sound:
            break_the_file(gateway)
        rotate(gateway, tmp_path)
        old = eventually(lambda: [path for path in tmp_path.glob("access.log-*") if path.suffix != ".gz"])[0]
        eventually(lambda: gateway.lines("is in force after|stays in force"))
        eventually(lambda: not holders(gateway, old))
        settle(gateway)
        assert (_lines(old), _lines(gateway.access_path)) == (8, 8)
        assert bool(gateway.lines("reload refused")) is not sound


def rotate(gateway: Operated, folder: Path) -> None:
    """The file in deploy/, with the paths, the user and the signal of this test."""
    text = LOGROTATE.read_text(encoding="utf-8")
    for ours, theirs in (
        ("/var/log/settlegate/*.log", str(gateway.access_path)),
        ("    su settlegate settlegate\n", ""),
        ("create 0640 settlegate settlegate", "create 0640"),
        ("systemctl kill --kill-who=main --signal=HUP settlegate.service", f"kill -HUP {gateway.pid}"),
    ):
        assert text.count(ours) == 1, ours
        text = text.replace(ours, theirs)
    file = folder / "logrotate.conf"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o644)
    done = subprocess.run(
        ["logrotate", "--force", "--state", str(folder / "state-of-logrotate"), str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def holders(gateway: Operated, path: Path) -> list[int]:
    """Workers that still have the file open."""
    return [
        pid
        for pid in gateway.workers()
        if any(fd.exists() and fd.samefile(path) for fd in Path(f"/proc/{pid}/fd").iterdir())
    ]


# ---- how the unit stops it


def test_sigterm_to_the_supervisor_alone_is_enough(gateway: Operated) -> None:
    """KillMode=mixed."""
    with gateway:
        gateway.settled()
        family = gateway.processes()
        os.kill(gateway.pid, signal.SIGTERM)
        assert gateway.process is not None
        assert gateway.process.wait(20) == 0
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family.values()))
