from __future__ import annotations

import asyncio
from typing import Any

import pytest

from healthcheck.config import MetricConfig, SnmpCheck
from healthcheck.probes.snmp import OIDS, PROCESSOR_LOAD, SnmpProbe, oids_for
from healthcheck.probes.snmp_poller import IdentityChangedError, Oid, SnmpFailedError, SnmpPoller, SnmpRefusedError
from healthcheck.target import Target
from healthcheck.usage import TICKS, Sample

SOME = MetricConfig(comfort=0.4, limit=0.9)


class Told(SnmpPoller):
    """Answers what a test says."""

    def __init__(self, answer: dict[Oid, int] | Exception, cores: list[int] | None = None) -> None:
        super().__init__()
        self.answer, self.cores, self.walked = answer, cores or [], 0

    async def get(self, agent: Any, oids: tuple[Oid, ...]) -> dict[Oid, int]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return {oid: value for oid, value in self.answer.items() if oid in oids}

    async def walk(self, agent: Any, column: Oid, most: int = 256) -> list[int]:
        assert column == PROCESSOR_LOAD
        self.walked += 1
        return self.cores


def probe(poller: SnmpPoller, *metrics: str) -> SnmpProbe:
    check = SnmpCheck(community="public", metrics=dict.fromkeys(metrics, SOME))
    return SnmpProbe(Target("n", "192.0.2.1", 80), check, poller)


def test_asks_only_for_what_the_metrics_need() -> None:
    assert set(oids_for(["memory"])) == {oid for name, oid in OIDS.items() if name.startswith(("memory", "uptime"))}
    assert {OIDS[name] for name in TICKS} <= set(oids_for(["cpu"]))
    assert oids_for([]) == (OIDS["uptime"],)
    assert len(oids_for(["cpu", "memory"])) == len(OIDS) == len(set(OIDS.values()))


def test_cores_are_walked_only_without_counters() -> None:
    counting = Told({OIDS["cpu_idle"]: 5, OIDS["cpu_user"]: 0}, [70])
    assert asyncio.run(probe(counting, "cpu")()).sample == Sample({"cpu_idle": 5, "cpu_user": 0})
    assert counting.walked == 0
    silent = Told({OIDS["cpu_idle"]: 0, OIDS["cpu_user"]: 0}, [70, 90])
    assert asyncio.run(probe(silent, "cpu")()).sample == Sample({"cpu_idle": 0, "cpu_user": 0}, (70, 90))
    assert asyncio.run(probe(Told({OIDS["memory_total"]: 9}), "memory")()).sample == Sample({"memory_total": 9})


@pytest.mark.parametrize(
    ("error", "code", "label"),
    [
        (SnmpRefusedError("user"), "snmp_auth_user", "auth"),
        (SnmpFailedError("genErr"), "snmp_error", "protocol"),
        (IdentityChangedError(), "snmp_identity_changed", "auth"),
        (ConnectionRefusedError(), "snmp_refused", "connect"),
        (OSError("no such host"), "snmp_connect_failed", "connect"),
    ],
)
def test_no_failure_says_anything_about_the_node(error: Exception, code: str, label: str) -> None:
    verdict = asyncio.run(probe(Told(error), "cpu")())
    assert (verdict.passed, verdict.words.code, verdict.label, verdict.sample) == (None, code, label, None)


def test_a_timeout_is_left_to_the_deadline() -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(probe(Told(TimeoutError()), "cpu")())
