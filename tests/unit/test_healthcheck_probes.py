from __future__ import annotations

import asyncio

import pytest

from healthcheck import probes, words
from healthcheck.config import CheckConfig, HttpCheck, SnmpCheck, TcpCheck
from healthcheck.probes import PROBES, kind_of, prepare, run
from healthcheck.probes.http import HttpProbe
from healthcheck.probes.snmp import SnmpProbe
from healthcheck.probes.snmp_poller import SnmpPoller
from healthcheck.probes.tcp import TcpProbe
from healthcheck.target import Target, Verdict

NODE = Target("n", "192.0.2.1", 80)
CHECKS = {
    "http": CheckConfig(http=HttpCheck()),
    "tcp": CheckConfig(tcp=TcpCheck()),
    "snmp": CheckConfig(snmp=SnmpCheck(community="public")),
}


def test_every_kind_of_check_has_its_probe() -> None:
    assert set(PROBES) == set(CheckConfig.model_fields) - {"interval", "timeout", "fall", "rise"}
    made = {kind: type(prepare(NODE, check, SnmpPoller())) for kind, check in CHECKS.items()}
    assert made == {"http": HttpProbe, "tcp": TcpProbe, "snmp": SnmpProbe}
    assert {kind: kind_of(check) for kind, check in CHECKS.items()} == {kind: kind for kind in CHECKS}


@pytest.mark.parametrize(("kind", "passed"), [("http", False), ("tcp", False), ("snmp", None)])
def test_a_probe_always_ends_in_a_verdict(kind: str, passed: bool | None, caplog: pytest.LogCaptureFixture) -> None:
    async def endless() -> Verdict:
        await asyncio.sleep(60)
        raise AssertionError

    async def broken() -> Verdict:
        raise ZeroDivisionError

    async def late() -> Verdict:
        raise TimeoutError

    for probe in (endless, late):
        assert asyncio.run(run(kind, probe, 0.01, "n")) == Verdict(passed, words.timed_out(kind, 0.01), "timeout")
    assert asyncio.run(run(kind, broken, 1.0, "n")) == Verdict(passed, words.internal(kind), "internal")
    assert "ZeroDivisionError" in caplog.text


def test_cancelling_is_no_verdict() -> None:
    async def story() -> None:
        task = asyncio.create_task(run("tcp", lambda: asyncio.sleep(60), 60.0, "n"))  # type: ignore[arg-type, return-value]
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())


def test_an_agent_that_lives_and_does_not_answer_is_said_to_be_mute(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(_self: object) -> Verdict:
        await asyncio.sleep(60)
        raise AssertionError

    poller = SnmpPoller()
    monkeypatch.setattr(SnmpProbe, "__call__", endless)
    monkeypatch.setattr(poller, "mute", lambda _agent: True)
    probe = probes.prepare(NODE, CHECKS["snmp"], poller)
    assert asyncio.run(run("snmp", probe, 0.01, "n")) == Verdict(None, words.snmp_auth("mute"), "auth")
