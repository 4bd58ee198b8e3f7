"""What `control` knows and decides: node states, metrics, watched files, and what operators wish.

While `control` is gone the workers go on with the states it left; when it is back it goes on from them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, get_args

from balancer.node import Admin, NodeState
from gateway.board_layout import BUCKETS, CLASSES, CODES, DIRECTIONS, REFUSAL_REASONS, RETRY_REASONS
from gateway.channel import Channel, ChannelClosedError, DescriptorsLostError, Message, unpack
from gateway.node_table import Key, NodeTable
from gateway.slots import Slots
from gateway.targets import checks_of, key_of, target_id, targets_of
from gateway.watching import FileWatch
from healthcheck.monitor import Monitor
from healthcheck.target import Label
from monitoring import exposition
from monitoring.centre import (
    AdminAction,
    NodeView,
    PoolView,
    ReloadResult,
    ReloadUnderWayError,
    UnknownNodeError,
    UnknownPoolError,
)
from monitoring.control_metrics import ControlMetrics

if TYPE_CHECKING:
    from gateway.briefing import Briefing
    from gateway.config import GatewayConfig
    from gateway.scoreboard import Scoreboard
    from healthcheck.target import Report
    from healthcheck.words import Words

log = logging.getLogger("settlegate.control")

TICK: Final = 0.5
"""Seconds between two looks at what changes with time alone: slow start, failures counted by the workers."""
WATCH: Final = 2.0
"""Seconds between two looks at the files; a change is acted upon when it has stood still for one more."""
FIRST_LOOK: Final = 3.0
"""Seconds that traffic waits for the first probes at start."""
RELOAD_WITHIN: Final = 90.0
PROBE_REASONS: Final[tuple[str, ...]] = get_args(Label)
"""Known from the start, so that their series begin at 0."""
_WISHES: Mapping[AdminAction, Admin] = {
    "ready": Admin.READY,
    "drain": Admin.DRAIN,
    "maintenance": Admin.MAINTENANCE,
}


class ControlCentre:
    """What the admin API asks, the monitor reports to, and the supervisor speaks to."""

    def __init__(self, board: Scoreboard, channel: Channel, build: tuple[str, str, str]) -> None:
        """`build`: versions of Settlegate, Python and OpenSSL."""
        self.board = board
        self.channel = channel
        self.table = NodeTable(board)
        self.monitor = Monitor(self, self)
        self.metrics = ControlMetrics()
        self.metrics.build = build
        self.slots = Slots()
        self.files = FileWatch()
        self.failures: dict[Key, int] = {}
        self.draining = False
        self.restarts = 0
        self.generation = 0
        self.monitor_task: asyncio.Task[None] | None = None
        self.first_look: asyncio.Task[None] | None = None
        self._reload: asyncio.Future[ReloadResult] | None = None
        self._ticket = 0
        """Of the last reload asked for here: others end too, by signal or because a file changed."""
        self._sources = exposition.Sources(
            board=board,
            labels=exposition.BoardLabels(
                codes=CODES,
                buckets=BUCKETS,
                refusals=REFUSAL_REASONS,
                retries=RETRY_REASONS,
                classes=CLASSES,
                directions=DIRECTIONS,
            ),
            slots=lambda: self.slots,
            nodes=self._readings,
            node_states=[state.label for state in NodeState],
            control=self.metrics,
        )

    # ---- what the supervisor says

    def message(self) -> None:
        try:
            received = self.channel.receive()
        except (ChannelClosedError, DescriptorsLostError) as error:
            # Without what was lost this process would go on with yesterday's configuration: better a fresh one.
            log.error("nothing can be heard of the supervisor any more (%s); ending", error)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        if received is None:
            return
        message, fds = received
        try:
            self._handle(message, [unpack(fd) for fd in fds])
        except Exception:
            log.exception("message %s", message.get("kind"))
        finally:
            for fd in fds:
                os.close(fd)

    def _handle(self, message: Message, packed: list[Any]) -> None:
        kind = message["kind"]
        if kind == "configure":
            self._configure(*packed)
        elif kind == "reloaded":
            self._reloaded(message, *packed)
        elif kind == "draining":
            self.draining = True
        elif kind == "worker_died":
            self.restarts = int(message["restarts"])

    def _configure(self, config: GatewayConfig, briefing: Briefing) -> None:
        now = time.time()
        self.slots = briefing.slots
        self.generation = briefing.generation
        self.restarts = briefing.restarts
        remembered = self.table.configure(config, briefing.slots, briefing.generation, now)
        targets = targets_of(config, briefing.endpoints, briefing.node_files)
        self.monitor.apply(targets)
        for key, up in remembered.items():
            if target_id(key) in targets:
                self.monitor.resume(target_id(key), up)
        self.metrics.configure(checks=checks_of(config), reasons=PROBE_REASONS, channels=config.alerts.channels)
        dates = briefing.dates
        self.metrics.files(certificates=dates["certificates"], revocation_lists=dates["crls"])
        self.metrics.reloaded(success=True, now=briefing.since)
        if not briefing.success:
            self.metrics.reloaded(success=False, now=now)
        self.files.follow(briefing.stamps)
        if self.monitor_task is None:
            self.monitor_task = asyncio.create_task(self._probe(), name="monitor")
            self.first_look = asyncio.create_task(self._first_look(), name="first look")

    async def _first_look(self) -> None:
        """Tell the supervisor when every node has been judged, so that traffic begins behind the first probes."""
        deadline = time.monotonic() + FIRST_LOOK
        while self.table.undecided() and time.monotonic() < deadline:  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.05)
        with contextlib.suppress(ChannelClosedError):
            self.channel.send("settled", undecided=self.table.undecided())

    async def _probe(self) -> None:
        """The monitor for as long as this process lives; an error in it is an event, not the end of checking."""
        while True:
            try:
                await self.monitor.run()
            except Exception:
                log.exception("the monitor failed and is started again")
                await asyncio.sleep(1.0)

    def _reloaded(self, message: Message, lines: list[str]) -> None:
        ok = bool(message["ok"])
        if not ok:
            self.metrics.reloaded(success=False, now=time.time())
        if self._reload is not None and not self._reload.done() and message["ticket"] == self._ticket:
            problems, notices = ((), tuple(lines)) if ok else (tuple(lines), ())
            self._reload.set_result(ReloadResult(ok, int(message["generation"]), problems, notices))

    # ---- what the monitor says

    def publish(self, report: Report) -> None:
        self.table.report(key_of(report.target), report)
        self.table.evaluate(time.time())

    def announce(self, target: str, words: Words) -> None:
        log.warning("%s: %s", target, words.en)

    def observe_probe(self, target: str, check: str, duration: float, reason: Label | None) -> None:
        pool, address = key_of(target)
        self.metrics.probed(pool, address, check, duration, reason)

    # ---- what changes with time

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            try:
                self.board.page.heartbeat[0] = time.monotonic_ns()
                self.table.evaluate(time.time())
                self._hurry()
            except Exception:
                log.exception("tick")

    def _hurry(self) -> None:
        """A node that failed real requests is probed at once."""
        for key, slot in self.table.slots():
            failed = self.board.total("node_failures", slot)
            if failed > self.failures.get(key, 0):
                self.monitor.hurry(target_id(key))
            self.failures[key] = failed

    def _count_workers(self) -> None:
        states = {"starting": 0, "accepting": 0, "draining": 0}
        for row in self.board.rows:
            if row.pid[0]:
                begun = bool(row.generation[0])
                states["accepting" if row.accepting[0] else "draining" if begun else "starting"] += 1
        self.metrics.workers(states, self.restarts)

    async def watch(self) -> None:
        """Certificates, keys and CRLs that changed on disk are taken up without a word from anybody."""
        while True:
            await asyncio.sleep(WATCH)
            try:
                if self.files.look():
                    self.channel.send("refresh")
            except ChannelClosedError:
                return
            except Exception:
                log.exception("watching files")

    # ---- what the admin API asks

    def pools(self) -> Mapping[str, PoolView]:
        return self.table.views()

    def alive(self) -> bool:
        return self.monitor_task is not None and not self.monitor_task.done()

    def ready(self) -> tuple[bool, str]:
        accepting = sum(1 for row in self.board.rows if row.pid[0] and row.accepting[0])
        if self.draining:
            return False, "draining"
        if not accepting:
            return False, "no worker accepts connections"
        return True, f"accepting: {accepting} workers, generation {self.generation}"

    async def reload(self) -> ReloadResult:
        if self._reload is not None:
            raise ReloadUnderWayError
        waiting: asyncio.Future[ReloadResult] = asyncio.get_running_loop().create_future()
        self._reload = waiting
        self._ticket += 1
        try:
            self.channel.send("reload", ticket=self._ticket)
            async with asyncio.timeout(RELOAD_WITHIN):
                return await waiting
        except (ChannelClosedError, TimeoutError) as error:
            late = isinstance(error, TimeoutError)
            why = "the supervisor did not answer in time" if late else "the supervisor is gone"
            return ReloadResult(ok=False, generation=self.generation, problems=(why,))
        finally:
            self._reload = None

    async def set_admin(self, pool: str, address: str, action: AdminAction) -> NodeView:
        if pool not in self.slots.pools:
            raise UnknownPoolError(pool)
        key = (pool, address)
        try:
            self.table.set_admin(key, _WISHES[action])
        except KeyError:
            raise UnknownNodeError(address) from None
        self.table.evaluate(time.time())
        return self.table.view(key)

    def metrics_text(self) -> bytes:
        self._count_workers()
        return exposition.main_page(self._sources)

    def institutions_metrics_text(self) -> bytes:
        return exposition.institutions_page(self._sources)

    def _readings(self) -> list[exposition.NodeReading]:
        return [exposition.NodeReading(*key, *self.table.state(key)) for key, _ in self.table.slots()]
