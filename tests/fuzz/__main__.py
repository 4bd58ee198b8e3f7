"""`make fuzz`: every target for a while, one process each; what reaches something new joins the corpus."""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz import targets

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
FINDINGS = HERE.parent.parent / ".fuzz"
LONGEST = 4096
"""Octets of an input: the corpus stays small, and the limits of heads are tried by the narrow ones."""


def command(name: str, seconds: int, *folders: Path, findings: Path = FINDINGS) -> list[str]:
    """One target; what it finds new goes into the first folder, what breaks an invariant into `findings`."""
    return [
        *(
            sys.executable,
            "-m",
            "tests.fuzz.one",
            f"--target={name}",
            f"-max_total_time={seconds}",
            f"-max_len={LONGEST}",
        ),
        *("-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", f"-artifact_prefix={findings}/{name}-"),
        *(f"-dict={HERE / 'words.txt'}", *map(str, folders)),
    ]


def keep(name: str, new: Path) -> None:
    """Of the saved inputs and the new ones, the smallest that reach all that any of them reaches."""
    with tempfile.TemporaryDirectory() as chosen:
        merge = [*command(name, 0, Path(chosen), CORPUS / name, new), "-merge=1", "-use_counters=0"]
        subprocess.run(merge, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        there = {file.read_bytes() for file in (CORPUS / name).iterdir()}
        for file in Path(chosen).iterdir():
            if file.read_bytes() not in there:
                shutil.copy(file, CORPUS / name / file.name[:12])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("names", nargs="*", metavar="TARGET", help=", ".join(targets.TARGETS))
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print(
            "atheris is not there; it comes with the test requirements where it has wheels (x86-64, Python 3.11-3.13)"
        )
        return 2
    FINDINGS.mkdir(exist_ok=True)
    failed = []
    with tempfile.TemporaryDirectory() as fresh:
        running = {}
        for name in options.names or targets.TARGETS:
            new = Path(fresh, name)
            new.mkdir()
            with (FINDINGS / f"{name}.log").open("wb") as log:
                arguments = command(name, options.seconds, new, CORPUS / name)
                running[name] = subprocess.Popen(arguments, stdout=log, stderr=subprocess.STDOUT)
        for name, process in running.items():
            if process.wait():
                failed.append(name)
            keep(name, Path(fresh, name))
            tail = (FINDINGS / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
            print(f"{name}: {'FAILED' if name in failed else 'nothing found'}", *tail, sep="\n    ")
    if failed:
        print(f"what broke an invariant is in {FINDINGS}; put it into the corpus with the fix")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
