"""What the monitor remembers of one check of one target, and how a verdict changes it.

`ActiveWatch` holds up or down by rise and fall; `SnmpWatch` holds load. Neither knows of the other: the two inputs
stay apart up to whoever decides a node's state. Core: no asyncio, sockets, files or clock.
"""

from __future__ import annotations

from collections.abc import Mapping

from healthcheck import usage, words
from healthcheck.config import CheckConfig, MetricConfig
from healthcheck.health import UNDECIDED, Health
from healthcheck.load import Load, Rules
from healthcheck.schedule import pace
from healthcheck.target import Label, Verdict
from healthcheck.usage import Sample
from healthcheck.words import Words


class ActiveWatch:
    """An HTTP or TCP check of one target."""

    __slots__ = ("check", "health", "kind", "reason")

    def __init__(self, kind: str, check: CheckConfig, health: Health = UNDECIDED) -> None:
        self.kind = kind
        self.check = check
        self.health = health
        self.reason = words.CHECKING if health.up is None else words.CARRIED_OVER

    def __repr__(self) -> str:
        return f"ActiveWatch({self.kind}, {self.health.state}, streak {self.health.streak}, {self.reason.code})"

    def observe(self, verdict: Verdict, _now: float) -> Label | None:
        """Returns why the probe failed, None if it did not."""
        check, before = self.check, self.health
        self.health = health = before.observe(verdict.passed, rise=check.rise, fall=check.fall)
        if verdict.passed is not None:
            self.reason = _reason(before, health, verdict, check)
        return verdict.label

    def reconfigure(self, check: CheckConfig) -> None:
        self.check = check

    def resume(self, up: bool | None, reason: Words | None) -> None:
        """Go on from the state that was in force before a restart."""
        self.health = Health(up)
        self.reason = reason or (words.CHECKING if up is None else words.CARRIED_OVER)

    def gap(self) -> float:
        return pace(self.check.interval, self.health)


def _reason(before: Health, health: Health, verdict: Verdict, check: CheckConfig) -> Words:
    """Counts only while they lead somewhere: a growing number would publish every probe of a dead node anew."""
    if verdict.passed:
        return verdict.words.so_far(health.streak, check.rise) if health.streak else verdict.words
    if health.streak:
        return verdict.words.so_far(health.streak, check.fall)
    return verdict.words.in_a_row(check.fall)


class SnmpWatch:
    """An SNMP check of one target."""

    __slots__ = ("_baseline", "check", "kind", "limits", "load", "readings", "reason")

    def __init__(self, check: CheckConfig, load: Load) -> None:
        self.kind = "snmp"
        self.load = load
        self.readings: dict[str, float | None] = {}
        self.reconfigure(check)
        self.reason = words.SNMP_WAITING
        self._baseline: Sample | None = None

    def __repr__(self) -> str:
        return f"SnmpWatch(factor {self.load.factor:.2f}, ejecting {self.load.ejecting}, {self.reason.code})"

    def observe(self, verdict: Verdict, now: float) -> Label | None:
        """Returns what to count the poll as: why it failed, what it lacks, or that a limit is exceeded."""
        self.readings = self._read(verdict.sample)
        check = self.check
        self.load = self.load.observe(self.readings, self.limits, now, Rules(check.interval, check.rise, check.fall))
        over = self._over()
        missing = [name for name, value in self.readings.items() if value is None]
        self.reason = self._reason(verdict, over, missing)
        if verdict.label is not None:
            return verdict.label
        if over:
            return "over_limit"
        return "unknown_data" if missing else None

    def reconfigure(self, check: CheckConfig) -> None:
        """Other limits or metrics on the same agent: what is known of it stays."""
        self.check = check
        self.limits: Mapping[str, MetricConfig] = dict(check.snmp.metrics.items()) if check.snmp else {}
        self.readings = {name: self.readings.get(name) for name in self.limits}

    def resume(self, factor: float, now: float) -> None:
        """Go on with the weight that was in force before a restart."""
        self.load = Load.resumed(factor, now)

    def gap(self) -> float:
        """Its own pace always: an agent caches its values for seconds, and one value read thrice is no evidence."""
        return self.check.interval

    def _read(self, sample: Sample | None) -> dict[str, float | None]:
        readings: dict[str, float | None] = dict.fromkeys(self.limits)
        if sample is None:
            return readings
        if "cpu" in readings:
            readings["cpu"], self._baseline = usage.cpu(self._baseline, sample)
        if "memory" in readings:
            readings["memory"] = usage.memory(sample)
        return readings

    def _over(self) -> list[str]:
        return [
            name
            for name, value in self.readings.items()
            if value is not None and (limit := self.limits[name].eject_above) is not None and value > limit
        ]

    def _reason(self, verdict: Verdict, over: list[str], missing: list[str]) -> Words:
        ejecting = self.load.ejecting
        if name := next((name for name in (*ejecting, *over) if name in ejecting or name in over), None):
            return self._over_words(name)
        if verdict.label is not None:
            return verdict.words
        if missing:
            return words.snmp_unknown(missing)
        return words.SNMP_LIGHT if self.load.factor >= 1.0 else words.SNMP_LOADED

    def _over_words(self, name: str) -> Words:
        limit, value = self.limits[name].eject_above or 0.0, self.readings[name]
        fitness = self.load.metrics[name].fitness
        if value is None or value <= limit:
            return words.above_until_now(name, limit)
        over = words.over_limit(name, value, limit)
        if fitness.up is False:
            return over.in_a_row(self.check.fall)
        return over.so_far(fitness.streak, self.check.fall)


Watch = ActiveWatch | SnmpWatch
