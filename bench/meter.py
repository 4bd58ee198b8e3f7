"""Reading a proxy's processor time around a stretch of load."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.errors import BenchError
from bench.load import Load, Report
from bench.processes import Cpu, busy
from bench.sample import Sample
from bench.stage import Proxy, Stage


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each part of a measurement takes, in seconds."""

    warm: float
    window: float
    idle_connections: int


FULL = Pace(0.5, 2.0, 2000)
QUICK = Pace(0.4, 1.2, 1000)


@dataclass(frozen=True, slots=True)
class _Reading:
    report: Report
    proxy: Cpu
    nodes: Cpu
    busy: float


def drive(stage: Stage, proxy: Proxy, options: list[str]) -> Load:
    """A load client against `proxy`."""
    tools = stage.tools
    return Load(tools.programs.load, tools.certificates, proxy.setting.port, stage.cores.load, options)


def window(stage: Stage, proxy: Proxy, load: Load, pace: Pace) -> tuple[Sample, Report, Report]:
    """Warm up, then processor seconds per answer over one window; ends the load, and raises if anything failed."""
    time.sleep(pace.warm)
    first = _read(stage, proxy, load)
    time.sleep(pace.window)
    last = _read(stage, proxy, load)
    end = load.stop()
    insist(proxy, end)
    answers = last.report.answers - first.report.answers
    if not answers:
        raise BenchError(f"{proxy.name}: no answer within {pace.window:g} s")
    seconds = (last.report.at_ns - first.report.at_ns) / 1e9
    used, nodes = last.proxy - first.proxy, last.nodes - first.nodes
    loading = (last.report.cpu_ns - first.report.cpu_ns) / 1e9
    others = last.busy - first.busy - used.total - nodes.total - loading
    sample = Sample(
        value=used.total / answers,
        user=_part(used.user, used) / answers,
        system=_part(used.system, used) / answers,
        rate=answers / seconds,
        p50_us=last.report.p50_us,
        p99_us=last.report.p99_us,
        proxy_share=used.total / seconds,
        load_share=loading / seconds,
        node_share=nodes.total / seconds,
        others_share=max(0.0, others / seconds),
    )
    return sample, first.report, last.report


def insist(proxy: Proxy, report: Report) -> None:
    """A proxy that fails requests has no cost per request."""
    if report.failures:
        raise BenchError(f"{proxy.name}: {report.failures} failures: {'; '.join(report.first_failures)}")
    if proxy.program.child.poll() is not None:
        raise BenchError(f"{proxy.name} has ended by itself; see {proxy.setting.folder}")


def _read(stage: Stage, proxy: Proxy, load: Load) -> _Reading:
    cores = {*stage.cores.proxy, *stage.cores.load}
    return _Reading(load.mark(), proxy.program.cpu(), stage.nodes.cpu(), busy(cores))


def _part(part: float, used: Cpu) -> float:
    """The scheduler's total, divided as the ticks are."""
    ticks = used.user + used.system
    return used.total * part / ticks if ticks else 0.0
