"""HTTP check: one request over a fresh connection, judged by status and body.

Fresh each time: a kept-alive connection goes on being served by the threads of a process that takes no new ones.
"""

from __future__ import annotations

import asyncio
from typing import cast

from healthcheck.config import HttpCheck
from healthcheck.probes.connecting import verdict_of
from healthcheck.probes.http_answer import HttpAnswer
from healthcheck.probes.snmp_poller import SnmpPoller
from healthcheck.target import OpeningError, Target, Verdict


class HttpProbe:
    """Of one target."""

    def __init__(self, target: Target, check: HttpCheck, _poller: SnmpPoller) -> None:
        self._check = check
        self._host, self._port = target.host, check.port or target.port
        self._request = request(target, check, self._port)
        self._opening = target.opening

    async def __call__(self) -> Verdict:
        loop = asyncio.get_running_loop()
        exchange = _Exchange(self._request, HttpAnswer(self._check), loop.create_future())
        protocol = exchange if self._opening is None else self._opening.wrap(exchange, port=self._port)
        try:
            transport, _ = await loop.create_connection(lambda: protocol, self._host, self._port)
        except TimeoutError:
            raise
        except OSError as error:
            return verdict_of("http", error)
        try:
            return await exchange.verdict
        finally:
            transport.abort()


def request(target: Target, check: HttpCheck, port: int) -> bytes:
    """HTTP/1.1 because many applications answer 1.0 otherwise than they answer the gateway's own requests."""
    name = target.server_name or target.host
    host = check.host or (f"[{name}]:{port}" if ":" in name else f"{name}:{port}")
    return (
        f"{check.method} {check.path} HTTP/1.1\r\n"
        f"Host: {host}\r\n"
        "User-Agent: settlegate-check\r\n"
        "Accept: */*\r\n"
        "Accept-Encoding: identity\r\n"
        "Connection: close\r\n\r\n"
    ).encode("ascii")


class _Exchange(asyncio.Protocol):
    """Sends the request, feeds the answer, and has the verdict at the first octet that allows one."""

    def __init__(self, head: bytes, answer: HttpAnswer, verdict: asyncio.Future[Verdict]) -> None:
        self._head = head
        self._answer = answer
        self.verdict = verdict

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._head)

    def data_received(self, data: bytes) -> None:
        if not self.verdict.done() and (verdict := self._answer.feed(data)) is not None:
            self.verdict.set_result(verdict)

    def connection_lost(self, exc: Exception | None) -> None:  # also after the peer's FIN
        if not self.verdict.done():
            failed = verdict_of("http", exc) if isinstance(exc, OpeningError) else None
            self.verdict.set_result(failed or self._answer.end())
