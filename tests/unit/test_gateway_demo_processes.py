"""Children end with the demo, in order if they can, by force if they must, their own children included."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from gateway.demo.processes import Child, NotReady, end_all, until


def start(code: str, folder: Path) -> Child:
    return Child("child", [sys.executable, "-c", code], folder / "log", os.environ)


def wait_for_log(child: Child, text: str) -> str:
    deadline = time.monotonic() + 20
    while text not in (words := child.last_words()):
        assert time.monotonic() < deadline, words
        time.sleep(0.01)
    return words


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_child_ends_in_order(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('ordered', flush=True), sys.exit(0)))\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    child = start(code, tmp_path)
    wait_for_log(child, "ready")
    assert child.running
    end_all([child], 20)
    assert not child.running
    assert child.last_words() == "ready\nordered"


def test_one_that_does_not_is_killed_with_its_children(tmp_path: Path) -> None:
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print('inner', inner.pid, 'end', flush=True); time.sleep(60)"
    )
    child = start(code, tmp_path)
    inner = int(wait_for_log(child, "end").split()[1])
    end_all([child], 0.05)
    assert not child.running
    deadline = time.monotonic() + 10
    while not is_gone(inner):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_ending_twice_and_killing_the_dead_is_harmless(tmp_path: Path) -> None:
    child = start("pass", tmp_path)
    child.kill()
    child.terminate()
    end_all([child], 0.0)
    assert not child.running


def test_until_says_what_it_waited_for() -> None:
    looks = iter([False, True])

    async def look() -> bool:
        return next(looks)

    async def never() -> bool:
        return False

    assert asyncio.run(until(look, "it", 5.0)) >= 0
    with pytest.raises(NotReady, match=r"the moon: not within 0\.01 s"):
        asyncio.run(until(never, "the moon", 0.01))
