"""Starting programs on given cores, and what they use: processor time and memory, from /proc."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from bench.errors import BenchError

_CPUCLOCK_SCHED: Final = 2
_TICK: Final = 1.0 / os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)
_PATIENCE: Final = 15.0


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of processor time. `total` is the scheduler's, to the nanosecond; the kernel splits it by ticks."""

    total: float = 0.0
    user: float = 0.0
    system: float = 0.0

    def __add__(self, other: Cpu) -> Cpu:
        return Cpu(self.total + other.total, self.user + other.user, self.system + other.system)

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(self.total - other.total, self.user - other.user, self.system - other.system)


@dataclass(frozen=True, slots=True)
class Memory:
    """Octets resident. Pages that several processes share count once in `pss` and in each of them in `rss`."""

    rss: int = 0
    pss: int = 0

    def __add__(self, other: Memory) -> Memory:
        return Memory(self.rss + other.rss, self.pss + other.pss)


class Program:
    """One started program with all its descendants."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        cores: Iterable[int],
        output: IO[bytes] | int,
        errors: IO[bytes] | int = subprocess.STDOUT,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        talks: bool = False,
    ) -> None:
        """`talks`: we write to its standard input and read its standard output."""
        allowed = set(cores)

        def prepare() -> None:
            os.sched_setaffinity(0, allowed)
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

        self.name = name
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talks else output,
            stderr=errors,
            env=dict(environment) if environment is not None else None,
            cwd=folder,
            preexec_fn=prepare,  # noqa: PLW1509 - the driver has one thread
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Program {self.name} pid={self.child.pid} code={self.child.poll()}>"

    def family(self) -> list[int]:
        """Process ids: itself and everything below it."""
        ids, unread = [], [self.child.pid]
        while unread:
            pid = unread.pop()
            ids.append(pid)
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    unread += map(int, (task / "children").read_text(encoding="ascii").split())
        return ids

    def cpu(self) -> Cpu:
        return sum(map(cpu_of, self.family()), Cpu())

    def memory(self) -> Memory:
        return sum(map(memory_of, self.family()), Memory())

    def stop(self) -> None:
        """SIGTERM, then patience, then SIGKILL to whatever is left of the family."""
        family = [(pid, _began(pid)) for pid in self.family()]
        if self.child.poll() is None:
            self.child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(_PATIENCE)
        for pid, began in family:
            if began and _began(pid) == began and not (pid == self.child.pid and self.child.poll() is not None):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.child.wait(_PATIENCE)
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def eventually(what: str, is_so: Callable[[], bool], *, within: float = _PATIENCE) -> None:
    """Ask until it is so. Raises BenchError with the last failure's words."""
    deadline = time.monotonic() + within
    last: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if is_so():
                return
        except OSError as error:
            last = error
        time.sleep(0.02)
    raise BenchError(f"{what}: not within {within:g} s{f' ({last})' if last else ''}")


def busy(cores: Iterable[int]) -> float:
    """Seconds that these cores have worked since the machine started, for whomever; stolen time included."""
    wanted = {f"cpu{core}" for core in cores}
    ticks = 0
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *fields = line.split()
        if name in wanted:
            user, nice, system, _idle, _waiting, interrupts, soft, stolen = map(int, fields[:8])
            ticks += user + nice + system + interrupts + soft + stolen
    return ticks * _TICK


def cpu_of(pid: int) -> Cpu:
    try:
        # The process's own clock (clock_getcpuclockid(3)): what utime and stime add up to, but to the nanosecond.
        total = time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
        fields = _stat(pid)
    except OSError:
        return Cpu()  # it has ended meanwhile
    return Cpu(total, int(fields[11]) * _TICK, int(fields[12]) * _TICK)


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; the name before it may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _began(pid: int) -> str:
    """With the process id, what no other process has."""
    try:
        return _stat(pid)[19]
    except OSError:
        return ""


def memory_of(pid: int) -> Memory:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return Memory()
    sizes = {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines[1:] if line.endswith(" kB")}
    return Memory(sizes["Rss"], sizes["Pss"])
