"""Taking up another configuration, other files or other ticket keys: whole or not at all.

Everything is read and tried first, then every worker is asked whether it could run it, then all are told to. Until
the last one has said yes nothing changes for anybody. Whoever does not answer is replaced: a worker that hangs must
not keep a revocation from the others.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from certs.contexts import blank_stock
from gateway import bundling, consent, listening, reading, slots
from gateway.briefing import Briefing
from gateway.bundling import Reading
from gateway.channel import pack
from gateway.crew import READY_WITHIN
from gateway.in_force import InForce, Sealed
from gateway.reading import ReadingError
from gateway.scoreboard import Scoreboard
from gateway.slots import CapacityExceededError
from gateway.snapshot import UNLISTED, Bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gateway.board_layout import Kind
    from gateway.config import GatewayConfig
    from gateway.crew import Crew
    from gateway.events import Events
    from gateway.listening import Sockets
    from gateway.reading import Found
    from gateway.slots import Slots

log = logging.getLogger("settlegate.supervisor")

STOPPING: Final = "the gateway is stopping"


class Outcome(NamedTuple):
    """Of an attempt to take something up: problems, or notices where it went well."""

    ok: bool
    lines: list[str]


class Reloading:
    """Each method takes up something else, and tells how it went; `control` hears of it from the caller."""

    def __init__(self, path: Path, crew: Crew, events: Events) -> None:
        self._path = path
        self._crew = crew
        self._events = events
        self._former: list[Slots] = []
        """Slots as workers that are leaving know them."""

    def begin(self) -> None:
        """What the first children begin with. Raises ReadingError, CapacityExceededError and ListenError."""
        crew = self._crew
        found, for_control = self._read(lambda: reading.read_all(self._path, start=True))
        if for_control is None:
            raise ReadingError("the configuration was not read")
        for warning in found.warnings:
            log.warning("%s", warning)
        config = found.config
        # Admin first and exclusively: a second instance on the same configuration stops here.
        crew.admin = listening.open_admin(config.admin.bind)
        crew.board = Scoreboard.create(2 * config.workers)  # one that is leaving keeps its row while it drains
        bases, used = bundling.choose_bases(config, None, 0, rotate=True)
        bundle = _bundle(1, found, _assign(None, config, crew.board, ()), bases)
        sockets = listening.open_missing(config, {})
        crew.force = InForce(bundle, found, for_control, blank_stock(bundling.STOCK), used, sockets, time.time())

    def reload(self) -> Outcome:
        """The configuration and all it names, read anew."""
        started = time.monotonic()
        now = self._crew.force.reading.config
        try:
            found, for_control = self._read(lambda: reading.read_all(self._path, start=False))
        except ReadingError as error:
            return Outcome(False, list(map(str, error.args)))
        kept = [name for name in ("workers", "admin") if getattr(found.config, name) != getattr(now, name)]
        notices = [*found.warnings, *(f"{name}: takes effect at the next start" for name in kept)]
        config = found.config.model_copy(update={"workers": now.workers, "admin": now.admin})
        outcome = self._take_up(replace(found, config=config), for_control)
        return self._told(outcome, started, notices)

    def refresh(self) -> Outcome:
        """Certificates, keys and lists of the configuration in force, read anew."""
        started = time.monotonic()
        before = self._crew.force.reading
        try:
            found, _ = self._read(lambda: reading.read_files(before))
        except ReadingError as error:
            return Outcome(False, list(map(str, error.args)))
        return self._told(self._take_up(found, None), started, list(found.warnings))

    def rotate(self) -> Outcome:
        """New ticket keys for every listener: whoever got hold of the old ones can no longer be anybody.

        Reads nothing, so that no file in the making can stand in its way.
        """
        return self._told(self._take_up(self._crew.force.reading, None, rotate=True), time.monotonic(), [])

    def brief_control(self, *, success: bool) -> None:
        """All that `control` needs to know, as it stands now."""
        force, control = self._crew.force, self._crew.control
        if control is None:
            return
        found = force.reading
        briefing = Briefing(
            generation=force.generation,
            slots=force.bundle.slots,
            endpoints=found.endpoints,
            dates=found.dates,
            stamps=found.stamps,
            node_files={path: found.files[path] for path in found.for_checks},
            since=force.since,
            success=success,
            restarts=self._crew.restarts,
        )
        fd = Sealed(pack(briefing))
        control.tell("configure", [force.for_control.fd, fd.fd])
        fd.close()

    def _told(self, outcome: Outcome, started: float, notices: list[str]) -> Outcome:
        if not outcome.ok:
            return outcome
        log.info("generation %d is in force after %.3f s", self._crew.force.generation, time.monotonic() - started)
        return Outcome(True, notices)

    def _read(self, task: Callable[[], Found]) -> tuple[Reading, Sealed | None]:
        """Run a reading to its end or its deadline; the children are watched meanwhile. Raises ReadingError."""
        reader = reading.start(task, in_child=self._in_reader)
        self._events.wait_for(reader, time.monotonic() + reading.READ_WITHIN)
        if self._events.stopping:
            reader.close()
            raise ReadingError(STOPPING)
        found, fd = reader.result()
        return found, None if fd is None else Sealed(fd)

    def _in_reader(self) -> None:
        self._crew.forget_everything()
        if hasattr(self._crew, "force"):
            listening.close(self._crew.force.sockets)

    # ---- taking up

    def _take_up(self, found: Reading, for_control: Sealed | None, *, rotate: bool = False) -> Outcome:
        crew, now, config = self._crew, self._crew.force, found.config
        opened: Sockets = {}
        try:
            if not crew.leaving:
                self._former.clear()
            assigned = _assign(now.bundle.slots, config, crew.board, self._former)
            opened = listening.open_missing(config, now.sockets)
            bases, used = bundling.choose_bases(config, now.bundle, now.used, rotate=rotate)
            stock, enough = now.stock, used <= len(now.stock)
            if not enough:
                stock = blank_stock(bundling.STOCK)
                bases, used = bundling.choose_bases(config, None, 0, rotate=True)
            fresh = InForce(
                bundle=_bundle(now.generation + 1, found, assigned, bases),
                reading=found,
                for_control=for_control or now.for_control,
                stock=stock,
                used=used,
                sockets=listening.wanted(config, now.sockets | opened),
                since=now.since if rotate else time.time(),
            )
            for kind, slot in slots.newcomers(now.bundle.slots, assigned):
                crew.board.zero(kind, slot)
            problems = self._in_place(fresh, opened) if enough else self._by_successors(fresh)
        except (CapacityExceededError, listening.ListenError, OSError) as error:
            problems = [str(error)]
        if problems:
            crew.dismiss_successors()
            listening.close(opened)
            if for_control is not None:
                for_control.close()
            return Outcome(False, problems)
        if crew.leaving:
            self._former.append(now.bundle.slots)
        if for_control is not None:
            now.for_control.close()
        listening.close({key: sockets for key, sockets in now.sockets.items() if key not in fresh.sockets})
        listening.announce(opened)
        if self._events.stopping:
            listening.close(fresh.sockets)
        return Outcome(True, [])

    def _in_place(self, fresh: InForce, opened: Sockets) -> list[str]:
        """Every worker prepares, then all swap. A base that was shown to a worker is no longer blank, come what may."""
        crew, events = self._crew, self._events
        crew.force = replace(crew.force, used=fresh.used)
        problems = consent.ask(crew, events, fresh.bundle, opened)
        if events.stopping:
            problems.append(STOPPING)
        if problems:
            consent.discard(crew)
            return problems
        crew.force = fresh  # whoever is started from now on begins with it
        consent.commit(crew, events, fresh.generation)
        return []

    def _by_successors(self, fresh: InForce) -> list[str]:
        """The stock of blank contexts is used up: new workers with a new stock, the old ones finish and go."""
        crew = self._crew
        if crew.leaving or crew.successors:
            return ["workers replaced a moment ago still finish what they have in flight; try again in a minute"]
        crew.start_successors(fresh)
        waiting, problems = set(crew.successors.values()), []
        everybody = len(waiting)
        deadline = time.monotonic() + READY_WITHIN
        while waiting:
            answer = self._events.answer(waiting, ("ready", "not_ready"), deadline)
            if answer is None:
                problems.append("new workers did not become ready in time")
                break
            child, message = answer
            waiting.discard(child)
            if message["kind"] == "not_ready":
                problems.append(str(message.get("problem")))
        if not problems and len(crew.successors) < everybody:
            problems.append("a new worker died")
        if self._events.stopping:
            problems.append(STOPPING)
        if problems:
            return list(dict.fromkeys(problems))
        crew.force = fresh
        crew.succeed()
        return []


def _bundle(generation: int, found: Reading, assigned: Slots, bases: dict[str, int]) -> Bundle:
    return Bundle(generation, found.config, found.files, assigned, bases, found.endpoints)


def _assign(previous: Slots | None, config: GatewayConfig, board: Scoreboard, former: Sequence[Slots]) -> Slots:
    """`former`: slots as a worker may still know them who is told no others; it may yet begin an exchange on them."""

    def busy(kind: Kind, slot: int) -> bool:
        return not board.is_idle(kind, slot) or any(slot in getattr(known, f"{kind}s").values() for known in former)

    return slots.assign(
        previous,
        listeners=config.listeners,
        pools=config.pools,
        nodes=[(name, str(node.address)) for name, pool in config.pools.items() for node in pool.nodes],
        institutions=(UNLISTED, *config.institutions),
        capacity=board.capacity,
        busy=busy,
    )
