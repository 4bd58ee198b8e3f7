"""The load client and the node: compiled from bench/c when their sources have changed, never kept in git."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.errors import BenchError
from bench.places import ROOT

_SOURCES: Final = ROOT / "bench" / "c"
_FLAGS: Final = ("-O2", "-g", "-Wall", "-Wextra", "-Werror")
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian keeps proxies in folders that a user's PATH may lack."""


@dataclass(frozen=True, slots=True)
class Programs:
    """What we have compiled."""

    load: Path
    node: Path


def installed(name: str) -> str:
    """Path of a program; raises BenchError with what to do."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise BenchError(f"{name} is not installed; as root: sh bench/debian-packages.sh")
    return found


def programs(folder: Path) -> Programs:
    """Raises BenchError if they do not compile."""
    folder.mkdir(parents=True, exist_ok=True)
    load = _compiled(folder, "load", ["load.c", "client.c", "institutions.c", "report.c"], ["-lssl", "-lcrypto"])
    return Programs(load, _compiled(folder, "node", ["node.c"], []))


def _compiled(folder: Path, name: str, sources: list[str], libraries: list[str]) -> Path:
    digest = hashlib.sha256(" ".join(_FLAGS).encode())
    for path in sorted(_SOURCES.iterdir()):
        digest.update(path.read_bytes())
    program = folder / f"{name}-{digest.hexdigest()[:16]}"
    if not program.exists():
        for old in folder.glob(f"{name}-*"):
            old.unlink()
        unfinished = folder / f"{name}.unfinished"
        command = [
            installed("gcc"),
            *_FLAGS,
            "-o",
            str(unfinished),
            *(str(_SOURCES / source) for source in sources),
            *libraries,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"{name} does not compile (libssl-dev installed?):\n{done.stderr}")
        unfinished.replace(program)
    return program
