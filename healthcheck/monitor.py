"""Runs the probes of all targets and reports what they find.

One heap holds what waits and one task is a probe that runs, so a thousand idle targets cost nothing. Owns no
opinion: verdicts become states in `watch`, and a node's whole state is decided by whoever has the other inputs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator, Mapping

from healthcheck import probes, words
from healthcheck.probes.snmp import SnmpProbe
from healthcheck.probes.snmp_agent import Agent
from healthcheck.probes.snmp_poller import SnmpPoller
from healthcheck.roster import Entry, Slot, dismiss, enrol
from healthcheck.schedule import Schedule, Spread
from healthcheck.target import Observer, Publisher, Report, Target
from healthcheck.watch import ActiveWatch, SnmpWatch
from healthcheck.words import Words

log = logging.getLogger(__name__)

TOGETHER = 0.005
"""Seconds: what is due so soon starts with what is due now, in one wake-up."""
BETWEEN_HURRIES = 1.0


class Monitor:
    """Give it targets with `apply`, then `run` it; it may be given others at any time. Used from one loop."""

    def __init__(self, publisher: Publisher, observer: Observer, *, concurrency: int = 256) -> None:
        """`concurrency`: probes at a time, each one socket. When all are taken the rest wait their turn."""
        self._publisher = publisher
        self._observer = observer
        self._concurrency = concurrency
        self._entries: dict[str, Entry] = {}
        self._schedule: Schedule[Slot] = Schedule()
        self._spread = Spread()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._poller = SnmpPoller(self._identity_changed)

    def __repr__(self) -> str:
        return f"Monitor({len(self._entries)} targets, {len(self._tasks)} probes running, {self._schedule!r})"

    async def run(self) -> None:
        """Until cancelled; leaves no task, timer or socket behind. Publishes every target once at its start."""
        self._loop = asyncio.get_running_loop()
        try:
            for entry in self._entries.values():
                self._report(entry)
            slots = [slot for entry in self._entries.values() for slot in entry.slots]
            self._begin(slot for slot in slots if isinstance(slot.watch, ActiveWatch))
            if any(isinstance(slot.watch, SnmpWatch) for slot in slots):
                await self._poller.open()
                self._begin(slot for slot in slots if isinstance(slot.watch, SnmpWatch) and not slot.gone)
            await self._loop.create_future()  # nobody completes it: the end is a cancellation
        finally:
            await self._stop()

    def apply(self, targets: Mapping[str, Target]) -> None:
        """These and no others from now on; health stays where address and id do."""
        before, self._entries = self._entries, {}
        now = time.monotonic()
        for target in targets.values():
            old = before.pop(target.id, None)
            known = set(old.slots) if old else set()
            entry = self._entries[target.id] = enrol(target, old, self._poller, now)
            self._settle(known, entry)
            self._report(entry)
        for entry in before.values():
            dismiss(entry)
            self._settle(set(entry.slots), None)
        self._poller.retain(probe.agent for _, probe in self._snmp_probes())

    def resume(self, target: str, up: bool | None, reason: Words | None = None, factor: float = 1.0) -> None:
        """Go on from what was in force before a restart: after `apply` and before `run`, which publishes it."""
        entry = self._entries.get(target)
        if entry is None:
            return
        for watch in entry.active():
            watch.resume(up, reason)
        for snmp in entry.snmp():
            snmp.resume(factor, time.monotonic())
        self._report(entry)

    def hurry(self, target: str) -> None:
        """Traffic to this target has failed: probe it now, though at most once a second."""
        entry, now = self._entries.get(target), time.monotonic()
        if entry is None or now - entry.hurried_at < BETWEEN_HURRIES:
            return
        entry.hurried_at = now
        for slot in entry.slots:
            if isinstance(slot.watch, ActiveWatch):
                slot.hurried = not self._schedule.move_up(slot, now)
        self._arm()

    def snapshot(self) -> dict[str, Report]:
        """Of every target, with its latest readings."""
        return {target: entry.report() for target, entry in self._entries.items()}

    # --- time ---------------------------------------------------------------------------------------------------

    def _settle(self, known: set[Slot], entry: Entry | None) -> None:
        """Let the schedule follow a change of one target's slots."""
        for slot in known:
            if slot.gone:
                self._schedule.discard(slot)
        slots = entry.slots if entry else []
        self._begin(slot for slot in slots if slot not in known)
        now = time.monotonic()
        for slot in slots:  # an interval may have become shorter
            self._schedule.move_up(slot, now + slot.watch.gap())
        self._arm()

    def _begin(self, slots: Iterable[Slot]) -> None:
        if self._loop is None:
            return  # `run` begins with all
        now = time.monotonic()
        for slot in slots:
            slot.gap = slot.watch.gap()
            self._schedule.put(slot, now + self._spread.offset(slot.gap))
        self._arm()

    def _arm(self) -> None:
        """One timer, for the earliest of all; none while every place is taken, as a probe's end comes back here."""
        at = self._schedule.next_time()
        if self._loop is None or at is None or len(self._tasks) >= self._concurrency:
            return
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_later(max(0.0, at - time.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._loop is None:
            return
        for slot in self._schedule.due(time.monotonic() + TOGETHER, self._concurrency - len(self._tasks)):
            task = self._loop.create_task(self._probe(slot))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        self._arm()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._arm()

    async def _probe(self, slot: Slot) -> None:
        started = time.monotonic()
        slot.hurried = False
        watch = slot.watch
        verdict = await probes.run(watch.kind, slot.probe, watch.check.timeout, slot.target)
        ended = time.monotonic()
        if slot.gone:
            return
        try:
            if slot.watch is watch:  # else it asked an agent that is no longer this target's
                label = watch.observe(verdict, ended)
                self._observer.observe_probe(slot.target, slot.label, ended - started, label)
                self._report(self._entries[slot.target])
        except Exception:
            log.exception("judging %s of %s failed", slot.label, slot.target)
        finally:
            self._schedule.put(slot, ended if slot.hurried else max(ended, started + self._gap(slot)))

    def _gap(self, slot: Slot) -> float:
        """Whoever returns to a slower pace does so anywhere in it: nodes that came up together drift apart at once."""
        before, slot.gap = slot.gap, slot.watch.gap()
        return self._spread.offset(slot.gap) if slot.gap > before else self._spread.jittered(slot.gap)

    async def _stop(self) -> None:
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._schedule = Schedule()
        await self._poller.close()

    # --- reports ------------------------------------------------------------------------------------------------

    def _report(self, entry: Entry) -> None:
        """Publish what changed. Not before `run`: between `apply` and `resume` every node looks unprobed."""
        before, report = entry.published, entry.report()
        if self._loop is None or (before is not None and _decisions(before) == _decisions(report)):
            return
        entry.published = report
        if before is not None and before.active != report.active:
            log.info("%s: %s, was %s: %s", report.target, report.active, before.active, report.active_reason.en)
        if before is not None and before.snmp_eject != report.snmp_eject:
            turn = "SNMP wants it out" if report.snmp_eject else "SNMP lets it return"
            log.info("%s: %s: %s", report.target, turn, report.snmp_reason.en)
        try:
            self._publisher.publish(report)
        except Exception:
            log.exception("publishing %s failed", report.target)

    def _snmp_probes(self) -> Iterator[tuple[str, SnmpProbe]]:
        for entry in self._entries.values():
            for slot in entry.slots:
                if isinstance(slot.probe, SnmpProbe):
                    yield slot.target, slot.probe

    def _identity_changed(self, agent: Agent) -> None:
        changed = words.snmp_identity_changed()
        for target, probe in self._snmp_probes():
            if probe.agent == agent:
                log.warning("%s: %s", target, changed.en)
                self._publisher.announce(target, changed)


def _decisions(report: Report) -> tuple[object, ...]:
    return report.active, report.active_reason, report.snmp_eject, report.snmp_reason, report.factor
