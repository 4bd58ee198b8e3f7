"""TCP check: the node accepts a connection, which is closed again at once."""

from __future__ import annotations

import asyncio

from healthcheck import words
from healthcheck.config import TcpCheck
from healthcheck.probes.connecting import verdict_of
from healthcheck.probes.snmp_poller import SnmpPoller
from healthcheck.target import Target, Verdict


class TcpProbe:
    """Of one target."""

    def __init__(self, target: Target, check: TcpCheck, _poller: SnmpPoller) -> None:
        self._place = target.host, check.port or target.port

    async def __call__(self) -> Verdict:
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_connection(asyncio.Protocol, *self._place)
        except TimeoutError:
            raise
        except OSError as error:
            return verdict_of("tcp", error)
        transport.abort()
        return Verdict(True, words.passes("tcp"))
