"""The kinds of probe by name, and the one way to run them: under a deadline, and never raising."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from healthcheck import words
from healthcheck.config import CheckConfig
from healthcheck.probes.http import HttpProbe
from healthcheck.probes.snmp import SnmpProbe
from healthcheck.probes.snmp_poller import SnmpPoller
from healthcheck.probes.tcp import TcpProbe
from healthcheck.target import Target, Verdict

log = logging.getLogger(__name__)

Probe = Callable[[], Awaitable[Verdict]]
"""One check of one target, ready to be run again and again."""

PROBES: dict[str, Callable[[Target, Any, SnmpPoller], Probe]] = {"http": HttpProbe, "tcp": TcpProbe, "snmp": SnmpProbe}
"""By the key of the check in the configuration, whose settings are the second argument."""


def kind_of(check: CheckConfig) -> str:
    return next(kind for kind in PROBES if getattr(check, kind) is not None)


def prepare(target: Target, check: CheckConfig, poller: SnmpPoller) -> Probe:
    kind = kind_of(check)
    return PROBES[kind](target, getattr(check, kind), poller)


async def run(kind: str, probe: Probe, timeout: float, target: str) -> Verdict:  # noqa: ASYNC109 -- ends as a verdict
    """The verdict of one probe, within `timeout` seconds whatever the peer does; `target` is for the log."""
    passed = None if kind == "snmp" else False  # losing sight of an agent says nothing about its node
    try:
        async with asyncio.timeout(timeout):
            return await probe()
    except TimeoutError:
        if isinstance(probe, SnmpProbe) and probe.mute:
            return Verdict(passed, words.snmp_auth("mute"), "auth")
        return Verdict(passed, words.timed_out(kind, timeout), "timeout")
    except Exception:
        log.exception("%s check of %s failed inside the gateway", kind, target)
        return Verdict(passed, words.internal(kind), "internal")
