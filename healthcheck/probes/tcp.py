"""TCP check: the node accepts a connection, which is closed again at once; where TLS is spoken, after its handshake."""

from __future__ import annotations

import asyncio

from healthcheck import words
from healthcheck.config import TcpCheck
from healthcheck.probes.connecting import verdict_of
from healthcheck.probes.snmp_poller import SnmpPoller
from healthcheck.target import Opening, OpeningError, Target, Verdict


class TcpProbe:
    """Of one target."""

    def __init__(self, target: Target, check: TcpCheck, _poller: SnmpPoller) -> None:
        self._place = target.host, check.port or target.port
        self._opening: Opening | None = target.opening

    async def __call__(self) -> Verdict:
        loop = asyncio.get_running_loop()
        knock = _Knock(loop.create_future())
        protocol = knock if self._opening is None else self._opening.wrap(knock, port=self._place[1])
        try:
            transport, _ = await loop.create_connection(lambda: protocol, *self._place)
        except TimeoutError:
            raise
        except OSError as error:
            return verdict_of("tcp", error)
        try:
            return await knock.verdict
        finally:
            transport.abort()


class _Knock(asyncio.Protocol):
    """Has its verdict as soon as it might speak."""

    def __init__(self, verdict: asyncio.Future[Verdict]) -> None:
        self.verdict = verdict

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self.verdict.done():
            self.verdict.set_result(Verdict(True, words.passes("tcp")))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.verdict.done():
            self.verdict.set_result(verdict_of("tcp", exc if isinstance(exc, OSError) else OpeningError()))
