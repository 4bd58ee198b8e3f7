"""What `control` makes of what the supervisor says, and what it asks of it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import control_centre as module
from gateway.board_layout import Capacity
from gateway.briefing import Briefing
from gateway.channel import Channel, DescriptorsLostError, pack
from gateway.config import load_gateway
from gateway.control_centre import ControlCentre
from gateway.scoreboard import Scoreboard
from gateway.slots import Slots
from gateway.watching import stamp
from monitoring.centre import ReloadUnderWayError, UnknownNodeError, UnknownPoolError
from tests.support.gateway import Gateway

CAPACITY = Capacity(listeners=1, pools=1, nodes=2, institutions=4)
NODE = "127.0.0.1:18101"


class Desk:
    """A centre, and the supervisor's end of its channel."""

    def __init__(self, folder: Path) -> None:
        self.gateway = Gateway(folder, nodes=[NODE])
        self.shared = Scoreboard.create(1, CAPACITY)
        self.board = Scoreboard.attach(self.shared.for_control(), CAPACITY, 1)
        self.supervisor, self.channel = Channel.pair()
        self.centre = ControlCentre(self.board, self.channel, ("1", "3", "4"))

    def say(self, kind: str, *what: object, **values: Any) -> None:
        fds = [pack(one) for one in what]
        self.supervisor.send(kind, fds, **values)
        for fd in fds:
            os.close(fd)
        self.centre.message()

    def configure(self, **changes: Any) -> None:
        self.gateway.write()
        config = load_gateway(self.gateway.path)
        crl = self.gateway.world.crl
        values: dict[str, Any] = {
            "generation": 1,
            "slots": Slots({"settlement": 0}, {"settlement": 0}, {("settlement", NODE): 0}, {"_unlisted": 0}),
            "endpoints": {NODE: ("127.0.0.1", 18101)},
            "dates": {"certificates": {"a": 1.0}, "crls": {}},
            "stamps": {str(crl): stamp(crl)},
            "since": 1234.0,
            "success": True,
            "restarts": 0,
            "node_files": {},
        }
        self.say("configure", config, Briefing(**(values | changes)))

    def heard(self) -> list[dict[str, Any]]:
        found = []
        while received := self.supervisor.receive():
            found.append(received[0])
        return found

    def metric(self, name: str) -> float:
        for line in self.centre.metrics_text().decode().splitlines():
            if line.startswith(name + " "):
                return float(line.rpartition(" ")[2])
        raise AssertionError(name)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Run a test with a desk, inside a loop; nobody is probed."""

    async def rest(_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(module.ControlCentre, "_probe", rest)

    def runs(test: Callable[[Desk], Awaitable[None]]) -> None:
        async def inside() -> None:
            desk = Desk(tmp_path)
            await asyncio.wait_for(test(desk), 10)
            desk.supervisor.close()
            desk.channel.close()

        asyncio.run(inside())

    return runs


async def until(what: Callable[[], object]) -> None:
    while not what():
        await asyncio.sleep(0.005)


def test_what_is_in_force_is_taken_up(run: Any) -> None:
    async def test(desk: Desk) -> None:
        desk.configure(restarts=3)
        assert desk.metric("settlegate_config_reload_success") == 1
        assert desk.metric("settlegate_config_last_reload_timestamp_seconds") == 1234
        assert desk.metric("settlegate_worker_restarts_total") == 3
        assert desk.centre.pools()["settlement"]["nodes"][NODE]["state"] == "up"
        await until(lambda: [m["kind"] for m in desk.heard()] == ["settled"])

    run(test)


def test_a_refusal_before_its_own_time_is_remembered(run: Any) -> None:
    async def test(desk: Desk) -> None:
        desk.configure(success=False)
        assert desk.metric("settlegate_config_reload_success") == 0
        assert desk.metric("settlegate_config_last_reload_timestamp_seconds") == 1234

    run(test)


def test_a_reload_is_answered_with_its_own_outcome_and_no_other(run: Any) -> None:
    async def test(desk: Desk) -> None:
        desk.configure()
        asked = asyncio.ensure_future(desk.centre.reload())
        await asyncio.sleep(0)
        ticket = desk.heard()[-1]["ticket"]
        desk.say("reloaded", ["by a signal"], ok=False, generation=1, ticket=None)
        desk.say("reloaded", ["of the one before"], ok=False, generation=1, ticket=ticket - 1)
        await asyncio.sleep(0)
        assert not asked.done()
        desk.say("reloaded", ["said"], ok=True, generation=2, ticket=ticket)
        result = await asked
        assert (result.ok, result.generation, result.notices, result.problems) == (True, 2, ("said",), ())

    run(test)


def test_one_reload_at_a_time(run: Any) -> None:
    async def test(desk: Desk) -> None:
        first = asyncio.ensure_future(desk.centre.reload())
        await asyncio.sleep(0)
        with pytest.raises(ReloadUnderWayError):
            await desk.centre.reload()
        ticket = desk.heard()[-1]["ticket"]
        desk.say("reloaded", ["why"] * 3, ok=False, generation=1, ticket=ticket)
        result = await first
        assert (result.ok, result.problems) == (False, ("why",) * 3)
        assert desk.metric("settlegate_config_reload_success") == 0

    run(test)


def test_a_supervisor_that_is_gone_or_silent_is_said_to_be(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(desk: Desk) -> None:
        monkeypatch.setattr(module, "RELOAD_WITHIN", 0.05)
        assert (await desk.centre.reload()).problems == ("the supervisor did not answer in time",)
        desk.supervisor.close()
        assert (await desk.centre.reload()).problems == ("the supervisor is gone",)

    run(test)


def test_changed_files_are_told_of(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WATCH", 0.01)

    async def test(desk: Desk) -> None:
        desk.configure()
        await until(desk.heard)  # settled
        watching = asyncio.ensure_future(desk.centre.watch())
        await asyncio.sleep(0.05)
        assert desk.heard() == []
        desk.gateway.world.revoke()
        told: list[str] = []
        while not told:
            await asyncio.sleep(0.005)
            told += [message["kind"] for message in desk.heard()]
        await asyncio.sleep(0.05)
        assert told + [message["kind"] for message in desk.heard()] == ["refresh"]
        watching.cancel()

    run(test)


def test_readiness_is_what_workers_say_until_the_end(run: Any) -> None:
    async def test(desk: Desk) -> None:
        desk.configure()
        assert desk.centre.ready() == (False, "no worker accepts connections")
        row = desk.shared.rows[0]
        row.pid[0], row.accepting[0], row.generation[0] = 1, 1, 1
        assert desk.centre.ready() == (True, "accepting: 1 workers, generation 1")
        assert desk.metric('settlegate_workers{state="accepting"}') == 1
        desk.say("draining")
        assert desk.centre.ready() == (False, "draining")

    run(test)


def test_wishes_are_for_nodes_there_are(run: Any) -> None:
    async def test(desk: Desk) -> None:
        desk.configure()
        assert (await desk.centre.set_admin("settlement", NODE, "drain"))["state"] == "draining"
        with pytest.raises(UnknownNodeError):
            await desk.centre.set_admin("settlement", "127.0.0.1:9", "drain")
        with pytest.raises(UnknownPoolError):
            await desk.centre.set_admin("nowhere", NODE, "drain")

    run(test)


def test_what_it_cannot_understand_is_logged_and_no_end(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def test(desk: Desk) -> None:
        desk.say("configure", "no configuration")
        desk.say("unheard of")
        assert "message configure" in caplog.messages
        desk.configure()

    run(test)


@pytest.mark.parametrize("how", ["closed", "lost"])
def test_without_a_word_it_ends_so_that_another_begins_afresh(
    run: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    ended: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *arguments: ended.append(arguments))

    def loses() -> None:
        raise DescriptorsLostError({"kind": "configure", "fds": 2})

    async def test(desk: Desk) -> None:
        if how == "closed":
            desk.supervisor.close()
        else:
            monkeypatch.setattr(desk.channel, "receive", loses)
        desk.centre.message()
        assert ended == [(os.getpid(), signal.SIGTERM)]

    run(test)
