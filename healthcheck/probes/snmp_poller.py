"""SNMP over pysnmp: one engine for the process, numeric OIDs, reads only.

An engine per request would leak and cost 100 ms each; two users of one name must not share an engine; and an agent
whose engine ID has changed is not found again by itself for minutes. There is no way to write here, by intent.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pyasn1.type.univ import Integer  # type: ignore[import-untyped]
from pysnmp.error import PySnmpError  # type: ignore[import-untyped]
from pysnmp.hlapi.v3arch.asyncio import (  # type: ignore[import-untyped]
    ContextData,
    ObjectIdentity,
    ObjectType,
    bulk_cmd,
    get_cmd,
)
from pysnmp.proto import errind  # type: ignore[import-untyped]

from healthcheck.probes.snmp_agent import Agent, Credential, User
from healthcheck.probes.snmp_discovery import discover
from healthcheck.probes.snmp_engine import Engine, login, new_engine

Oid = tuple[int, ...]

_REFUSALS = (
    (errind.UnknownUserName, "user"),
    (errind.UnknownSecurityName, "user"),
    (errind.WrongDigest, "digest"),
    (errind.AuthenticationFailure, "digest"),
    (errind.AuthenticationError, "digest"),
    (errind.DecryptionError, "decryption"),
    (errind.UnsupportedSecurityLevel, "level"),
    (errind.NotInTimeWindow, "window"),
)
_STRIKES = 2
"""Polls in a row without an answer before a v3 agent is asked who it is."""
_ROWS_PER_PDU = 32
_BETWEEN_RENEWALS = 10.0


class SnmpRefusedError(Exception):
    """The agent does not accept the credentials; `code` as in `words.snmp_auth`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SnmpFailedError(Exception):
    """The agent answered with an error, or with something that is not SNMP."""


class IdentityChangedError(Exception):
    """Another engine ID than before answers at the agent's address. A later poll will speak to it."""


@dataclass(slots=True)
class _Acquaintance:
    """What is remembered of an agent between polls."""

    engine_id: bytes | None = None
    strikes: int = 0
    alive: bool = False
    """It said who it is, and has not answered with keys since."""


class SnmpPoller:
    """Asks agents. Nothing here ends by itself in good time: the caller brings the deadline."""

    def __init__(self, identity_changed: Callable[[Agent], None] = lambda _agent: None) -> None:
        self._identity_changed = identity_changed
        self._engines: list[Engine] = []
        self._known: dict[Agent, _Acquaintance] = {}
        self._objects: dict[tuple[Oid, ...], tuple[Any, ...]] = {}
        self._building: asyncio.Task[None] | None = None
        self._renewed = -math.inf

    def __repr__(self) -> str:
        return f"SnmpPoller({len(self._engines)} engines, {len(self._known)} agents)"

    async def open(self) -> None:
        """Have an engine ready, so that no probe's deadline pays for it."""
        if not self._engines:
            await self._build()

    async def close(self) -> None:
        if self._building is not None:
            self._building.cancel()
        self._replace([])
        for _ in range(3):  # dispatchers and sockets end in the loop's next rounds
            await asyncio.sleep(0)

    def retain(self, agents: Iterable[Agent]) -> None:
        """Forget all but these, so that changed passphrases do not pile up."""
        kept = set(agents)
        places = {(agent.host, agent.port) for agent in kept}
        self._known = {agent: known for agent, known in self._known.items() if agent in kept}
        credentials = {agent.credential for agent in kept}
        for engine in self._engines:
            engine.users = {name: user for name, user in engine.users.items() if user in credentials}
            engine.transports = {place: it for place, it in engine.transports.items() if place in places}
        self._replace([*self._engines[:1], *(it for it in self._engines[1:] if it.users)])

    def mute(self, agent: Agent) -> bool:
        """Does it live and yet not answer our messages? net-snmp drops what it cannot decrypt without a word."""
        known = self._known.get(agent)
        return known is not None and known.alive

    async def get(self, agent: Agent, oids: tuple[Oid, ...]) -> dict[Oid, int]:
        """The numeric values among these; what the agent has not (No Such Object or Instance) is left out."""
        objects = self._objects.get(oids)
        if objects is None:
            objects = self._objects[oids] = tuple(ObjectType(ObjectIdentity(oid)) for oid in oids)
        rows = await self._ask(agent, get_cmd, *objects)
        # Those three answers are values of type Null inside a successful response: only the type tells.
        return {tuple(name): int(value) for name, value in rows if isinstance(value, Integer)}

    async def walk(self, agent: Agent, column: Oid, most: int = 256) -> list[int]:
        """The numbers of one column, at most `most`. Ends where an agent turns in circles."""
        values: list[int] = []
        at = column
        while len(values) < most:
            rows = await self._ask(agent, bulk_cmd, 0, _ROWS_PER_PDU, ObjectType(ObjectIdentity(at)))
            for name, value in rows:
                oid = tuple(name)
                if oid[: len(column)] != column or oid <= at or not isinstance(value, Integer):
                    return values[:most]
                values.append(int(value))
                at = oid
            if not rows:
                break
        return values[:most]

    async def _ask(self, agent: Agent, command: Callable[..., Any], *arguments: Any) -> Any:
        known = self._known.setdefault(agent, _Acquaintance())
        engine = await self._engine_for(agent.credential)
        try:
            transport = await engine.transport(agent)
            if isinstance(agent.credential, User) and known.strikes >= _STRIKES:
                await self._ask_who(agent, known, engine, transport)
            known.strikes += 1  # in advance: a deadline ends this method without a word
            engine.busy += 1
            try:
                indication, status, _, rows = await command(
                    engine.snmp, login(agent.credential), transport, ContextData(), *arguments, lookupMib=False
                )
            finally:
                engine.busy -= 1
                engine.close_if_done()
        except PySnmpError as error:
            raise SnmpFailedError(type(error).__name__) from error
        if isinstance(indication, errind.RequestTimedOut):
            raise TimeoutError
        known.strikes, known.alive = 0, False
        _raise_for(indication, int(status or 0))
        if isinstance(agent.credential, User):
            self._remember(agent, known, engine.peer(transport))
        return rows

    async def _ask_who(self, agent: Agent, known: _Acquaintance, engine: Engine, transport: Any) -> None:
        """Returns if it is worth asking on; costs an agent that is just silent one small datagram."""
        known.alive = False
        found = await discover(agent.host, agent.port)
        if found is None:
            raise ConnectionRefusedError
        known.alive = True
        self._remember(agent, known, found)
        if engine.peer(transport) not in (None, found):
            self._renew()
            raise IdentityChangedError

    def _remember(self, agent: Agent, known: _Acquaintance, engine_id: bytes | None) -> None:
        if engine_id is None:
            return
        if known.engine_id not in (None, engine_id):
            self._identity_changed(agent)
        known.engine_id = engine_id

    async def _engine_for(self, credential: Credential) -> Engine:
        while True:
            for engine in self._engines:
                if engine.takes(credential):
                    return engine
            await self._build()

    async def _build(self, *, alone: bool = False) -> None:
        """One at a time; goes on when a caller's deadline passes."""
        if self._building is None:
            self._building = asyncio.create_task(self._build_one(alone))
        await asyncio.shield(self._building)

    async def _build_one(self, alone: bool) -> None:
        try:
            engine = await asyncio.get_running_loop().run_in_executor(None, new_engine)
            self._replace([engine] if alone else [*self._engines, engine])
        finally:
            self._building = None

    def _renew(self) -> None:
        """A fresh engine for all: pysnmp offers no way to make it forget one agent."""
        now = asyncio.get_running_loop().time()
        if self._building is None and now - self._renewed >= _BETWEEN_RENEWALS:
            self._renewed = now
            self._building = asyncio.create_task(self._build_one(alone=True))

    def _replace(self, engines: list[Engine]) -> None:
        """Those left out close when the last poll on them has ended."""
        before, self._engines = self._engines, engines
        for engine in before:
            if engine not in engines:
                engine.retired = True
                engine.close_if_done()


def _raise_for(indication: object, status: int) -> None:
    for kind, code in _REFUSALS:
        if isinstance(indication, kind):
            raise SnmpRefusedError(code)
    if indication or status:
        raise SnmpFailedError(type(indication).__name__ if indication else f"error status {status}")
