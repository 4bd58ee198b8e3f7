"""What the processes ask of the kernel: to keep memory to themselves, to end with their parent, to hold signals."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import resource
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("settlegate.hardening")

_PR_SET_DUMPABLE: Final = 4
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_MOST_OPEN_FILES: Final = 1_048_576
"""Taken where there is no hard limit; also the kernel's own default of fs.nr_open."""
_HELD: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def name_process(name: str) -> None:
    """What `ps` and `top` show of it; at most 15 octets."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def no_memory_dumps() -> None:
    """No core file and no ptrace by the same user: who reads a ticket key can be any institution (prctl(2))."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if _prctl(_PR_SET_DUMPABLE, 0):
        log.warning("PR_SET_DUMPABLE could not be cleared: errno %d", ctypes.get_errno())


def die_with_parent(signal_number: int, parent: int | None = None) -> None:
    """Have the kernel send `signal_number` when the parent ends, even by SIGKILL.

    `parent`: its process id, known before the fork; when it has ended since, the signal is sent here and now.
    """
    _prctl(_PR_SET_PDEATHSIG, signal_number)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal_number)


def raise_open_files() -> int:
    """Take the whole of the hard limit; returns the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else max(soft, _MOST_OPEN_FILES)
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError) as error:
            log.warning("%d open files at most: the limit could not be raised to %d: %s", soft, wanted, error)
        else:
            soft = wanted
    return soft


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Around a fork: the child is not ended by a signal before it has said what it does with it.

    In the child nothing is let through again by the end of the block, but by `let_signals_through`.
    """
    here = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        if os.getpid() == here:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_signals_through() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)


def _prctl(option: int, value: int) -> int:
    return int(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0))
