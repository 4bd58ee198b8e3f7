"""The targets and their checks, and what of them lives on when the configuration changes.

Health belongs to a target at its address. Checks may come, go and change under it: a check that is new on a known
target begins with that target's state, so that a reload takes nobody out; if it fails, its own `fall` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from healthcheck import probes, words
from healthcheck.config import CheckConfig
from healthcheck.health import UNDECIDED, Health, State, together
from healthcheck.load import Load
from healthcheck.probes import Probe
from healthcheck.probes.snmp import SnmpProbe
from healthcheck.probes.snmp_poller import SnmpPoller
from healthcheck.target import Report, Target
from healthcheck.watch import ActiveWatch, SnmpWatch, Watch
from healthcheck.words import Words


@dataclass(slots=True, eq=False)
class Slot:
    """One check of one target."""

    target: str
    label: str
    """In metrics: http, tcp or snmp; from the second of a kind on with a number."""
    watch: Watch
    probe: Probe
    gap: float = 0.0
    """Seconds between the probes when the last one was planned."""
    gone: bool = False
    hurried: bool = False
    """Asked for while a probe ran that may have begun before the failure it should confirm."""


@dataclass(slots=True, eq=False)
class Entry:
    """One target with its checks."""

    target: Target
    slots: list[Slot] = field(default_factory=list)
    published: Report | None = None
    hurried_at: float = float("-inf")

    def active(self) -> list[ActiveWatch]:
        return [slot.watch for slot in self.slots if isinstance(slot.watch, ActiveWatch)]

    def snmp(self) -> list[SnmpWatch]:
        return [slot.watch for slot in self.slots if isinstance(slot.watch, SnmpWatch)]

    def report(self) -> Report:
        state, reason = _active(self.active())
        snmp = self.snmp()
        heaviest = min(snmp, key=lambda watch: (not watch.load.ejecting, watch.load.factor), default=None)
        return Report(
            target=self.target.id,
            active=state,
            active_reason=reason,
            snmp_eject=any(watch.load.ejecting for watch in snmp),
            snmp_reason=heaviest.reason if heaviest else words.NO_SNMP,
            factor=heaviest.load.factor if heaviest else 1.0,
            readings={name: value for watch in snmp for name, value in watch.readings.items()},
        )


def _active(watches: list[ActiveWatch]) -> tuple[State, Words]:
    """All checks together; the reason is that of the one that decides, or that may be about to."""
    state = together(watch.health for watch in watches)
    if not watches:
        return state, words.NO_CHECKS
    deciding = [watch for watch in watches if watch.health.state == state]
    doubtful = next((watch for watch in deciding if watch.health.streak), None)
    if doubtful is None and state == "up" and len(watches) > 1:
        return state, words.CHECKS_PASS
    return state, (doubtful or deciding[0]).reason


def enrol(target: Target, old: Entry | None, poller: SnmpPoller, now: float) -> Entry:
    """The entry of `target`, with the slots of `old` that live on; those that do not become `gone`."""
    if old is not None and (old.target.host, old.target.port) != (target.host, target.port):
        dismiss(old)
        old = None
    former = {slot.label: slot for slot in old.slots} if old else {}
    entry = Entry(target)
    inherited = UNDECIDED
    if old is not None:
        entry.published, entry.hurried_at = old.published, old.hurried_at
        inherited = Health({"up": True, "down": False}.get(old.report().active))
    for label, check in _labelled(target.checks):
        probe = probes.prepare(target, check, poller)
        slot = former.pop(label, None)
        if slot is None:
            watch = _watch(check, inherited, 1.0, now)
            slot = Slot(target.id, label, watch, probe)
        elif isinstance(slot.watch, SnmpWatch) and not _same_agent(slot.probe, probe):
            slot.watch = _watch(check, inherited, slot.watch.load.factor, now)
        slot.watch.reconfigure(check)
        slot.probe = probe
        entry.slots.append(slot)
    for slot in former.values():
        slot.gone = True
    return entry


def dismiss(entry: Entry) -> None:
    for slot in entry.slots:
        slot.gone = True


def _labelled(checks: tuple[CheckConfig, ...]) -> Iterator[tuple[str, CheckConfig]]:
    counts: dict[str, int] = {}
    for check in checks:
        kind = probes.kind_of(check)
        counts[kind] = counts.get(kind, 0) + 1
        yield (kind if counts[kind] == 1 else f"{kind}{counts[kind]}"), check


def _watch(check: CheckConfig, health: Health, factor: float, now: float) -> Watch:
    if check.snmp is not None:
        return SnmpWatch(check, Load.resumed(factor, now))
    return ActiveWatch(probes.kind_of(check), check, health)


def _same_agent(before: Probe, after: Probe) -> bool:
    """Deltas of counters mean nothing across two agents."""
    if not (isinstance(before, SnmpProbe) and isinstance(after, SnmpProbe)):
        return False
    return (before.agent.host, before.agent.port) == (after.agent.host, after.agent.port)
