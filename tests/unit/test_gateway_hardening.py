"""What is asked of the kernel holds; each in a process of its own, because it cannot be taken back."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.hardening import (
    die_with_parent,
    let_signals_through,
    name_process,
    no_memory_dumps,
    raise_open_files,
    signals_held,
)

PR_GET_DUMPABLE = 3


def in_fork(task: Callable[[], object]) -> int:
    """Exit status: 0 if the task returned something true, 1 if not, 2 if it raised, minus the signal that ended it."""
    pid = os.fork()
    if not pid:
        code = 2
        try:
            code = 0 if task() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_no_core_and_nobody_of_the_same_user_may_look_in() -> None:
    def task() -> bool:
        no_memory_dumps()
        dumpable = ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)
        return dumpable == 0 and resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)

    assert in_fork(task) == 0


def test_a_crash_leaves_no_core_behind() -> None:
    def task() -> None:
        no_memory_dumps()
        os.kill(os.getpid(), signal.SIGQUIT)

    pid = os.fork()
    if not pid:
        task()
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert os.WTERMSIG(status) == signal.SIGQUIT
    assert not os.WCOREDUMP(status)


def test_its_own_descriptors_are_still_open_to_it() -> None:
    """The scoreboard and the access log go through /proc/self/fd."""

    def task() -> bool:
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        no_memory_dumps()
        fd = os.memfd_create("x")
        return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY) > fd

    assert in_fork(task) == 0


def test_a_child_ends_with_its_parent() -> None:
    reader, writer = os.pipe()

    def parent() -> bool:
        here = os.getpid()
        if not os.fork():
            die_with_parent(signal.SIGKILL, here)
            os.write(writer, b"1")
            time.sleep(60)
            os._exit(0)
        os.close(writer)
        return os.read(reader, 1) == b"1"

    assert in_fork(parent) == 0
    os.close(writer)
    assert os.read(reader, 1) == b"", "the grandchild holds the pipe no more"
    os.close(reader)


def test_a_parent_that_has_ended_before_is_not_waited_for() -> None:
    def task() -> bool:
        die_with_parent(signal.SIGKILL, 1 << 22)
        return True

    assert in_fork(task) == -signal.SIGKILL


def test_the_limit_of_open_files_is_raised_to_the_hard_one() -> None:
    def task() -> bool:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        return raise_open_files() == hard == resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    assert in_fork(task) == 0


def test_a_limit_that_cannot_be_raised_is_no_reason_not_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("not allowed")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_open_files() == 64


def test_a_signal_around_a_fork_waits_until_the_child_lets_it_through() -> None:
    arrived: list[int] = []

    def task() -> bool:
        signal.signal(signal.SIGTERM, lambda number, _: arrived.append(number))
        with signals_held():
            pid = os.fork()
            if not pid:
                os.kill(os.getpid(), signal.SIGTERM)
                held = not arrived
                let_signals_through()
                os._exit(0 if held and arrived == [signal.SIGTERM] else 1)
            os.kill(os.getpid(), signal.SIGTERM)
            held = not arrived
        through = arrived == [signal.SIGTERM]
        return held and through and os.waitpid(pid, 0)[1] == 0

    assert in_fork(task) == 0


def test_a_child_keeps_holding_them_after_the_block() -> None:
    def task() -> bool:
        with signals_held():
            pid = os.fork()
        if not pid:
            os.kill(os.getpid(), signal.SIGTERM)  # would end it
            os._exit(0)
        return os.waitpid(pid, 0)[1] == 0

    assert in_fork(task) == 0


def test_a_process_has_a_name() -> None:
    def task() -> bool:
        name_process("sg worker 12")
        return Path("/proc/self/comm").read_text() == "sg worker 12\n"

    assert in_fork(task) == 0
