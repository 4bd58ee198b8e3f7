"""The parent of all: opens sockets, starts workers and `control`, replaces the dead, passes reloads on.

Synchronous on purpose: it handles one thing after the other and touches no traffic, so there is little in it that can
break. What it must never do: wait without a deadline, or change what is in force before every worker has said yes.
Its children are `crew`'s business, waiting is `events`', and how something else is taken up is told in `reloading`.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway import last_run, listening
from gateway.channel import Message, pack
from gateway.check_machine import shortages, this_machine
from gateway.crew import READY_WITHIN, Crew
from gateway.events import Events
from gateway.hardening import name_process, no_memory_dumps, raise_open_files
from gateway.in_force import Sealed
from gateway.listening import ListenError
from gateway.reading import ReadingError
from gateway.reloading import Outcome, Reloading
from gateway.service_manager import ServiceManager
from gateway.slots import CapacityExceededError
from gateway.worker import DRAIN
from settings.wording import dotted

if TYPE_CHECKING:
    from gateway.children import Child

log = logging.getLogger("settlegate.supervisor")

FIRST_LOOK_WITHIN: Final = 15.0
END_WITHIN: Final = 3.0
"""Seconds for `control` to say goodbye to those who ask it."""
ROTATION_HOUR: Final = 3
"""Local hour at which ticket keys are rotated."""
ROTATION_AGAIN: Final = 600.0
"""Seconds after which a rotation that failed is tried again."""
SHOWN: Final = 200
"""Problems of a refused file that are passed on to whoever asked for the reload."""


class StartError(Exception):
    """The gateway could not be started; each argument is one problem."""


class Supervisor:
    """One run of the gateway. Everything happens in `run`, one event at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events = Events(self._signals)
        self.crew = Crew(self.events)
        self.reloading = Reloading(path, self.crew, self.events)
        self.service_manager = ServiceManager()
        self.success = True
        """How the last attempt to take something up went."""
        self._hangups = 0
        """Reloads that were asked for by signal and have not begun."""
        self._rotation = next_rotation(time.time())

    # ---- start

    def run(self) -> int:
        """Until a signal ends it; the exit status. Raises StartError when it cannot even begin."""
        name_process("sg supervisor")
        no_memory_dumps()
        try:
            self._start()
        except (ReadingError, CapacityExceededError, ListenError, StartError, OSError) as error:
            interrupted = self.events.stopping
            self._end()
            if interrupted:
                return 0
            raise StartError(*([str(error)] if isinstance(error, OSError) else map(str, error.args))) from None
        while not (self.events.stopping and self.crew.empty):
            try:
                self._turn()
            except Exception:
                # Whatever it was, without this process all the others would end.
                log.exception("unexpected error in the supervisor")
                time.sleep(1.0)
        self._end()
        return 0

    def _start(self) -> None:
        limit = raise_open_files()
        self.reloading.begin()
        self.crew.brief = self._brief
        self.crew.start_control()
        self._await_first_look()
        for index in range(self.crew.force.bundle.config.workers):
            self.crew.start_worker(index)
        self._await_first_workers()
        admin = listening.local_address(self.crew.admin)
        last_run.remember(self.path, admin, os.getpid())
        listening.announce(self.crew.force.sockets)
        for place, message in shortages(self.crew.force.bundle.config, this_machine()):
            log.warning("%s: %s", dotted(place), message)
        log.info("ready: generation 1, admin on %s, %d open files", admin, limit)
        self.service_manager.ready(f"generation 1 is in force, admin on {admin}")

    def _await_first_look(self) -> None:
        """Accept nobody before the nodes have been looked at once; without `control` go on all the same."""
        asked = {self.crew.control} if self.crew.control else set()
        answer = self.events.answer(asked, ("settled",), time.monotonic() + FIRST_LOOK_WITHIN)
        if answer is None:
            if not self.events.stopping:
                log.error("control does not answer; starting without it")
        elif answer[1].get("undecided"):
            log.warning("%s nodes are not judged yet; they get no requests until they are", answer[1]["undecided"])

    def _await_first_workers(self) -> None:
        """Nobody accepts before all of them are ready, and nobody is told that we are before all of them accept."""
        deadline = time.monotonic() + READY_WITHIN
        for child in self._all_say("ready", deadline):
            self.crew.is_ready(child)
        self._all_say("accepting", deadline)

    def _all_say(self, kind: str, deadline: float) -> list[Child]:
        """The workers, in the order in which they said so."""
        waiting = set(self.crew.workers.values())
        said = []
        while waiting:
            answer = self.events.answer(waiting, (kind, "not_ready"), deadline)
            if answer is None:
                raise StartError("the workers did not become ready in time; see the log above")
            child, message = answer
            if message["kind"] != kind:
                raise StartError(str(message.get("problem", "a worker could not start")))
            waiting.discard(child)
            said.append(child)
        return said

    # ---- events

    def _turn(self) -> None:
        self.events.collect(0.0 if self.events.inbox or self._hangups else self.crew.next_due(1.0))
        while self.events.inbox:
            self._handle(*self.events.inbox.popleft())
        if self._hangups and not self.events.stopping:
            self._hangups = 0
            self._reload("SIGHUP")
        self.crew.reap()
        self.crew.turn()
        if time.time() >= self._rotation and not self.events.stopping:
            self._rotate()

    def _signals(self, numbers: Collection[int]) -> None:
        if signal.SIGCHLD in numbers:
            self.crew.reap()
        if signal.SIGTERM in numbers or signal.SIGINT in numbers:
            self._stop()
        if signal.SIGHUP in numbers:
            self._hangups += 1

    def _handle(self, child: Child, message: Message) -> None:
        kind = message["kind"]
        if kind == "not_ready":
            log.error("%s: %s", child.name, message.get("problem"))
        if child.gone or self.events.stopping:
            return
        if child is self.crew.control:
            if kind == "reload":
                self._reload("admin API", message.get("ticket"))
            elif kind == "refresh":
                log.info("files changed: taking them up")
                self._report(self.reloading.refresh())
        elif kind == "ready" and not child.ready and not child.leaving:
            log.info("%s is back (pid %d)", child.name, child.pid)
            self.crew.is_ready(child)

    # ---- taking something else up

    def _reload(self, by: str, ticket: object = None) -> None:
        log.info("reload asked for by %s", by)
        self.service_manager.reloading()
        outcome = self.reloading.reload()
        self._report(outcome, ticket)
        said = "is in force" if outcome.ok else "stays in force: the last reload was refused"
        if not self.events.stopping:
            self.service_manager.ready(f"generation {self.crew.force.generation} {said}")

    def _rotate(self) -> None:
        outcome = self.reloading.rotate()
        if outcome.ok:
            log.info("ticket keys rotated")
            self._rotation = next_rotation(time.time())
            self._brief()
        else:
            log.error("ticket keys could not be rotated: %s", "; ".join(outcome.lines))
            self._rotation = time.time() + ROTATION_AGAIN

    def _report(self, outcome: Outcome, ticket: object = None) -> None:
        """Tell the log and `control`; the latter also whoever asked for it, known by his ticket."""
        self.success = outcome.ok
        for line in outcome.lines:
            log.log(logging.INFO if outcome.ok else logging.ERROR, "reload: %s", line)
        generation = self.crew.force.generation
        if outcome.ok:
            self._brief()
        else:
            log.error("reload refused; generation %d stays in force", generation)
            # Rotating the log must not depend on a sound configuration: the old file may soon be compressed.
            self.crew.tell_workers("reopen")
        packed = Sealed(pack(outcome.lines[:SHOWN]))
        self.crew.tell_control("reloaded", [packed.fd], ok=outcome.ok, generation=generation, ticket=ticket)
        packed.close()

    def _brief(self) -> None:
        self.reloading.brief_control(success=self.success)

    # ---- stop

    def _stop(self) -> None:
        """First signal: listeners close, what is in flight ends. Second one: now."""
        if self.events.stopping:
            log.warning("stopping at once")
            self.crew.kill_workers()
            return
        log.info("stopping: finishing what is in flight, at most %g s", DRAIN)
        self.service_manager.stopping()
        self.events.stopping = True
        self.crew.stop()

    def _end(self) -> None:
        """Nothing is in flight any more, or nothing ever was."""
        self.events.stopping = True
        self.crew.stop()
        self.crew.kill_workers()
        self.crew.end_control()
        deadline = time.monotonic() + END_WITHIN
        while self.crew.everyone() and time.monotonic() < deadline:
            self.events.collect(0.1)
            self.crew.reap()
        if self.crew.control is not None:
            self.crew.control.kill(signal.SIGKILL)


def next_rotation(now: float) -> float:
    """The next ROTATION_HOUR o'clock, in Unix seconds."""
    local = time.localtime(now)
    at = time.mktime((*local[:3], ROTATION_HOUR, 0, 0, 0, 0, -1))
    if at <= now:
        at = time.mktime((local.tm_year, local.tm_mon, local.tm_mday + 1, ROTATION_HOUR, 0, 0, 0, 0, -1))
    return at


def run(path: Path) -> int:
    """`settlegate run`: exit status 0 after an orderly end, 1 when it could not start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s[%(process)d] %(message)s")
    try:
        return Supervisor(path.resolve()).run()
    except StartError as error:
        for problem in error.args:
            log.error("%s", problem)
    log.error("not started; `settlegate check %s` shows everything that is wrong", path)
    return 1
