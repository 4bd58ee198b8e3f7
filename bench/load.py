"""The load client (bench/c/load.c) as the driver sees it: start, ready, mark, stop."""

from __future__ import annotations

import json
import select
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from bench.certificates import Certificates
from bench.errors import BenchError
from bench.processes import Program

_PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Report:
    """What the client has counted since its start, but the latencies: since the report before."""

    at_ns: int
    cpu_ns: int
    answers: int
    octets: int
    opened: int
    resumed: int
    failures: int
    first_at_ns: int
    """When requests began to flow."""
    last_at_ns: int
    """The newest answer."""
    latencies: int
    p50_us: float
    p99_us: float
    max_us: float
    first_failures: tuple[str, ...]


class Load:
    """One run of the client; a context manager."""

    def __init__(
        self, program: Path, certificates: Certificates, port: int, cores: Sequence[int], options: Sequence[str]
    ) -> None:
        command = [str(program), "--target", f"127.0.0.1:{port}", "--certificates", str(certificates.institutions)]
        self._program = Program(
            "load", [*command, *options], cores=cores, output=subprocess.PIPE, errors=subprocess.PIPE, talks=True
        )
        self._unread = b""

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self._program.stop()
        assert self._program.child.stderr is not None
        self._program.child.stderr.close()

    def ready(self) -> Report:
        """Connections are open, tickets are there."""
        return self._read("ready")

    def mark(self) -> Report:
        self._say("mark")
        return self._read("mark")

    def stop(self) -> Report:
        """Every request under way has been answered, or counts as a failure."""
        self._say("stop")
        return self._read("end")

    def rush(self) -> Report:
        self._say("go")
        return self._read("end")

    def _say(self, command: str) -> None:
        pipe = self._program.child.stdin
        assert pipe is not None
        try:
            pipe.write(command.encode() + b"\n")
            pipe.flush()
        except BrokenPipeError:
            raise BenchError(f"the load client has ended: {self._complaint()}") from None

    def _read(self, what: str) -> Report:
        line = self._line(time.monotonic() + _PATIENCE)
        report: dict[str, Any] = json.loads(line)
        said = report.pop("what")
        report["first_failures"] = tuple(report["first_failures"])
        parsed = Report(**report)
        if said != what:
            raise BenchError(f"load: {said}: {parsed.failures} failures: {'; '.join(parsed.first_failures)}")
        return parsed

    def _line(self, deadline: float) -> bytes:
        pipe: IO[bytes] | None = self._program.child.stdout
        assert pipe is not None
        while b"\n" not in self._unread:
            readable, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise BenchError(f"the load client says nothing for {_PATIENCE:g} s")
            octets = pipe.read1(65536)  # type: ignore[attr-defined] # a BufferedReader
            if not octets:
                raise BenchError(f"the load client has ended: {self._complaint()}")
            self._unread += octets
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _complaint(self) -> str:
        child = self._program.child
        child.wait(5)
        assert child.stderr is not None
        return child.stderr.read().decode(errors="replace").strip() or f"exit code {child.returncode}"
