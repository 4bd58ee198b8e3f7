"""What a process that holds ticket keys does to keep them to itself."""

from __future__ import annotations

import ctypes
import logging
import resource
from typing import Final

log = logging.getLogger("settlegate.hardening")

_PR_SET_DUMPABLE: Final = 4
_PR_SET_PDEATHSIG: Final = 1


def no_memory_dumps() -> None:
    """No core file and no ptrace by the same user: who reads a ticket key can be any institution (prctl(2))."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        log.warning("PR_SET_DUMPABLE could not be cleared: errno %d", ctypes.get_errno())


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send `signal_number` when the parent ends, even by SIGKILL."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def raise_open_files() -> int:
    """Take the whole of the hard limit; returns the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else max(soft, 1_048_576)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft
