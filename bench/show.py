"""What a run leaves behind: tables on the terminal, and table.md, results.json and the plot in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console

from bench.machine import machine
from bench.plot import plot
from bench.rows import curves, rows
from bench.run import Outcome
from bench.table import curve_cells, main_cells, markdown, print_table, rate_cells
from bench.workloads import Workload

QUIET: Final = 0.10
"""Of a core: what may run beside a measurement."""


def show(outcome: Outcome, workloads: Sequence[Workload], names: Sequence[str], rounds: int, folder: Path) -> None:
    found, scales = rows(outcome.samples, workloads, rounds, names), curves(outcome.samples)
    rates = rate_cells(outcome.samples, workloads, names)
    facts = machine()
    how = _how(rounds, outcome)
    console = Console(width=None if Console().is_terminal else 180)
    if found:
        print_table(console, f"medians of {rounds} round{'s' if rounds > 1 else ''}", main_cells(found, names))
    if rates[1]:
        print_table(console, "rate, user + system", rates)
    for curve in scales:
        print_table(console, curve.title, curve_cells(curve))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.md").write_text(markdown(found, scales, rates, names, facts, how), encoding="utf-8")
    results = {
        "machine": facts,
        "rounds": rounds,
        "half_load_per_second": outcome.half_load,
        "rows": [asdict(row) for row in found],
        "curves": [asdict(curve) for curve in scales],
        "samples": {
            workload: {proxy: [asdict(sample) for sample in samples] for proxy, samples in by_proxy.items()}
            for workload, by_proxy in outcome.samples.items()
        },
        "failures": outcome.failures,
    }
    (folder / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if not plot(found, scales, names, _caption(facts, rounds), folder / "plot"):
        console.print("[dim]no plot: matplotlib is not installed (pip install '.[bench]')[/dim]")
    console.print(how.replace("**", ""), highlight=False)
    console.print(f"[dim]{folder}[/dim]", highlight=False)


def _caption(facts: Mapping[str, str], rounds: int) -> str:
    return (
        f"nginx {facts['nginx']} · HAProxy {facts['HAProxy']} · {facts['processor']} · {facts['kernel']}\n"
        "one worker on one core, load and nodes on another (rush hour: two workers, everybody on both) · "
        f"median of {rounds} interleaved round{'s' if rounds > 1 else ''}"
    )


def _how(rounds: int, outcome: Outcome) -> str:
    text = (
        f"Medians of {rounds} interleaved round{'s' if rounds > 1 else ''}. Smaller is better everywhere. "
        "CPU is user + system of all processes of a proxy. A ratio is ours to the better of nginx and HAProxy."
    )
    if outcome.half_load:
        text += f" Half load: {outcome.half_load:,.0f} claims per second."
    samples = [sample for by_proxy in outcome.samples.values() for found in by_proxy.values() for sample in found]
    others = median([sample.others_share for sample in samples if sample.rate] or [0.0])
    text += f" Programs that have nothing to do with it used {others:.0%} of a core while measuring (median)."
    if others > QUIET:
        text += " **The machine was not quiet: only large differences mean anything.**"
    return text
