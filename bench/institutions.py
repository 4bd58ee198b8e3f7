"""python -m bench.institutions: what the gateway costs by the number of institutions alone, without any traffic.

Time to start and to reload, resident memory of each process, the size and time of both pages of metrics, and what
`control` uses while nothing happens. Prints a Markdown table; docs/capacity.md has one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final

import yaml

from bench.certificates import Certificates, certificates
from bench.errors import BenchError
from bench.places import ROOT, WORK, free_port
from bench.processes import Program, cpu_of, eventually, memory_of
from bench.table import markdown_table, number
from gateway.board_layout import Capacity, Row

COUNTS: Final = (2, 2_000, 20_000)
WORKERS: Final = 2
QUIET: Final = 10.0
"""Seconds over which the idle processor time of `control` is taken."""
TRIES: Final = 5
MIB: Final = 2**20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.institutions", description=__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=COUNTS, help="institutions; default: %(default)s")
    options = parser.parse_args()
    columns: list[dict[str, str]] = []
    try:
        pki = certificates(WORK / "certificates")
        for count in options.counts:
            columns.append(measure(count, pki))
            print(columns[-1], flush=True)
    except BenchError as error:
        print(f"bench.institutions: {error}", file=sys.stderr)
        return 1
    header = ["institutions", *(f"{count:,}" for count in options.counts)]
    print(markdown_table((header, [[name, *(column[name] for column in columns)] for name in columns[0]])))
    return 0


def measure(count: int, pki: Certificates) -> dict[str, str]:
    """One gateway from its start to its end. Raises BenchError."""
    folder = WORK / "institutions" / str(count)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path, admin = folder / "gateway.yaml", f"http://127.0.0.1:{free_port()}"
    path.write_text(_configuration(count, pki, admin), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SETTLEGATE_STATE": str(folder / "state")}
    command = [sys.executable, "-m", "gateway"]
    checked = _timed(
        lambda: subprocess.run([*command, "check", path], env=environment, check=True, stdout=subprocess.DEVNULL)
    )
    with (folder / "log").open("wb") as log:
        began = time.monotonic()
        with Program(
            "gateway",
            [*command, "run", str(path)],
            cores=os.sched_getaffinity(0),
            output=log,
            environment=environment,
        ) as program:
            eventually("ready", lambda: bool(_get(f"{admin}/readyz")), within=120)
            started = time.monotonic() - began
            page = _get(f"{admin}/metrics")
            institutions = _get(f"{admin}/metrics/institutions")
            found = {
                "`settlegate check`": f"{number(checked)} s",
                "start, until `/readyz` is 200": f"{number(started)} s",
                "reload without a change": f"{number(_median(lambda: _post(f'{admin}/api/v1/reload')))} s",
                "`/metrics`": _page(page, _median(lambda: _get(f"{admin}/metrics"))),
                "`/metrics/institutions`": _page(institutions, _median(lambda: _get(f"{admin}/metrics/institutions"))),
                "`control` while nothing happens": _idle(program),
            }
            found |= _memory(program)
            found["one row of the scoreboard"] = f"{Row.octets(Capacity()) / MIB:.1f} MiB mapped"
    return found


def _configuration(count: int, pki: Certificates, admin: str) -> str:
    return yaml.dump(
        {
            "workers": WORKERS,
            "listeners": {
                "settlement": {
                    "bind": f"127.0.0.1:{free_port()}",
                    "certificate": str(pki.server),
                    "key": str(pki.server_key),
                    "trust": {"anchors": [str(pki.anchor)], "institution_id": "subject.UID"},
                }
            },
            "institutions": {f"H41{n:07d}": {"name": f"医院 {n}"} for n in range(count)},
            "routes": [{"name": "claims", "path": "/claims/", "pool": "settlement"}],
            "pools": {"settlement": {"nodes": [{"address": f"127.0.2.{n}:9"} for n in range(1, 4)]}},
            "admin": {"bind": admin.removeprefix("http://")},
            "log": {"access": "none"},
        },
        Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper),
        allow_unicode=True,
    )


def _memory(program: Program) -> dict[str, str]:
    """Proportional: what processes share counts once, in parts."""
    found: dict[str, list[float]] = {}
    for pid in program.family():
        name = Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip().removeprefix("sg ").split()[0]
        found.setdefault(name, []).append(memory_of(pid).pss / MIB)
    return {f"{name}, resident": f"{number(max(sizes))} MiB" for name, sizes in sorted(found.items())}


def _idle(program: Program) -> str:
    (pid,) = (p for p in program.family() if Path(f"/proc/{p}/comm").read_text(encoding="ascii") == "sg control\n")
    before = cpu_of(pid)
    time.sleep(QUIET)
    return f"{(cpu_of(pid) - before).total / QUIET:.2%} of a core"


def _page(page: bytes, seconds: float) -> str:
    series = sum(1 for line in page.splitlines() if line and not line.startswith(b"#"))
    return f"{series:,} series, {number(len(page) / 1024)} KiB, {number(seconds * 1e3)} ms"


def _timed(task: Callable[[], object]) -> float:
    began = time.perf_counter()
    task()
    return time.perf_counter() - began


def _median(task: Callable[[], object]) -> float:
    return sorted(_timed(task) for _ in range(TRIES))[TRIES // 2]


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=120) as answer:
        body: bytes = answer.read()
    return body


def _post(url: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=120) as answer:
        body: bytes = answer.read()
    return body


if __name__ == "__main__":
    raise SystemExit(main())
