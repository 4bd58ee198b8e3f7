"""A child is told things and is ended, but never one that is no longer ours."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.channel import Channel
from gateway.children import CONTROL, Child, start_control
from gateway.scoreboard import Scoreboard
from tests.support.operations import own_descriptors


@pytest.fixture
def child() -> Iterator[Child]:
    """A process that does nothing, and its channel, which it does not read."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    ours, theirs = Channel.pair()
    yield Child("worker 0", process.pid, ours, index=0, row=0)
    process.kill()
    process.wait()
    ours.close()
    theirs.close()


def ended(child: Child, within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        time.sleep(0.005)
    return False


def test_one_that_has_stopped_reading_is_ended_and_nobody_waits_for_it(child: Child) -> None:
    begun = time.monotonic()
    told = 0
    while child.tell("reloaded", lines="x" * 1000):
        told += 1
    assert told > 10
    assert time.monotonic() - begun < 5
    assert ended(child)


def test_one_that_is_gone_is_neither_told_nor_killed(child: Child) -> None:
    child.gone = True  # and its process id is somebody else's by now
    assert not child.tell("commit")
    child.kill(signal.SIGKILL)
    assert not ended(child, within=0.2)


def test_a_process_that_vanished_is_no_error() -> None:
    ours, theirs = Channel.pair()
    Child("worker 0", (1 << 22) - 1, ours).kill(signal.SIGTERM)
    ours.close()
    theirs.close()


def test_the_earlier_deadline_counts(child: Child) -> None:
    child.end_by(20.0)
    child.end_by(10.0)
    child.end_by(30.0)
    assert child.kill_at == 10.0


def test_control_is_started_with_four_kinds_of_descriptors_and_not_from_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Whoever may write into the directory the gateway is started in must not run code in `control`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit(99)")
    board = Scoreboard.create(2)
    admin = socket.create_server(("127.0.0.1", 0))
    started: list[Any] = []

    class Popen(subprocess.Popen[bytes]):
        def __init__(self, arguments: list[str], **options: Any) -> None:
            started.append((arguments, options))
            super().__init__([*arguments, "--help"], stdout=subprocess.DEVNULL, **options)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    before = own_descriptors()
    child = start_control(board, admin)
    try:
        assert (child.name, child.index, child.row) == ("control", CONTROL, CONTROL)
        assert os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]) == 0, "--help, and no json of somebody else's"
        ((_, options),) = started
        assert len(options["pass_fds"]) == 1 + 1 + 1 + 2, "channel, admin, page, rows"
        child.channel.close()
    finally:
        admin.close()
        board.close()
    assert own_descriptors() <= before


def test_a_control_that_cannot_be_started_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Scoreboard.create(1)
    admin = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    before = own_descriptors()
    with pytest.raises(OSError, match="No such file"):
        start_control(board, admin)
    assert own_descriptors() == before
    admin.close()
    board.close()
