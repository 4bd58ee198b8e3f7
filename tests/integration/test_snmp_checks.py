"""A real snmpd says how busy its host is, falls silent, lies, changes its keys and its identity; nodes are weighed."""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from healthcheck.config import CheckConfig, HttpCheck, MetricConfig, SnmpCheck
from healthcheck.monitor import Monitor
from healthcheck.probes.snmp_discovery import discover
from healthcheck.target import Label, Report, Target
from tests.support.nodes import RecordingNode, ok
from tests.support.reports import Heard, watching
from tests.support.snmpd import (
    AUTH_PHRASE,
    COMMUNITY,
    MEMORY_AVAILABLE,
    MEMORY_FREE,
    MEMORY_TOTAL,
    PRIVACY_PHRASE,
    PROCESSOR_LOAD,
    USER,
    Snmpd,
    Value,
    busy,
    free_udp_port,
)

INTERVAL, TIMEOUT = 0.35, 0.34
TOTAL = 8_000_000  # kB

CPU = MetricConfig(comfort=0.4, limit=0.9)
MEMORY = MetricConfig(comfort=0.6, limit=0.95, eject_above=0.98)


def memory(share: float) -> dict[str, Value]:
    return {MEMORY_AVAILABLE: ("counter64", round(TOTAL * (1 - share)))}


def of_total() -> dict[str, Value]:
    return {MEMORY_TOTAL: ("integer", TOTAL)}


def check(interval: float = INTERVAL, **settings: Any) -> CheckConfig:
    settings = {"community": COMMUNITY, "metrics": {"cpu": CPU, "memory": MEMORY}} | settings
    if settings.get("version") == "3":
        del settings["community"]
    return CheckConfig(snmp=SnmpCheck(**settings), interval=interval, timeout=TIMEOUT, fall=3, rise=2)


def v3(**settings: Any) -> CheckConfig:
    keys = {"user": USER, "auth": {"sha256": AUTH_PHRASE}, "privacy": {"aes128": PRIVACY_PHRASE}}
    return check(version="3", **(keys | settings))


def target(agent: Snmpd | int, *checks: CheckConfig, name: str = "node") -> Target:
    port = agent if isinstance(agent, int) else agent.port
    return Target(name, "127.0.0.1", 9, checks or (check(),), snmp=("127.0.0.1", port))


async def reading(monitor: Monitor, heard: Heard, name: str, low: float, high: float) -> Report:
    def there() -> bool:
        value = monitor.snapshot()["node"].readings.get(name)
        return value is not None and low <= value <= high

    await heard.until(there, f"{name} from {low} to {high}")
    return monitor.snapshot()["node"]


@pytest.mark.parametrize(
    "asked",
    [
        check(),
        v3(),
        v3(user="old", auth={"sha": AUTH_PHRASE}, privacy={"aes256": PRIVACY_PHRASE}),
        v3(user="long", auth={"sha512": AUTH_PHRASE}, privacy={"aes256": PRIVACY_PHRASE}),
        v3(user="longish", auth={"sha384": AUTH_PHRASE}, privacy={"aes128": PRIVACY_PHRASE}),
    ],
    ids=["v2c", "v3 SHA-256 AES-128", "v3 SHA-1 AES-256", "v3 SHA-512 AES-256", "v3 SHA-384 AES-128"],
)
def test_a_busy_host_loses_weight_step_by_step(asked: CheckConfig, tmp_path: Path) -> None:
    async def story() -> None:
        heard = Heard()
        users = {"old": ("SHA", "AES-256"), "long": ("SHA-512", "AES-256"), "longish": ("SHA-384", "AES")}
        with Snmpd(tmp_path, values=busy(0.95) | memory(0.3), overrides=of_total(), users=users) as agent:
            async with watching(heard, [target(agent, asked)]) as monitor:
                report = await reading(monitor, heard, "cpu", 0.9, 1.0)
                assert report.readings["memory"] == pytest.approx(0.3, abs=0.01)
                await heard.until(lambda: heard.latest().factor < 0.2, "next to no weight")
                report = heard.latest()
                assert report.snmp_reason.code == "snmp_loaded"
                assert not report.snmp_eject, "a busy CPU has no eject_above here"
                assert report.active == "up", "SNMP has no say in the active input"
        factors = [report.factor for report in heard.reports]
        assert all(abs(after - before) <= 0.2 + 1e-9 for before, after in itertools.pairwise(factors))
        assert factors[0] == 1.0
        assert min(factors) >= 0.1

    asyncio.run(story())


def test_a_host_out_of_memory_leaves_and_returns(tmp_path: Path) -> None:
    async def story() -> None:
        heard = Heard()
        with Snmpd(tmp_path, values=memory(0.5), overrides=of_total()) as agent:
            async with watching(heard, [target(agent, check(metrics={"memory": MEMORY}))]) as monitor:
                await reading(monitor, heard, "memory", 0.49, 0.51)
                agent.say(*memory(0.99).popitem())
                began = time.monotonic()
                await heard.until(lambda: heard.latest().snmp_eject, "ejected")
                assert heard.times[-1] - began <= 3 * INTERVAL + TIMEOUT + 0.3
                assert heard.latest().snmp_reason.en == "memory at 99% is above 98% (3 in a row)"
                assert heard.latest().snmp_reason.zh == "内存使用率 99% 超过 98%(连续 3 次)"
                agent.say(*memory(0.5).popitem())
                await heard.until(lambda: not heard.latest().snmp_eject, "back")
            assert heard.labels().count("over_limit") >= 3

    asyncio.run(story())


def test_overload_set_by_snmpset_is_seen(tmp_path: Path) -> None:
    """Where the agent has no memSysAvail, free + buffers + cache stand in."""

    async def story() -> None:
        heard = Heard()
        parts = {MEMORY_FREE: 2_000_000, MEMORY_FREE.replace("4.6.", "4.14."): 500_000}
        parts[MEMORY_FREE.replace("4.6.", "4.15.")] = 1_500_000
        overrides = of_total() | {oid: ("integer", value) for oid, value in parts.items()}
        with Snmpd(tmp_path, overrides=overrides, hidden=(MEMORY_AVAILABLE,)) as agent:
            async with watching(heard, [target(agent, check(metrics={"memory": MEMORY}))]) as monitor:
                await reading(monitor, heard, "memory", 0.499, 0.501)
                agent.set(MEMORY_FREE, 42)
                await reading(monitor, heard, "memory", 0.749, 0.751)

    asyncio.run(story())


def test_cores_stand_in_where_there_are_no_counters(tmp_path: Path) -> None:
    async def story() -> None:
        heard = Heard()
        cores: dict[str, Value] = {f"{PROCESSOR_LOAD}.{196608 + n}": ("integer", 90) for n in range(70)}
        with Snmpd(tmp_path, values=cores, hidden=("1.3.6.1.4.1.2021.11",)) as agent:
            async with watching(heard, [target(agent, check(metrics={"cpu": CPU}))]) as monitor:
                await reading(monitor, heard, "cpu", 0.9, 0.9)

    asyncio.run(story())


def test_a_real_agent_in_its_first_minute_is_unknown_and_not_idle(tmp_path: Path) -> None:
    async def story() -> None:
        heard = Heard()
        with Snmpd(tmp_path) as agent:
            async with watching(heard, [target(agent)]) as monitor:
                await heard.more_probes(4)
                report = monitor.snapshot()["node"]
        assert report.readings["cpu"] is None
        assert report.readings["memory"] is not None, "memory is known from the start"
        assert report.snmp_reason.zh == "SNMP 代理没有给出CPU读数"
        assert not report.snmp_eject
        assert set(heard.labels()) == {"unknown_data"}

    asyncio.run(story())


def test_missing_data_keeps_the_last_weight_and_never_ejects(tmp_path: Path) -> None:
    async def story() -> None:
        heard = Heard()
        hidden = ("1.3.6.1.4.1.2021", "1.3.6.1.2.1.25")
        values = busy(0.85) | memory(0.93)
        with (
            Snmpd(tmp_path / "full", values=values, overrides=of_total()) as agent,
            Snmpd(tmp_path / "blind", hidden=hidden) as blind,
        ):
            slow = check(interval=2.0)  # stale only after six seconds
            async with watching(heard, [target(agent), target(blind, name="blind")]) as monitor:
                await heard.until(lambda: heard.latest().factor < 0.3, "weighed down")
                await heard.more_probes(4, "blind")
                agent.stop()
                monitor.apply({"node": target(agent, slow), "blind": target(blind, name="blind")})
                factor = heard.latest().factor
                await heard.until(lambda: heard.labels("node", "snmp")[-1] in ("timeout", "connect"), "silent")
                report = monitor.snapshot()["node"]
                assert report.factor == factor
                assert report.readings == {"cpu": None, "memory": None}
                assert not report.snmp_eject
        report = heard.latest("blind")
        assert (report.factor, report.snmp_eject, report.snmp_reason.code) == (1.0, False, "snmp_unknown")

    asyncio.run(story())


@pytest.mark.parametrize("asked", [check(), v3()], ids=["v2c", "v3"])
def test_a_wedged_agent_costs_only_itself_and_is_found_again(asked: CheckConfig, tmp_path: Path) -> None:
    async def story() -> None:
        heard = Heard()
        with (
            Snmpd(tmp_path / "a", values=memory(0.99), overrides=of_total()) as agent,
            Snmpd(tmp_path / "b", values=memory(0.3), overrides=of_total()) as other,
            RecordingNode(ok()) as node,
        ):
            http = CheckConfig(http=HttpCheck(), interval=INTERVAL, timeout=TIMEOUT)
            targets = [
                Target("node", "127.0.0.1", node.port, (http, asked), snmp=("127.0.0.1", agent.port)),
                target(other, asked, name="other"),
            ]
            async with watching(heard, targets):
                await heard.until(lambda: heard.latest().snmp_eject, "ejected for its memory")
                agent.pause()
                at = len(heard.probes)
                await heard.until(lambda: heard.labels("node", "snmp")[-1] == "timeout", "silent")
                await heard.until(lambda: not heard.latest().snmp_eject, "an ejection ends with its evidence")
                assert heard.latest().snmp_reason.code == "snmp_timed_out"
                assert heard.latest().active == "up"
                while_paused = heard.probes[at:]
                assert {reason for name, kind, reason in while_paused if kind == "http"} == {None}
                others = [reason for name, _, reason in while_paused if name == "other"]
                assert others.count("unknown_data") > others.count("timeout"), "a busy machine may lose one"
                agent.go_on()
                await heard.until(lambda: heard.latest().snmp_eject, "read again")
        assert heard.announced == [], "the same agent as before"

    asyncio.run(story())


def test_an_orderly_restart_of_the_agent_is_no_news(tmp_path: Path) -> None:
    async def story() -> None:
        heard = Heard()
        with Snmpd(tmp_path, values=memory(0.7), overrides=of_total()) as agent:
            async with watching(heard, [target(agent, v3())]) as monitor:
                await reading(monitor, heard, "memory", 0.69, 0.71)
                agent.stop()
                await heard.until(lambda: heard.labels()[-1] in ("timeout", "connect"), "gone")
                agent.say(*memory(0.4).popitem())
                agent.start()
                await reading(monitor, heard, "memory", 0.39, 0.41)
        assert heard.announced == []

    asyncio.run(story())


def test_another_agent_at_the_same_address_is_found_and_reported(tmp_path: Path) -> None:
    async def story() -> None:
        heard = Heard()
        with Snmpd(tmp_path, values=memory(0.7), overrides=of_total()) as agent:
            async with watching(heard, [target(agent, v3())]) as monitor:
                await reading(monitor, heard, "memory", 0.69, 0.71)
                before = await discover("127.0.0.1", agent.port)
                agent.say(*memory(0.4).popitem())
                agent.become_another()
                assert await discover("127.0.0.1", agent.port) != before
                await reading(monitor, heard, "memory", 0.39, 0.41)
                assert [(name, words.code) for name, words in heard.announced] == [("node", "snmp_identity_changed")]
                await heard.more_probes(4)
                assert set(heard.labels()[-4:]) <= {None, "unknown_data"}
        assert len(heard.announced) == 1

    asyncio.run(story())


@pytest.mark.parametrize(
    ("asked", "code", "label"),
    [
        (check(community="wrong"), "snmp_timed_out", "timeout"),
        (v3(user="nobody"), "snmp_auth_user", "auth"),
        (v3(auth={"sha256": "another phrase"}), "snmp_auth_digest", "auth"),
        (v3(privacy={"aes128": "another phrase"}), "snmp_auth_mute", "auth"),
    ],
    ids=["community", "user", "auth", "privacy"],
)
def test_wrong_credentials_are_named_and_harm_nobody(
    asked: CheckConfig, code: str, label: Label, tmp_path: Path
) -> None:
    async def story() -> None:
        heard = Heard()
        with Snmpd(tmp_path, values=memory(0.99), overrides=of_total()) as agent:
            targets = [target(agent, asked), target(agent, v3(), name="right")]
            async with watching(heard, targets) as monitor:
                await heard.until(lambda: heard.labels().count(label) >= 3, "refused")
                await heard.until(lambda: monitor.snapshot()["right"].readings["memory"] is not None, "read")
                report = monitor.snapshot()["node"]
        assert report.snmp_reason.code == code
        assert (report.factor, report.snmp_eject, report.active) == (1.0, False, "up")
        assert "phrase" not in repr(heard.reports)

    asyncio.run(story())


def test_two_users_of_one_name_and_a_change_of_passphrases(tmp_path: Path) -> None:
    async def story() -> None:
        heard = Heard()
        other_phrases = {"auth": {"sha256": "other-auth-1"}, "privacy": {"aes128": "other-priv-1"}}
        with (
            Snmpd(tmp_path / "a", values=memory(0.3), overrides=of_total()) as agent,
            Snmpd(tmp_path / "b", values=memory(0.3), overrides=of_total()) as other,
        ):
            other.change_phrases("other-auth-1", "other-priv-1")
            old = [target(agent, v3()), target(other, v3(**other_phrases), name="other")]
            async with watching(heard, old) as monitor:
                for name in ("node", "other"):
                    await heard.until(lambda name=name: "unknown_data" in heard.labels(name), f"{name} read")  # type: ignore[misc]
                for name in ("node", "other"):
                    at = len(heard.labels(name))
                    await heard.more_probes(4, name)
                    assert set(heard.labels(name)[at:]) == {"unknown_data"}, "they do not disturb each other"
                agent.change_phrases("third-auth-1", "third-priv-1")
                third = v3(auth={"sha256": "third-auth-1"}, privacy={"aes128": "third-priv-1"})
                monitor.apply({"node": target(agent, third)})
                at = len(heard.labels())
                await heard.until(lambda: "unknown_data" in heard.labels()[at:], "read with the new phrases")

    asyncio.run(story())


def test_an_agent_that_talks_nonsense_fails_its_check_and_nothing_else(tmp_path: Path) -> None:
    class Nonsense(asyncio.DatagramProtocol):
        heard = 0

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.heard += 1
            if self.heard > 20:
                return  # pysnmp answers some of it: a storm of the test's own making is not the point
            damaged = [data[:at] + bytes((data[at] ^ 0x55,)) + data[at + 1 :] for at in range(0, len(data), 3)]
            for answer in (b"", b"\x30\x84\xff\xff\xff\xff", b"\x00" * 100, data, data[:-3], data[::-1], *damaged):
                self.transport.sendto(answer, addr)

    async def story() -> None:
        heard = Heard()
        trouble: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: trouble.append(context))
        transport, _ = await loop.create_datagram_endpoint(Nonsense, local_addr=("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        with Snmpd(tmp_path, values=memory(0.3), overrides=of_total()) as agent:
            targets = [target(port), target(port, v3(), name="v3"), target(agent, name="real")]
            async with watching(heard, targets) as monitor:
                await heard.until(lambda: len(heard.labels()) >= 5 and len(heard.labels("v3")) >= 5, "polls")
                await heard.until(lambda: monitor.snapshot()["real"].readings["memory"] is not None, "read")
                for name in ("node", "v3"):
                    assert not monitor.snapshot()[name].snmp_eject
                    assert monitor.snapshot()[name].readings == {"cpu": None, "memory": None}
        transport.close()
        assert [repr(context.get("exception")) for context in trouble] == []

    asyncio.run(story())


def test_nobody_at_the_address(tmp_path: Path) -> None:
    async def story() -> None:
        heard = Heard()
        port = free_udp_port()
        async with watching(heard, [target(port, v3())]):
            await heard.until(lambda: len(heard.labels()) >= 4, "polls")
        assert heard.labels()[0] == "timeout"
        assert "connect" in heard.labels(), "asked who it is, nobody answers, and the kernel says so"
        assert not heard.latest().snmp_eject

    asyncio.run(story())


def test_no_file_is_read_in_the_loop_once_it_runs(tmp_path: Path) -> None:
    """pysnmp reads MIB files at first use; here a thread has read them before."""
    opened: list[str] = []
    armed = threading.Event()
    main = threading.get_ident()

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if armed.is_set() and event in ("open", "os.listdir") and threading.get_ident() == main:
            opened.append(str(arguments[0]))

    sys.addaudithook(audit)

    async def story() -> None:
        heard = Heard()
        with Snmpd(tmp_path, values=memory(0.3), overrides=of_total()) as agent:
            targets = [target(agent), target(agent, v3(), name="v3")]
            task_of = asyncio.create_task
            monitor = Monitor(heard, heard)
            monitor.apply({each.id: each for each in targets})
            await monitor._poller.open()
            armed.set()
            task = task_of(monitor.run())
            await heard.until(lambda: "unknown_data" in heard.labels() and "unknown_data" in heard.labels("v3"), "read")
            armed.clear()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    try:
        asyncio.run(story())
    finally:
        armed.clear()
    assert [name for name in opened if "site-packages" in name] == []
