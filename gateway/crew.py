"""The children as a crew: who is there, who replaces whom, who stands in for the dead meanwhile.

Knows no configuration: a child that is started begins with what is in force. Gives out the rows of the scoreboard,
of which there are twice as many as workers, because one that finishes what it has in flight keeps its row.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import time
from typing import TYPE_CHECKING, Any, Final

from gateway import listening
from gateway.children import CONTROL, Child, fork_worker, start_control
from gateway.worker import DRAIN

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from gateway.events import Events
    from gateway.in_force import InForce
    from gateway.scoreboard import Scoreboard

log = logging.getLogger("settlegate.supervisor")

LONGEST_BACKOFF: Final = 5.0
"""Seconds between two starts of a child that keeps dying; one that lived longer starts afresh."""
FIRST_BACKOFF: Final = 0.2
RESPAWN_AFTER: Final = 0.0
"""Seconds before a child that died for the first time is replaced."""
READY_WITHIN: Final = 30.0
"""Seconds a worker may take to build its first snapshot, and to answer a reload."""
GRACE: Final = 10.0
"""Seconds a leaving child may take beyond its own deadline."""


class Crew:
    """Workers by index, the ones that are leaving, and `control`."""

    force: InForce
    """With what the next child begins; set before the first one, as are the next two."""
    board: Scoreboard
    admin: socket.socket

    def __init__(self, events: Events) -> None:
        self.workers: dict[int, Child] = {}
        self.successors: dict[int, Child] = {}
        """Workers that are being made ready to take the places of others."""
        self.leaving: list[Child] = []
        self.control: Child | None = None
        self.restarts = 0
        self.brief: Callable[[], None] = _nothing
        """Tells a fresh `control` what is in force."""
        self._events = events
        self._deaths: dict[int, int] = {}
        self._due: dict[int, float] = {}
        self._stand_ins: dict[int, Child | None] = {}
        """Index of a dead worker → who accepts on its sockets; None while nobody can."""

    def __repr__(self) -> str:
        control = "with" if self.control else "without"
        return f"<Crew of {len(self.workers)} workers, {len(self.leaving)} leaving, {control} control>"

    def everyone(self) -> list[Child]:
        there = [*self.workers.values(), *self.successors.values(), *self.leaving]
        return there if self.control is None else [*there, self.control]

    @property
    def empty(self) -> bool:
        """No worker is left, leaving ones included."""
        return not self.workers and not self.successors and not self.leaving

    # ---- starting

    def start_control(self) -> None:
        """Raises OSError."""
        self.control = start_control(self.board, self.admin)
        self._events.listen_to(self.control)
        self.brief()

    def start_worker(self, index: int) -> None:
        """It accepts nobody before it is ready and told to. Raises OSError."""
        self.workers[index] = self._fork(self.force, index)

    def start_successors(self, force: InForce) -> None:
        """A second worker beside each one, on what may come into force. Raises OSError."""
        for index in sorted(self.workers):
            self.successors[index] = self._fork(force, index)

    def _fork(self, force: InForce, index: int) -> Child:
        taken = {child.row for child in self.everyone()}
        row = next(row for row in range(len(self.board.rows)) if row not in taken)
        child = fork_worker(force, self.board, index, row, in_child=self.forget_everything)
        child.end_by(child.started + READY_WITHIN)
        self._events.listen_to(child)
        return child

    def forget_everything(self) -> None:
        """In a process just forked: the supervisor's signals, channels and sockets are none of its business."""
        self._events.close()
        for child in self.everyone():
            child.channel.close()
        if hasattr(self, "admin"):
            self.admin.close()
        if hasattr(self, "force"):
            self.force.for_control.close()

    # ---- dying

    def reap(self) -> None:
        """Take note of everybody who has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for child in self.everyone():
                if child.pid == pid:
                    self._died(child, os.waitstatus_to_exitcode(status))

    def _died(self, child: Child, status: int) -> None:
        self._events.bury(child)
        expected = child.leaving or self._events.stopping
        how = f"signal {-status}" if status < 0 else f"status {status}"
        log.log(logging.INFO if expected else logging.ERROR, "%s (pid %d) ended: %s", child.name, child.pid, how)
        if child is self.control:
            self.control = None
        else:
            self.board.clear_gauges(child.row)
            if child in self.leaving:
                self.leaving.remove(child)
            for places in (self.workers, self.successors):
                if places.get(child.index) is child:
                    del places[child.index]
                    expected = expected or places is self.successors
        if expected:
            return
        if child.index != CONTROL:
            self.restarts += 1
            self._stand_ins[child.index] = None
            self._settle_stand_ins()
            self.tell_control("worker_died", restarts=self.restarts)
        self._replace_later(child)

    def _replace_later(self, child: Child) -> None:
        now = time.monotonic()
        deaths = self._deaths.get(child.index, 0) + 1 if now - child.started < LONGEST_BACKOFF else 0
        self._deaths[child.index] = deaths
        delay = RESPAWN_AFTER if deaths < 2 else min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(deaths, 10))
        self._due[child.index] = now + delay

    def _settle_stand_ins(self) -> None:
        """Have a living worker accept on the sockets of each dead one.

        Without it every connection the kernel deals to an orphaned socket hangs until the replacement is there.
        """
        for index, stand_in in self._stand_ins.items():
            if stand_in is not None and not stand_in.gone:
                continue
            able = (child for child in self.workers.values() if child.ready and child.tell("adopt", index=index))
            self._stand_ins[index] = next(able, None)

    # ---- living

    def is_ready(self, child: Child) -> None:
        """A worker has built its first snapshot: it may accept, and whoever stood in for it need not any more."""
        child.ready = True
        child.kill_at = math.inf
        child.tell("accept")
        stand_in = self._stand_ins.pop(child.index, None)
        if stand_in is not None:
            stand_in.tell("release", index=child.index)
        self._settle_stand_ins()

    def tell_control(self, kind: str, fds: Sequence[int] = (), **values: Any) -> None:
        if self.control is not None:
            self.control.tell(kind, fds, **values)

    def tell_workers(self, kind: str) -> None:
        """Those that are leaving, too: they still have something to finish."""
        for child in (*self.workers.values(), *self.leaving):
            child.tell(kind)

    def turn(self) -> None:
        """What is due by now: the dead are replaced, and who should have ended long ago is ended."""
        now = time.monotonic()
        for child in self.everyone():
            if child.kill_at <= now:
                log.error("%s (pid %d) is overdue and is killed", child.name, child.pid)
                child.kill_at = now + GRACE
                child.kill(signal.SIGKILL)
        for index in [index for index, when in self._due.items() if when <= now]:
            if not self._events.stopping:
                self._respawn(index)

    def _respawn(self, index: int) -> None:
        del self._due[index]
        try:
            if index == CONTROL:
                self.start_control()
            elif index not in self.workers:
                self.start_worker(index)
        except OSError as error:
            log.error("%s cannot be started: %s", "control" if index == CONTROL else f"worker {index}", error)
            self._due[index] = time.monotonic() + LONGEST_BACKOFF

    def next_due(self, longest: float) -> float:
        """Seconds until `turn` has something to do, at most `longest`."""
        return max(0.0, min([longest, *(when - time.monotonic() for when in self._due.values())]))

    # ---- going

    def succeed(self) -> None:
        """The successors take over; whoever had their places finishes what it has in flight and leaves."""
        successors, self.successors = self.successors, {}
        for index, child in successors.items():
            predecessor = self.workers.get(index)
            self.workers[index] = child
            self.is_ready(child)
            if predecessor is not None:
                self.leaving.append(predecessor)
                self.retire(predecessor)

    def dismiss_successors(self) -> None:
        """They never accepted anybody."""
        for child in self.successors.values():
            child.leaving = True
            child.kill(signal.SIGKILL)

    def stop(self) -> None:
        """No listener any more; everybody finishes what is in flight and leaves, `control` last of all."""
        if hasattr(self, "force"):
            listening.close(self.force.sockets)
        for child in (*self.workers.values(), *self.leaving):
            self.retire(child)
        self.dismiss_successors()
        self.tell_control("draining")
        if self.control is None and hasattr(self, "admin"):
            self.admin.close()  # else whoever asks would wait in vain

    def kill_workers(self) -> None:
        for child in (*self.workers.values(), *self.successors.values(), *self.leaving):
            child.leaving = True
            child.kill(signal.SIGKILL)

    def end_control(self) -> None:
        if self.control is not None:
            self.control.leaving = True
            self.control.kill(signal.SIGTERM)

    def retire(self, child: Child) -> None:
        """It finishes what it has in flight and leaves."""
        child.leaving = True
        child.end_by(time.monotonic() + DRAIN + GRACE)
        child.kill(signal.SIGTERM)


def _nothing() -> None:
    """Before anything is in force there is nothing to tell."""
