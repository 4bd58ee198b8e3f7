"""python -m bench: measure nginx, HAProxy and the gateway side by side."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import capacity
from bench.certificates import certificates
from bench.errors import BenchError
from bench.meter import FULL, QUICK
from bench.places import RESULTS, WORK
from bench.programs import programs
from bench.proxies import PROXIES
from bench.proxies.setting import most_connections
from bench.run import measure
from bench.show import show
from bench.stage import Cores, Tools
from bench.workloads import WORKLOADS, Workload


def main(arguments: Sequence[str] | None = None) -> int:
    """0: measured, whether targets were met or not. 1: a proxy failed, or could not be measured. 2: wrong use."""
    options = _parser().parse_args(arguments)
    if options.list:
        for workload in WORKLOADS:
            print(
                f"{workload.name:10} {workload.title} ({workload.unit}){'' if workload.quick else ' - not in --quick'}"
            )
        return 0
    chosen = _possible(_workloads(options))
    names = _named(options.proxies, list(PROXIES), "--proxies")
    try:
        cores = Cores.of_this_machine()
        os.sched_setaffinity(0, cores.load)  # this driver: never on the core of the proxy
        work: Path = options.work.resolve()
        tools = Tools(programs(work / "programs"), certificates(work / "certificates"), cores, work)
        pace = QUICK if options.quick else FULL
        rounds = options.rounds or (1 if options.quick else 3)
        outcome = measure(tools, chosen, names, rounds=rounds, pace=pace, tell=_tell)
        whole = len(chosen) == len(WORKLOADS) and len(names) == len(PROXIES) and rounds >= 3 and not options.quick
        folder = options.results or (RESULTS if whole else work / "results")
        show(outcome, chosen, names, rounds, folder)
        if folder == RESULTS:
            capacity.write()
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    for failure in outcome.failures:
        print(f"bench: FAILED {failure}", file=sys.stderr)
    return 1 if outcome.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, epilog="See bench/README.md.")
    parser.add_argument("--list", action="store_true", help="name the workloads and end")
    parser.add_argument(
        "--quick", action="store_true", help="one short round without the scaling rows: about two minutes"
    )
    parser.add_argument("--only", metavar="NAMES", help="these workloads alone, with commas between")
    parser.add_argument("--proxies", metavar="NAMES", default=",".join(PROXIES), help=f"default: {','.join(PROXIES)}")
    parser.add_argument("--rounds", metavar="N", type=int, help="default: 3")
    parser.add_argument(
        "--results",
        metavar="DIR",
        type=Path,
        help="where table and plot go; default: bench/results for a whole run, else bench/work/results",
    )
    parser.add_argument(
        "--work", metavar="DIR", type=Path, default=WORK, help="programs, certificates, logs: %(default)s"
    )
    return parser


def _workloads(options: argparse.Namespace) -> list[Workload]:
    if options.only:
        names = _named(options.only, [workload.name for workload in WORKLOADS], "--only")
        return [workload for workload in WORKLOADS if workload.name in names]
    return [workload for workload in WORKLOADS if workload.quick or not options.quick]


def _possible(workloads: list[Workload]) -> list[Workload]:
    """Without those that need more descriptors than there are; it is said, and the run is no whole one then."""
    most = most_connections()
    for workload in workloads:
        if workload.connections > most:
            print(
                f"bench: {workload.name} left out: at most {most:,} connections with this limit of files (ulimit -Hn)"
            )
    return [workload for workload in workloads if workload.connections <= most]


def _named(text: str, known: Sequence[str], option: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in known]:
        print(f"bench: {option}: {', '.join(unknown)}: not one of {', '.join(known)}", file=sys.stderr)
        raise SystemExit(2)
    return names


def _tell(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
