"""`settlegate demo --once` tells its story within its time, leaves nothing behind, and would notice a failure."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.demo import stage as stage_module
from gateway.demo.processes import NotReady, command_line
from gateway.demo.stage import Stage

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def naming(folder: Path) -> list[bytes]:
    """Command lines of living processes that name the folder."""
    lines = (command_line(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [line for line in lines if str(folder).encode() in line]


def test_the_tour_succeeds_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "gateway", "demo", "--once", "--keep", str(folder)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✗") == 0
    assert len(re.findall(r"^✓ ", done.stdout, re.MULTILINE)) == 9
    for line in ("丢失 lost 0", "重复结算 settled twice 0", "结果不符 differing 0"):
        assert line in done.stdout
    sent = re.search(r"发出 sent (\d+)  已结算 settled (\d+)", done.stdout)
    assert sent is not None
    assert sent[1] == sent[2]
    assert int(sent[1]) > 100
    assert "curl" in done.stdout
    assert "least_connections" in done.stdout  # the configuration is shown
    assert naming(folder) == []
    assert (folder / "gateway.yaml").exists()


def test_ended_from_outside_it_takes_everything_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    command = [sys.executable, "-m", "gateway", "demo", "--once", "--keep", str(folder)]
    demo = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    with demo:
        assert demo.stdout is not None
        assert any(line.startswith("✓") for line in demo.stdout)  # the first act is over: everything runs
        assert len(naming(folder)) > 4
        demo.send_signal(signal.SIGTERM)
        demo.stdout.read()
        assert demo.wait(30) == 130
    assert naming(folder) == []


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    command = [sys.executable, "-m", "gateway", "demo", "--once", "--keep", str(tmp_path)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "not empty" in " ".join(done.stdout.split())  # lines are wrapped to the width
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_gateway_that_does_not_start_is_said_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [sys.executable, "-c", "import sys; sys.exit('no such luck')"]
    monkeypatch.setattr(stage_module, "settlegate", lambda _command: broken)

    async def run() -> None:
        async with Stage(tmp_path):
            pytest.fail("entered without a gateway")

    start = time.monotonic()
    with pytest.raises(NotReady, match="no such luck"):
        asyncio.run(run())
    assert time.monotonic() - start < stage_module.READY_WITHIN
    assert naming(tmp_path) == []
