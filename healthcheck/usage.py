"""SNMP values -> how busy the host is, or None where they do not say.

Missing is never idle. In the first minute of its life net-snmp answers every ssCpuRaw counter with 0 and has no
hrProcessorLoad at all: read as numbers, a host that has just booted would look like the least loaded of all.
Core: no asyncio, sockets, files or clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

BUSY = ("cpu_user", "cpu_nice", "cpu_system", "cpu_interrupt", "cpu_softirq", "cpu_steal")
IDLE = ("cpu_idle", "cpu_wait")
TICKS = BUSY + IDLE
COUNTER32 = 2**32
FEWEST_TICKS = 20
"""Hundredths of a CPU second between two readings below which a ratio is noise; an agent also caches some seconds."""


class Sample(NamedTuple):
    """One poll: the values the agent had, by our names (`healthcheck.probes.snmp`), and each core's load in percent."""

    values: Mapping[str, int]
    cores: tuple[int, ...] = ()


def has_ticks(values: Mapping[str, int]) -> bool:
    """Are there CPU counters that count?"""
    return "cpu_idle" in values and any(values.get(name, 0) for name in TICKS)


def cpu(baseline: Sample | None, now: Sample) -> tuple[float | None, Sample | None]:
    """The busy share since `baseline`, and the sample to measure from next time.

    Waiting for disks is not busy: the CPU could take requests meanwhile. Without counters the mean of
    hrProcessorLoad stands in, which is an average of the last minute and so follows more slowly.
    """
    if not has_ticks(now.values):
        loads = [load for load in now.cores if 0 <= load <= 100]
        return (sum(loads) / len(loads) / 100 if loads else None), None
    if baseline is None or _restarted(baseline.values, now.values):
        return None, now
    names = [name for name in TICKS if name in now.values and name in baseline.values]
    deltas = {name: (now.values[name] - baseline.values[name]) % COUNTER32 for name in names}
    if "cpu_idle" not in deltas or any(delta >= COUNTER32 // 2 for delta in deltas.values()):
        return None, now  # a counter that went back was reset; a wrapped one has come a short way
    total = sum(deltas.values())
    if total < FEWEST_TICKS:
        return None, baseline
    return sum(deltas.get(name, 0) for name in BUSY) / total, now


def _restarted(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    """The agent, or the whole host, is younger than it was: its counters began anew."""
    return after.get("uptime", 0) < before.get("uptime", 0)


def memory(now: Sample) -> float | None:
    """The share that programs cannot have. Cache counts as free: the kernel gives it up."""
    values = now.values
    total = values.get("memory_total", 0)
    if total <= 0:
        return None
    available = values.get("memory_available", 0)
    if available <= 0:  # kernels before 3.14 and other systems do not say; nothing at all is never true
        parts = [values.get(name) for name in ("memory_free", "memory_buffers", "memory_cached")]
        if None in parts:
            return None
        available = sum(part for part in parts if part is not None)
    if available < 0:
        return None
    return min(1.0, max(0.0, 1.0 - available / total))
