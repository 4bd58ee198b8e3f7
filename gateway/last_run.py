"""Where the gateway that was started here last can be reached: so that `settlegate status` needs no arguments.

A convenience and nothing more: no part of the running gateway reads it, and a home that cannot be written is no
reason not to start.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_NAME: Final = "last-run.json"


@dataclass(frozen=True, slots=True)
class LastRun:
    """What was remembered."""

    config: Path
    admin: str
    """HOST:PORT as the admin API is really bound."""
    pid: int
    """Of the supervisor."""
    started: int
    """When that process began, in clock ticks since boot: the number may belong to another process by now."""

    def running(self) -> bool:
        """That very process is still there."""
        return self.started > 0 and _started(self.pid) == self.started


def folder() -> Path:
    """$SETTLEGATE_STATE, else $XDG_STATE_HOME/settlegate, else ~/.local/state/settlegate. RuntimeError: no home."""
    if own := os.environ.get("SETTLEGATE_STATE"):
        return Path(own)
    if state := os.environ.get("XDG_STATE_HOME"):
        return Path(state) / "settlegate"
    return Path.home() / ".local" / "state" / "settlegate"


def remember(config: Path, admin: str, pid: int) -> bool:
    """False if there is nowhere to write it; whoever asks then has to say --admin."""
    run = LastRun(config.resolve(), admin, pid, _started(pid))
    text = json.dumps({**asdict(run), "config": str(run.config)}) + "\n"
    try:
        place = folder()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Written aside and renamed: a reader sees the old run or the new one, never half of it.
        handle, name = tempfile.mkstemp(prefix=_NAME, dir=place)
    except (OSError, RuntimeError):
        return False
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(place / _NAME)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        return False
    return True


def recall() -> LastRun | None:
    """None if nothing was remembered, or what is there is not what `remember` writes."""
    try:
        data = json.loads((folder() / _NAME).read_text(encoding="utf-8"))
        return LastRun(Path(data["config"]), str(data["admin"]), int(data["pid"]), int(data["started"]))
    except (OSError, RuntimeError, ValueError, LookupError, TypeError):
        return None


def _started(pid: int) -> int:
    """Field 22 of /proc/PID/stat, 0 if there is no such process. The name before it may hold blanks and brackets."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(text.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0
