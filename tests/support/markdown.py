"""Pages of the documentation as tests read them: what they show is run, and what they say it prints is compared.

A page's ```sh blocks are commands to copy; a ```text block behind one is what it prints, see `matches`.
Blocks of other kinds (```console, ```yaml) are for the reader alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANY_LINES = r"(?:.*\n)*?"
_MARK = "=== end of block {} ==="


class Block(NamedTuple):
    kind: str
    text: str


class Step(NamedTuple):
    """Commands and what they print; None: whatever they do."""

    commands: str
    prints: str | None


def blocks(page: Path) -> list[Block]:
    return [Block(*found.groups()) for found in _FENCE.finditer(page.read_text(encoding="utf-8"))]


def steps(page: Path) -> list[Step]:
    found: list[Step] = []
    before = ""
    for kind, text in blocks(page):
        if kind == "sh":
            found.append(Step(text, None))
        elif kind == "text" and before == "sh":
            found[-1] = found[-1]._replace(prints=text)
        before = kind
    return found


def walk(page: Path, folder: Path, *, replace: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Run the page's commands in one shell in `folder`, as a reader would; AssertionError at the first surprise.

    `replace`: addresses of the page and those that are free here.
    """
    todo = steps(page)
    script = "set -eu\n" + "\n".join(f"{step.commands}echo '{_MARK.format(at)}'" for at, step in enumerate(todo))
    done, output, complaints = _run(adapted(script, replace), folder, environment)
    pieces = re.split(r"^=== end of block \d+ ===\n", output, flags=re.MULTILINE)
    if done:
        logs = "".join(f"{log.name}:\n{log.read_text(errors='replace')}" for log in sorted(folder.glob("*.log")))
        raise AssertionError(f"{page.name}, block {len(pieces)}: exit status {done}\n{output}\n{complaints}\n{logs}")
    for step, printed in zip(todo, pieces, strict=False):
        if step.prints is not None:
            assert matches(step.prints, printed), f"{page.name}: {step.commands}prints\n{printed}not\n{step.prints}"


def adapted(text: str, replace: Mapping[str, str]) -> str:
    for written, meant in replace.items():
        text = text.replace(written, meant)
    return text


def matches(said: str, printed: str) -> bool:
    """`…` stands for anything within a line, alone on a line for any lines; blanks at line ends do not count."""
    pattern = "".join(_ANY_LINES if line.strip() == "…" else _line(line) for line in said.splitlines())
    text = "".join(f"{line.rstrip()}\n" for line in printed.rstrip().splitlines())
    return re.fullmatch(pattern, text) is not None


def _line(said: str) -> str:
    return ".*".join(re.escape(piece) for piece in said.rstrip().split("…")) + r"\n"


def _run(script: str, folder: Path, environment: Mapping[str, str]) -> tuple[int, str, str]:
    """Ends whatever the script has left running, too."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, "HOME": str(folder), "LC_ALL": "C.UTF-8", **environment}
    process = subprocess.Popen(
        ["sh", "-c", script],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, complaints = process.communicate(timeout=PATIENCE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, output, complaints
