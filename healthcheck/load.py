"""How busy a host is -> how much of its weight it keeps, and whether it gets anything at all.

Two answers from the same readings. The *factor* follows headroom slowly (smoothed, small steps, a dead band), so
that load moving between nodes does not swing back and forth. *Ejection* follows the raw reading with rise and
fall, because a host that is out of memory must not wait for an average. Missing data does neither: the last
factor is kept, then fades back to 1.0, and an ejection whose readings stop ends.
Core: no asyncio, sockets, files or clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from healthcheck.config import MetricConfig
from healthcheck.health import UNDECIDED, Health

FLOOR = 0.1
"""Load alone never takes the last tenth of a weight: only health takes a node out."""
STEP = 0.2
DEAD_BAND = 0.05
TAU = 30.0
"""Seconds; time constant of the smoothing."""
STALE_POLLS = 3
FADE = 60.0
"""Seconds from stale to forgotten."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What is known of one metric of one host."""

    raw: float | None = None
    """The last poll's reading; None if it had none."""
    smooth: float | None = None
    at: float = 0.0
    """When the last reading came."""
    fitness: Health = UNDECIDED

    def observe(self, raw: float | None, limits: MetricConfig, now: float, rules: Rules) -> Metric:
        if raw is None:
            fitness = UNDECIDED if self.smooth is None or rules.stale(now - self.at) else self.fitness
            return replace(self, raw=None, fitness=fitness)
        if self.smooth is None or rules.stale(now - self.at):
            smooth = raw
        else:
            smooth = raw + (self.smooth - raw) * math.exp(-max(0.0, now - self.at) / TAU)
        fits = None if limits.eject_above is None else raw <= limits.eject_above
        return Metric(raw, smooth, now, self.fitness.observe(fits, rise=rules.rise, fall=rules.fall))

    @property
    def ejects(self) -> bool:
        return self.fitness.up is False


@dataclass(frozen=True, slots=True)
class Rules:
    """Of the check: seconds between polls, and how many agree before anything is decided."""

    interval: float
    rise: int
    fall: int

    def stale(self, age: float) -> bool:
        return age > STALE_POLLS * self.interval

    def faded(self, age: float) -> float:
        """0 while readings of that age count in full, 1 when they count no more."""
        return min(1.0, max(0.0, (age - STALE_POLLS * self.interval) / FADE))


@dataclass(frozen=True, slots=True)
class Load:
    """What is known of one host, and the factor in force."""

    factor: float = 1.0
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    held: float = 1.0
    """Where a factor without readings starts to fade from; below 1 only when it was taken over."""
    held_since: float = 0.0

    @classmethod
    def resumed(cls, factor: float, now: float) -> Load:
        """Of a monitor that has restarted: the weights must not jump because of that."""
        factor = min(1.0, max(FLOOR, factor))
        return cls(factor=factor, held=factor, held_since=now)

    @property
    def ejecting(self) -> list[str]:
        return [name for name, metric in self.metrics.items() if metric.ejects]

    def observe(
        self, readings: Mapping[str, float | None], limits: Mapping[str, MetricConfig], now: float, rules: Rules
    ) -> Load:
        """After one poll. A metric that `readings` lacks is unknown."""
        metrics = {
            name: self.metrics.get(name, Metric()).observe(readings.get(name), limit, now, rules)
            for name, limit in limits.items()
        }
        wanted = self._wanted(metrics, limits, now, rules)
        return replace(self, factor=stepped(self.factor, wanted), metrics=metrics)

    def _wanted(
        self, metrics: Mapping[str, Metric], limits: Mapping[str, MetricConfig], now: float, rules: Rules
    ) -> float:
        heads = []
        for name, metric in metrics.items():
            if metric.smooth is not None:
                head = headroom(metric.smooth, limits[name])
                heads.append(head + (1.0 - head) * rules.faded(now - metric.at))
        if not heads:
            return self.held + (1.0 - self.held) * rules.faded(now - self.held_since)
        return max(FLOOR, min(heads))


def headroom(value: float, limits: MetricConfig) -> float:
    """1 up to `comfort`, 0 from `limit` on. The scarcest decides: a sum hides a saturated CPU behind free disks."""
    return min(1.0, max(0.0, (limits.limit - value) / (limits.limit - limits.comfort)))


def stepped(factor: float, wanted: float) -> float:
    """From `factor` towards `wanted`: small steps, and none at all for little. Both ends are always reached."""
    if abs(wanted - factor) < DEAD_BAND and FLOOR < wanted < 1.0:
        return factor
    return min(1.0, max(FLOOR, min(factor + STEP, max(factor - STEP, wanted))))
