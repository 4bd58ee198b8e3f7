"""The institutions of the demo: they send claims all the time and insist until each is settled.

A hospital with its key in a file keeps several connections open; the pharmacy, whose key lives in a token,
calls curl with OpenSSL's PKCS#11 engine. Both send a claim again, with the same id, when the answer is an error
or none; that is the client's right and duty, the gateway must not do it for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import aiohttp

from gateway.demo.account import Fate, Fates
from gateway.demo.catalogue import CATALOGUE, PLANS

PATIENCE = 20.0
"""Seconds after the first send in which a claim must be settled; then it counts as lost."""
ANSWER_WITHIN = 5.0
"""Seconds for one send."""
MOST_SENDS = 40
PAUSE = (0.05, 0.5)
"""Seconds before a claim is sent again: the first time, and at most."""


class Trouble(Exception):
    """No settled answer to this send."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    document: dict[str, Any]


class Line(Protocol):
    """A way to the gateway."""

    async def send(self, claim: dict[str, Any]) -> Answer:
        """One send; raises Trouble if no answer came back."""


class FileKeyLine:
    """Keep-alive connections of one institution; aiohttp never repeats a POST by itself."""

    def __init__(self, url: str, context: ssl.SSLContext, connections: int) -> None:
        self._url = url
        self._context = context
        self._connections = connections
        self.opened = 0
        """Connections made so far."""

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._context, limit=self._connections)
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN)
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(self._opened)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, trace_configs=[trace])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def _opened(self, *_: object) -> None:
        self.opened += 1

    async def send(self, claim: dict[str, Any]) -> Answer:
        try:
            async with self._session.post(self._url, json=claim) as response:
                return Answer(response.status, decoded(await response.read()))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Trouble(f"{type(error).__name__}: {error}"[:200]) from error


class TokenLine:
    """One curl per claim; the signature of the handshake is made inside the token."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        """`command`: curl with everything but the claim, which it reads from its input."""
        self._command = [*command, "--silent", "--show-error", "--max-time", str(ANSWER_WITHIN)]
        self._command += ["--data-binary", "@-", "--write-out", "\n%{http_code}"]
        self._environment = environment

    async def send(self, claim: dict[str, Any]) -> Answer:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, stderr=pipe, env=self._environment
        )
        try:
            output, complaint = await process.communicate(json.dumps(claim).encode())
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise Trouble(complaint.decode(errors="replace").strip()[:200])
        body, _, status = output.rpartition(b"\n")
        return Answer(int(status), decoded(body))


def decoded(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`, else an empty one."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def invent(dice: random.Random, claim_id: str) -> dict[str, Any]:
    """A claim as a counter would send it; the same dice invent the same claims."""
    codes = dice.sample(list(CATALOGUE), dice.randint(1, 4))
    return {
        "claim_id": claim_id,
        "patient": f"4103{dice.randrange(10**10):010d}",
        "plan": dice.choice(list(PLANS)),
        "this_year": {"deductible": f"{dice.randint(0, 600)}.00", "fund": f"{dice.randint(0, 9_000)}.00"},
        "items": [{"code": code, "quantity": dice.randint(1, 3)} for code in codes],
    }


class Counter:
    """One counter of an institution: one claim after the other until it is told to stop."""

    def __init__(self, institution: str, name: str, line: Line, fates: Fates, *, rest: float) -> None:
        """`rest`: seconds between two claims."""
        self._institution = institution
        self._name = name
        self._line = line
        self._fates = fates
        self._rest = rest
        self._dice = random.Random(f"{institution} {name}")  # noqa: S311 - invented claims

    async def work(self, stop: asyncio.Event) -> None:
        """Ends when `stop` is set and the claim in hand is settled or given up."""
        number = 0
        while not stop.is_set():
            number += 1
            claim_id = f"{self._name}-{number:05d}"
            fate = self._fates.begin(self._institution, claim_id)
            await self._insist(fate, invent(self._dice, claim_id))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._rest * self._dice.uniform(0.5, 1.5))

    async def _insist(self, fate: Fate, claim: dict[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        deadline = clock() + PATIENCE
        pause = PAUSE[0]
        while fate.sends < MOST_SENDS and clock() < deadline:
            fate.sends += 1
            try:
                answer = await self._line.send(claim)
                if is_settled(answer, fate.claim_id):
                    self._fates.ended(fate, answer.document["receipt"], answer.document["fund_pays"])
                    return
                fate.misdirected |= answer.document.get("claim_id", fate.claim_id) != fate.claim_id
                raise Trouble(f"{answer.status} {answer.document.get('reason', 'without a reason')}")
            except Trouble as trouble:
                self._fates.failed(fate, str(trouble))
            await asyncio.sleep(pause)
            pause = min(PAUSE[1], pause * 2)
        self._fates.gave_up(fate)


def is_settled(answer: Answer, claim_id: str) -> bool:
    """A settled answer, and to this very claim."""
    document = answer.document
    complete = isinstance(document.get("receipt"), str) and isinstance(document.get("fund_pays"), str)
    return answer.status == 200 and document.get("claim_id") == claim_id and complete
