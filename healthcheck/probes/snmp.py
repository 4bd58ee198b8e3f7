"""SNMP check: what to ask an agent for, and its answer as one sample. Judged in `healthcheck.load`, over time.

A failure here has no say on the node (`passed` is None): an agent that is stopped, firewalled or given another
password leaves the application as healthy as before.
"""

from __future__ import annotations

from collections.abc import Iterable

from healthcheck import words
from healthcheck.config import SnmpCheck
from healthcheck.probes.connecting import verdict_of
from healthcheck.probes.snmp_agent import agent_of
from healthcheck.probes.snmp_poller import IdentityChangedError, Oid, SnmpFailedError, SnmpPoller, SnmpRefusedError
from healthcheck.target import Target, Verdict
from healthcheck.usage import Sample, has_ticks

_UCD = (1, 3, 6, 1, 4, 1, 2021)
PROCESSOR_LOAD: Oid = (1, 3, 6, 1, 2, 1, 25, 3, 3, 1, 2)  # hrProcessorLoad, a row per core
OIDS: dict[str, Oid] = {
    "uptime": (1, 3, 6, 1, 2, 1, 1, 3, 0),  # sysUpTime: begins anew with the agent, so with the host too
    "cpu_user": (*_UCD, 11, 50, 0),  # ssCpuRaw..., Counter32, hundredths of a second summed over all cores
    "cpu_nice": (*_UCD, 11, 51, 0),
    "cpu_system": (*_UCD, 11, 52, 0),
    "cpu_idle": (*_UCD, 11, 53, 0),
    "cpu_wait": (*_UCD, 11, 54, 0),
    "cpu_interrupt": (*_UCD, 11, 56, 0),
    "cpu_softirq": (*_UCD, 11, 61, 0),
    "cpu_steal": (*_UCD, 11, 64, 0),
    "memory_total": (*_UCD, 4, 5, 0),  # memTotalReal, kB
    "memory_free": (*_UCD, 4, 6, 0),  # memAvailReal: free, in spite of its name
    "memory_buffers": (*_UCD, 4, 14, 0),
    "memory_cached": (*_UCD, 4, 15, 0),
    "memory_available": (*_UCD, 4, 27, 0),  # memSysAvail: the kernel's own estimate
}
_NAMES = {oid: name for name, oid in OIDS.items()}


def oids_for(metrics: Iterable[str]) -> tuple[Oid, ...]:
    prefixes = ("uptime", *metrics)
    return tuple(oid for name, oid in OIDS.items() if name.startswith(prefixes))


class SnmpProbe:
    """Of one target."""

    def __init__(self, target: Target, check: SnmpCheck, poller: SnmpPoller) -> None:
        self.agent = agent_of(target, check)
        self._poller = poller
        self._oids = oids_for(check.metrics)
        self._wants_cpu = "cpu" in check.metrics

    @property
    def mute(self) -> bool:
        return self._poller.mute(self.agent)

    async def __call__(self) -> Verdict:
        try:
            return Verdict(None, words.passes("snmp"), sample=await self._sample())
        except SnmpRefusedError as error:
            return Verdict(None, words.snmp_auth(error.code), "auth")
        except IdentityChangedError:
            return Verdict(None, words.snmp_identity_changed(), "auth")
        except SnmpFailedError:
            return Verdict(None, words.snmp_error(), "protocol")
        except TimeoutError:  # an OSError too, so before it
            raise
        except OSError as error:
            return verdict_of("snmp", error)._replace(passed=None)

    async def _sample(self) -> Sample:
        answer = await self._poller.get(self.agent, self._oids)
        values = {_NAMES[oid]: value for oid, value in answer.items() if oid in _NAMES}
        if not self._wants_cpu or has_ticks(values):
            return Sample(values)
        return Sample(values, tuple(await self._poller.walk(self.agent, PROCESSOR_LOAD)))
