"""The order of a run: rounds outside, then scenes, then workloads, then proxies.

So the proxies of one row are measured within seconds of each other, and each round has new processes: neither a
machine that gets busier nor a lucky memory layout favours anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from bench.errors import BenchError
from bench.meter import Pace
from bench.sample import Sample
from bench.stage import Stage, Tools, stage
from bench.workloads import Run, Workload


@dataclass(slots=True)
class Outcome:
    """Samples by workload and proxy, one per round; and what went wrong."""

    samples: dict[str, dict[str, list[Sample]]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    half_load: float = 0.0
    """Requests per second of the latency row."""

    def add(self, workload: str, proxy: str, sample: Sample) -> None:
        self.samples.setdefault(workload, {}).setdefault(proxy, []).append(sample)


Tell = Callable[[str], None]


def measure(
    tools: Tools, workloads: Sequence[Workload], proxies: Sequence[str], *, rounds: int, pace: Pace, tell: Tell
) -> Outcome:
    """Never raises for a proxy that fails a workload: the rest is measured, and the failure is told at the end."""
    outcome = Outcome()
    run = Run(pace)
    for number in range(1, rounds + 1):
        for scene, group in groupby(workloads, key=lambda workload: workload.scene):
            told = f"{scene.nodes} nodes, {scene.workers} worker{'s' if scene.workers > 1 else ''}"
            tell(f"round {number} of {rounds}: {told}")
            try:
                with stage(tools, proxies, nodes=scene.nodes, workers=scene.workers, shared=scene.shared) as ready:
                    for workload, proxy, sample in _scene(run, ready, list(group), outcome):
                        outcome.add(workload.name, proxy, sample)
                        tell(f"  {workload.name:10} {proxy:16} {describe(workload, sample)}")
            except BenchError as error:
                outcome.failures.append(f"{told}: {error}")
    outcome.half_load = run.half_load
    return outcome


def _scene(
    run: Run, ready: Stage, workloads: Sequence[Workload], outcome: Outcome
) -> Iterator[tuple[Workload, str, Sample]]:
    for workload in workloads:
        for name, proxy in ready.proxies.items():
            try:
                yield workload, name, workload.measure(run, ready, proxy)
            except BenchError as error:
                outcome.failures.append(f"{workload.name}, {name}: {error}")


def describe(workload: Workload, sample: Sample) -> str:
    """One line while it runs."""
    text = f"{sample.value:9.1f} {workload.unit}"
    if sample.rate:
        text += f", {sample.rate:,.0f}/s, p50 {sample.p50_us / 1e3:.1f} ms, p99 {sample.p99_us / 1e3:.1f} ms"
        text += f"; proxy {sample.proxy_share:.0%}, load {sample.load_share:.0%}, nodes {sample.node_share:.0%}"
        text += f", others {sample.others_share:.0%}"
    if sample.failures:
        text += f"; {sample.failures} FAILED"
    if sample.note:
        text += f"; {sample.note.upper()}"
    if sample.load_bound:
        text += "; LOAD-BOUND"
    return text
