"""The parent of all: opens sockets, starts workers and `control`, replaces the dead, passes reloads on.

Synchronous on purpose: it handles one thing after the other and touches no traffic, so there is little in it that can
break. What it must never do: wait without a deadline, or change what is in force before every worker has said yes.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

from certs.contexts import blank_stock
from gateway import bundling, last_run, listening, slots
from gateway.board_layout import Capacity
from gateway.channel import ChannelClosedError, Message, pack
from gateway.children import Child, fork_worker, start_control
from gateway.config import GatewayConfig, load_gateway
from gateway.dates import dates
from gateway.hardening import raise_open_files
from gateway.scoreboard import Scoreboard
from gateway.slots import CapacityExceededError
from gateway.snapshot import UNLISTED
from gateway.worker import DRAIN
from settings.errors import ConfigError

if TYPE_CHECKING:
    from gateway.listening import Sockets
    from gateway.snapshot import Bundle

log = logging.getLogger("settlegate.supervisor")

READY_WITHIN: Final = 30.0
"""Seconds a worker may take to build its first snapshot, and to answer a reload."""
FIRST_LOOK_WITHIN: Final = 15.0
COMMIT_WITHIN: Final = 10.0
LONGEST_BACKOFF: Final = 5.0
"""Seconds between two starts of a child that keeps dying."""
ROTATION_HOUR: Final = 3
"""Local hour at which ticket keys are rotated."""
SHOWN: Final = 200
"""Problems of a refused file that are passed on to whoever asked for the reload."""


class StartError(Exception):
    """The gateway could not be started; each argument is one problem."""


class Supervisor:
    """One run of the gateway. Everything happens in `run`, one event at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config: GatewayConfig = load_gateway(path)
        self.generation = 1
        self.rows = 2 * self.config.workers  # a worker being replaced keeps its row while it drains
        self.capacity = Capacity()
        self.board = Scoreboard.create(self.rows, self.capacity)
        self.stock = blank_stock(bundling.STOCK)
        self.used = 0
        self.sockets: Sockets = {}
        self.workers: dict[int, Child] = {}
        self.leaving: list[Child] = []
        self.control: Child | None = None
        self.bundle: Bundle
        self.stopping = False
        self.exit_status = 0
        self._selector = selectors.DefaultSelector()
        self._inbox: deque[tuple[Child, Message]] = deque()
        self._deaths: dict[str, int] = {}
        self._restarts = 0
        self._due: list[tuple[float, str, int]] = []
        self._rotation = _next_rotation(time.time())

    # ---- start

    def run(self) -> int:
        """Until a signal ends it. Raises StartError when it cannot even begin."""
        limit = raise_open_files()
        self._catch_signals()
        try:
            self.admin = listening.open_admin(self.config.admin.bind)
            self.sockets = listening.open_missing(self.config, {})
        except listening.ListenError as error:
            raise StartError(str(error)) from None
        self._start_control()
        try:
            assigned = self._assign(None)
            bases, self.used = bundling.choose_bases(self.config, None, 0, rotate=False)
            self.bundle = bundling.bundle(self.config, self.generation, assigned, bases)
            self._tell_control()
            self._await_first_look()
            for index in range(self.config.workers):
                self._fork(index, index)
            self._await_first_workers()
        except (bundling.BundleError, CapacityExceededError) as error:
            self._stop_now()
            raise StartError(*map(str, error.args)) from None
        except StartError:
            self._stop_now()
            raise
        last_run.remember(self.path, listening.local_address(self.admin), os.getpid())
        for (name, _), sockets in self.sockets.items():
            log.info("listening: %s on %s, %d workers", name, listening.local_address(sockets[0]), len(sockets))
        log.info("ready: generation 1, admin on %s, %d open files", listening.local_address(self.admin), limit)
        while self.workers or self.leaving or not self.stopping:
            self._turn()
        self._stop_now()
        return self.exit_status

    def _catch_signals(self) -> None:
        self._wakeup, ours = socket.socketpair()
        self._wakeup.setblocking(False)
        ours.setblocking(False)
        signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)
        self._ours = ours
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._selector.register(self._wakeup, selectors.EVENT_READ, None)

    def _assign(self, previous: slots.Slots | None, config: GatewayConfig | None = None) -> slots.Slots:
        config = config or self.config
        nodes = [(name, str(node.address)) for name, pool in config.pools.items() for node in pool.nodes]
        return slots.assign(
            previous,
            listeners=config.listeners,
            pools=config.pools,
            nodes=nodes,
            institutions=(UNLISTED, *config.institutions),
            capacity=self.capacity,
            busy=lambda kind, slot: not self.board.is_idle(kind, slot),
        )

    def _await_first_look(self) -> None:
        """Accept nobody before the nodes have been looked at once; without `control` go on all the same."""
        if self.control is None:
            return
        answer = self._answer({self.control}, ("settled",), time.monotonic() + FIRST_LOOK_WITHIN)
        if answer is None:
            log.error("control does not answer; starting without it")
        elif answer[1]["undecided"]:
            log.warning("%d nodes are not judged yet; they get no requests until they are", answer[1]["undecided"])

    def _await_first_workers(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        waiting = set(self.workers.values())
        while waiting:
            answer = self._answer(waiting, ("ready", "not_ready"), deadline)
            if answer is None:
                raise StartError("the workers did not become ready in time; see the log above")
            child, message = answer
            if message["kind"] != "ready":
                raise StartError(str(message.get("problem", "a worker could not start")))
            child.ready = True
            waiting.discard(child)

    # ---- children

    def _fork(self, index: int, row: int) -> Child:
        child = fork_worker(
            self.bundle, self.stock, self.board, index, row, self.sockets, in_child=self._forget_supervisor
        )
        self.workers[index] = child
        self._selector.register(child.channel, selectors.EVENT_READ, child)
        return child

    def _forget_supervisor(self) -> None:
        """In the forked child: signals back to their defaults, the others' channels and the admin socket closed."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        self._selector.close()
        self._wakeup.close()
        self._ours.close()
        self.admin.close()
        for child in (*self.workers.values(), *self.leaving, *([self.control] if self.control else [])):
            child.channel.close()

    def _start_control(self) -> None:
        self.control = start_control(self.board, self.rows, self.admin)
        self._selector.register(self.control.channel, selectors.EVENT_READ, self.control)

    def _tell_control(self) -> None:
        """Configuration and slots for `control`; no file, no key."""
        if self.control is None:
            return
        ports = {f"{name} {address}": listening.local_address(s[0]) for (name, address), s in self.sockets.items()}
        plain = self.bundle.__class__(
            self.generation, self.config, {}, self.bundle.slots, self.bundle.bases, self.bundle.endpoints
        )
        fd = pack(plain)
        try:
            self.control.channel.send("configure", [fd], listening=ports, dates=dates(self.bundle))
        except ChannelClosedError:
            log.warning("control is gone; it gets the configuration when it is back")
        finally:
            os.close(fd)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for child in (*self.workers.values(), *self.leaving, *([self.control] if self.control else [])):
                if child.pid == pid:
                    self._died(child, os.waitstatus_to_exitcode(status))

    def _died(self, child: Child, status: int) -> None:
        self._selector.unregister(child.channel)
        child.channel.close()
        how = f"signal {-status}" if status < 0 else f"status {status}"
        log.log(logging.INFO if child.leaving else logging.ERROR, "%s (pid %d) ended: %s", child.name, child.pid, how)
        if child is self.control:
            self.control = None
        else:
            self.board.clear_gauges(child.row)
            if child in self.leaving:
                self.leaving.remove(child)
            elif self.workers.get(child.index) is child:
                del self.workers[child.index]
        if child.leaving or self.stopping:
            return
        if child.index >= 0:
            self._restarts += 1
            self._adopt(child.index, "adopt")
            self._tell_restarts()
        quick = time.monotonic() - child.started < LONGEST_BACKOFF
        deaths = self._deaths[child.name] = self._deaths.get(child.name, 0) + 1 if quick else 0
        delay = min(LONGEST_BACKOFF, 0.1 * 2**deaths) if deaths > 1 else 0.0
        self._due.append((time.monotonic() + delay, "control" if child.index < 0 else "worker", child.index))

    def _tell_restarts(self) -> None:
        if self.control is not None:
            try:
                self.control.channel.send("worker_died", restarts=self._restarts)
            except ChannelClosedError:
                log.warning("control is gone; it does not hear of the dead worker")

    def _adopt(self, index: int, kind: str) -> None:
        """Have a living worker accept, or stop accepting, on the sockets of a dead one.

        Without it every connection the kernel deals to the orphaned socket hangs until the replacement is there.
        """
        for child in self.workers.values():
            if child.index != index and child.ready:
                try:
                    child.channel.send(kind, index=index)
                except ChannelClosedError:
                    continue
                if kind == "adopt":
                    return

    def _restart_due(self) -> None:
        now = time.monotonic()
        due = [entry for entry in self._due if entry[0] <= now]
        self._due = [entry for entry in self._due if entry[0] > now]
        for _, what, index in due:
            if self.stopping:
                return
            if what == "control":
                self._start_control()
                self._tell_control()
                self._tell_restarts()
            elif index not in self.workers:
                self._fork(index, self._free_row())

    def _free_row(self) -> int:
        taken = {child.row for child in (*self.workers.values(), *self.leaving)}
        return next(row for row in range(self.rows) if row not in taken)

    # ---- events

    def _turn(self) -> None:
        wait = 1.0
        if self._due:
            wait = max(0.0, min(wait, min(entry[0] for entry in self._due) - time.monotonic()))
        self._collect(wait if not self._inbox else 0.0)
        while self._inbox:
            child, message = self._inbox.popleft()
            self._handle(child, message)
        self._restart_due()
        if time.time() >= self._rotation and not self.stopping:
            self._rotation = _next_rotation(time.time())
            self._rotate()

    def _collect(self, wait: float) -> None:
        """Wait for events; signals are acted upon at once, messages go to the inbox."""
        for key, _ in self._selector.select(wait):
            if key.data is None:
                self._signals()
                continue
            try:
                received = key.data.channel.receive()
            except ChannelClosedError:
                # Its death follows; until it is reaped the dead channel must not keep the selector busy.
                time.sleep(0.01)
                self._reap()
                continue
            if received is not None:
                self._inbox.append((key.data, received[0]))

    def _signals(self) -> None:
        try:
            numbers = set(self._wakeup.recv(4096))
        except BlockingIOError:
            return
        if signal.SIGCHLD in numbers:
            self._reap()
        if signal.SIGTERM in numbers or signal.SIGINT in numbers:
            self._stop()
        elif signal.SIGHUP in numbers and not self.stopping and self.control is not None:
            self._inbox.append((self.control, {"kind": "reload", "by": "SIGHUP"}))
        elif signal.SIGHUP in numbers and not self.stopping:
            self._report(*self._reload("SIGHUP"))

    def _handle(self, child: Child, message: Message) -> None:
        kind = message["kind"]
        if kind == "reload" and not self.stopping:
            self._report(*self._reload(str(message.get("by", "admin API"))))
        elif kind == "refresh" and not self.stopping:
            self._report(*self._swap(self.config, rotate=False))
        elif kind == "ready" and child.index >= 0 and not child.ready:
            child.ready = True
            log.info("%s is back (pid %d)", child.name, child.pid)
            self._adopt(child.index, "release")
            self._retire_predecessors(child)
        elif kind == "not_ready":
            log.error("%s: %s", child.name, message.get("problem"))

    def _answer(self, waiting: set[Child], kinds: tuple[str, ...], deadline: float) -> tuple[Child, Message] | None:
        """The next message of one of these kinds from one of these children; None when time is up or all are dead."""
        while time.monotonic() < deadline:
            for position, (child, message) in enumerate(self._inbox):
                if child in waiting and message["kind"] in kinds:
                    del self._inbox[position]
                    return child, message
            if not any(child is self.control or child in self.workers.values() for child in waiting):
                return None
            self._collect(min(0.5, max(0.0, deadline - time.monotonic())))
        return None

    # ---- reload

    def _reload(self, by: str) -> tuple[bool, list[str]]:
        """Read everything anew; swap it in whole or change nothing. Returns success and problems or notices."""
        log.info("reload asked for by %s", by)
        started = time.monotonic()
        try:
            config = load_gateway(self.path)
        except ConfigError as error:
            return False, [str(problem) for problem in error.problems]
        notices = []
        if config.workers != self.config.workers:
            notices.append(f"workers: {config.workers} takes effect at the next start")
            config = config.model_copy(update={"workers": self.config.workers})
        if config.admin != self.config.admin:
            notices.append("admin: takes effect at the next start")
            config = config.model_copy(update={"admin": self.config.admin})
        ok, problems = self._swap(config, rotate=False)
        if ok:
            log.info("generation %d is in force after %.3f s", self.generation, time.monotonic() - started)
        return ok, problems or notices

    def _rotate(self) -> None:
        """New ticket keys for every listener: whoever got hold of the old ones can no longer be anybody."""
        ok, problems = self._swap(self.config, rotate=True)
        log.log(logging.INFO if ok else logging.ERROR, "ticket keys rotated" if ok else f"rotation failed: {problems}")

    def _swap(self, config: GatewayConfig, *, rotate: bool) -> tuple[bool, list[str]]:
        generation = self.generation + 1
        try:
            assigned = self._assign(self.bundle.slots, config)
            bases, used = bundling.choose_bases(config, self.bundle, self.used, rotate=rotate)
            if used > len(self.stock):
                return self._swap_by_replacing(config)
            bundle = bundling.bundle(config, generation, assigned, bases)
            opened = listening.open_missing(config, self.sockets)
        except bundling.BundleError as error:
            return False, list(map(str, error.args))
        except (CapacityExceededError, listening.ListenError) as error:
            return False, [str(error)]
        for kind, slot in slots.newcomers(self.bundle.slots, assigned):
            self.board.zero(kind, slot)
        self.used = used  # a base that was shown to a worker is no longer blank, whatever comes of this reload
        problems = self._prepare(bundle, opened)
        if problems:
            self._broadcast("discard")
            listening.close(opened)
            return False, problems
        self.config, self.bundle, self.generation = config, bundle, generation
        self._broadcast("commit", generation=generation)
        self.sockets.update(opened)
        listening.close(self.sockets, listening.unwanted(config, self.sockets))
        self._await_commit(generation)
        self._tell_control()
        return True, []

    def _prepare(self, bundle: Bundle, opened: Sockets) -> list[str]:
        """Ask every worker whether it could run this. Whoever does not answer is killed and replaced."""
        fd = pack(bundle)
        fds = [fd, *(sock.fileno() for sockets in opened.values() for sock in sockets)]
        described = [(name, address, len(sockets)) for (name, address), sockets in opened.items()]
        waiting: set[Child] = set()
        for child in list(self.workers.values()):
            if child.ready:
                try:
                    child.channel.send("prepare", fds, generation=bundle.generation, sockets=described)
                    waiting.add(child)
                except ChannelClosedError:
                    log.warning("%s does not listen", child.name)
        os.close(fd)
        problems: list[str] = []
        deadline = time.monotonic() + READY_WITHIN
        while waiting:
            answer = self._answer(waiting, ("ready", "not_ready"), deadline)
            if answer is None:
                break
            child, message = answer
            if message.get("generation") != bundle.generation:
                continue
            waiting.discard(child)
            if message["kind"] == "not_ready":
                problems.append(str(message["problem"]))
        for child in waiting:
            log.error("%s did not answer in time and is replaced", child.name)
            child.kill(signal.SIGKILL)
        return list(dict.fromkeys(problems))

    def _await_commit(self, generation: int) -> None:
        waiting = {child for child in self.workers.values() if child.ready}
        deadline = time.monotonic() + COMMIT_WITHIN
        while waiting:
            answer = self._answer(waiting, ("committed",), deadline)
            if answer is None:
                break
            if answer[1].get("generation") == generation:
                waiting.discard(answer[0])
        for child in waiting:
            if child in self.workers.values():
                log.error("%s did not swap in time and is replaced", child.name)
                child.kill(signal.SIGKILL)

    def _swap_by_replacing(self, config: GatewayConfig) -> tuple[bool, list[str]]:
        """The stock of blank contexts is used up: new workers with a new stock, the old ones finish and go."""
        try:
            assigned = self._assign(self.bundle.slots, config)
            stock = blank_stock(bundling.STOCK)
            bases, used = bundling.choose_bases(config, None, 0, rotate=True)
            bundle = bundling.bundle(config, self.generation + 1, assigned, bases)
            opened = listening.open_missing(config, self.sockets)
        except bundling.BundleError as error:
            return False, list(map(str, error.args))
        except (CapacityExceededError, listening.ListenError) as error:
            return False, [str(error)]
        for kind, slot in slots.newcomers(self.bundle.slots, assigned):
            self.board.zero(kind, slot)
        self.config, self.bundle, self.stock, self.used = config, bundle, stock, used
        self.generation += 1
        self.sockets.update(opened)
        listening.close(self.sockets, listening.unwanted(config, self.sockets))
        for index, child in sorted(self.workers.items()):
            self._fork_beside(index, child)
        self._tell_control()
        return True, []

    def _fork_beside(self, index: int, predecessor: Child) -> None:
        predecessor.leaving = True
        self.leaving.append(predecessor)
        self._fork(index, self._free_row())

    def _retire_predecessors(self, child: Child) -> None:
        for predecessor in self.leaving:
            if predecessor.index == child.index:
                predecessor.kill(signal.SIGTERM)

    def _broadcast(self, kind: str, **values: int) -> None:
        for child in self.workers.values():
            if child.ready:
                try:
                    child.channel.send(kind, (), **values)
                except ChannelClosedError:
                    log.warning("%s does not listen", child.name)

    def _report(self, ok: bool, lines: list[str]) -> None:
        for line in lines:
            log.log(logging.INFO if ok else logging.ERROR, "reload: %s", line)
        if not ok:
            log.error("reload refused; generation %d stays in force", self.generation)
        if self.control is not None:
            shown = [line[:300] for line in lines[:SHOWN]]
            try:
                self.control.channel.send("reloaded", ok=ok, generation=self.generation, lines=shown)
            except ChannelClosedError:
                log.warning("control is gone; nobody to tell the outcome of the reload")

    # ---- stop

    def _stop(self) -> None:
        """First signal: listeners close, what is in flight ends. Second one: now."""
        children = [*self.workers.values(), *self.leaving]
        if self.stopping:
            log.warning("stopping at once")
            for child in children:
                child.kill(signal.SIGKILL)
            return
        log.info("stopping: finishing what is in flight, at most %g s", DRAIN)
        self.stopping = True
        listening.close(self.sockets)
        for child in children:
            child.leaving = True
            child.kill(signal.SIGTERM)
        if self.control is not None:
            try:
                self.control.channel.send("draining")
            except ChannelClosedError:
                log.warning("control is gone already")

    def _stop_now(self) -> None:
        """Nothing is in flight any more, or nothing ever was."""
        self.stopping = True
        listening.close(self.sockets)
        for child in (*self.workers.values(), *self.leaving):
            child.leaving = True
            child.kill(signal.SIGKILL)
        if self.control is not None:
            self.control.leaving = True
            self.control.kill(signal.SIGTERM)
        deadline = time.monotonic() + 3.0
        while (self.workers or self.leaving or self.control) and time.monotonic() < deadline:
            self._collect(0.1)
            self._reap()
        if self.control is not None:
            self.control.kill(signal.SIGKILL)


def _next_rotation(now: float) -> float:
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
    except ConfigError as error:
        problems = [str(problem) for problem in error.problems]
    except StartError as error:
        problems = [str(problem) for problem in error.args]
    for problem in problems:
        log.error("%s", problem)
    log.error("not started; `settlegate check %s` shows everything that is wrong", path)
    return 1
