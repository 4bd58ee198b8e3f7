"""What is measured: one entry per workload, each usable alone."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bench.certificates import INSTITUTIONS
from bench.errors import BenchError
from bench.meter import Pace, drive, insist, window
from bench.proxies import REFERENCES
from bench.sample import Sample
from bench.stage import Proxy, Stage

HANDSHAKING: Final = 256
"""Institutions that take turns in the handshake workloads."""
MEBIBYTES: Final = 10


@dataclass(frozen=True, slots=True)
class Scene:
    """Nodes and workers that a workload needs; those with the same scene share started proxies."""

    nodes: int = 3
    workers: int = 1
    shared: bool = False
    """Everybody on both cores, instead of the proxy on one and load and nodes on the other."""


@dataclass(slots=True)
class Run:
    """What workloads of one run know of each other."""

    pace: Pace
    half_load: float = 0.0
    """Requests per second for the latency row; 0 until it has been found out."""
    carried: dict[str, float] = field(default_factory=dict)
    """Requests per second at 64 connections, by proxy, where that was measured."""


Measure = Callable[[Run, Stage, Proxy], Sample]


@dataclass(frozen=True, slots=True)
class Workload:
    """One thing to measure."""

    name: str
    title: str
    unit: str
    measure: Measure
    scene: Scene = Scene()
    quick: bool = True
    """Part of `--quick`."""
    connections: int = 0
    """That it opens at a time, where these are many."""
    scale: bool = False
    """No row of its own with a ratio, but a point of one of the curves."""


def _keep(connections: int, *more: str) -> list[str]:
    institutions = min(connections, INSTITUTIONS)
    return ["--mode", "keep", "--connections", str(connections), "--institutions", str(institutions), *more]


def _connect(*more: str) -> list[str]:
    return ["--mode", "connect", "--connections", "16", "--institutions", str(HANDSHAKING), *more]


def _post(connections: int) -> Measure:
    def measure(run: Run, stage: Stage, proxy: Proxy) -> Sample:
        with drive(stage, proxy, _keep(connections)) as load:
            load.ready()
            sample, _, _ = window(stage, proxy, load, run.pace)
        if connections == 64 and len(stage.proxies[proxy.name].setting.nodes) == 3:
            run.carried[proxy.name] = sample.rate
        return _scaled(sample, 1e6)

    return measure


def _handshake(*more: str) -> Measure:
    resume = "--resume" in more

    def measure(run: Run, stage: Stage, proxy: Proxy) -> Sample:
        with drive(stage, proxy, _connect(*more)) as load:
            load.ready()
            sample, first, last = window(stage, proxy, load, run.pace)
        resumed, opened = last.resumed - first.resumed, last.opened - first.opened
        if resumed != (opened if resume else 0):
            raise BenchError(f"{proxy.name}: {resumed} of {opened} handshakes were resumed")
        return _scaled(sample, 1e6)

    return measure


def _bulk(kind: str) -> Measure:
    def measure(run: Run, stage: Stage, proxy: Proxy) -> Sample:
        with drive(stage, proxy, _keep(4, "--kind", kind, "--size", str(MEBIBYTES << 20))) as load:
            load.ready()
            sample, _, _ = window(stage, proxy, load, run.pace)
        return _scaled(sample, 1e3 * 1e9 / (MEBIBYTES << 20))  # ms per GB

    return measure


def _idle(run: Run, stage: Stage, proxy: Proxy) -> Sample:
    """Growth of what is resident. Some connections come and go before, so that it is not the first use of code."""
    with drive(stage, proxy, _idle_options(200)) as load:
        load.ready()
        insist(proxy, load.stop())
    time.sleep(0.5)
    before = proxy.program.memory()
    with drive(stage, proxy, _idle_options(run.pace.idle_connections)) as load:
        load.ready()
        time.sleep(1.0)
        after = proxy.program.memory()
        insist(proxy, load.stop())
    return Sample((after.pss - before.pss) / 1024 / run.pace.idle_connections)


def _idle_options(connections: int) -> list[str]:
    institutions = min(connections, INSTITUTIONS)
    return ["--mode", "idle", "--connections", str(connections), "--institutions", str(institutions)]


def _latency(run: Run, stage: Stage, proxy: Proxy) -> Sample:
    """At half of what the slower of nginx and HAProxy can carry; the same rate for everybody and in every round."""
    if not run.half_load:
        references = [name for name in REFERENCES if name in stage.proxies] or list(stage.proxies)
        for name in references:
            if name not in run.carried:
                _post(64)(run, stage, stage.proxies[name])
        run.half_load = round(min(run.carried[name] for name in references) / 2)
    with drive(stage, proxy, _keep(64, "--rate", str(run.half_load))) as load:
        load.ready()
        sample, _, _ = window(stage, proxy, load, run.pace)
    if sample.rate < 0.95 * run.half_load:
        sample = dataclasses.replace(sample, note=f"carried only {sample.rate:,.0f}/s")
    return dataclasses.replace(sample, value=sample.p99_us / 1e3)


def _rush(run: Run, stage: Stage, proxy: Proxy) -> Sample:
    options = ["--mode", "rush", "--connections", str(INSTITUTIONS), "--institutions", str(INSTITUTIONS)]
    with drive(stage, proxy, [*options, "--over", "1000"]) as load:
        ready = load.ready()
        before, nodes_before = proxy.program.cpu(), stage.nodes.cpu()
        report = load.rush()
        used, nodes = proxy.program.cpu() - before, stage.nodes.cpu() - nodes_before
    seconds = (report.last_at_ns - report.first_at_ns) / 1e9
    return Sample(
        seconds,
        rate=report.answers / seconds,
        p50_us=report.p50_us,
        p99_us=report.p99_us,
        proxy_share=used.total / seconds,
        load_share=(report.cpu_ns - ready.cpu_ns) / 1e9 / seconds,
        node_share=nodes.total / seconds,
        failures=report.failures,
    )


def _scaled(sample: Sample, factor: float) -> Sample:
    return dataclasses.replace(
        sample, value=sample.value * factor, user=sample.user * factor, system=sample.system * factor
    )


WORKLOADS: Final[tuple[Workload, ...]] = (
    # Memory first, while the processes are new: what an earlier load has freed would be taken again and cost nothing.
    Workload("idle", "idle connection", "KiB resident", _idle),
    Workload("full", "full handshake + claim", "µs CPU", _handshake()),
    Workload("resumed", "resumed handshake + claim", "µs CPU", _handshake("--resume")),
    Workload("resumed12", "the same, TLS 1.2", "µs CPU", _handshake("--resume", "--tls12"), quick=False),
    Workload("post10", "claim, 10 connections", "µs CPU", _post(10), quick=False, scale=True),
    Workload("post64", "claim by POST, 64 connections", "µs CPU", _post(64)),
    Workload("post1000", "claim by POST, 1,000 connections", "µs CPU", _post(1000)),
    Workload("download", "download of 10 MiB", "ms CPU per GB", _bulk("download")),
    Workload("upload", "upload of 10 MiB", "ms CPU per GB", _bulk("upload")),
    Workload("latency", "p99 at half load", "ms", _latency),
    Workload("post5000", "claim, 5,000 connections", "µs CPU", _post(5000), quick=False, connections=5000, scale=True),
    Workload("nodes2", "claim, 2 nodes", "µs CPU", _post(64), Scene(nodes=2), quick=False, scale=True),
    Workload("nodes20", "claim, 20 nodes", "µs CPU", _post(64), Scene(nodes=20), quick=False, scale=True),
    Workload("nodes200", "claim, 200 nodes", "µs CPU", _post(64), Scene(nodes=200), quick=False, scale=True),
    Workload("rush", "rush hour: 1,800 log in within 1 s", "s until the last", _rush, Scene(workers=2, shared=True)),
)
