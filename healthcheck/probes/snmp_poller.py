"""SNMP over pysnmp: one engine for the process, numeric OIDs, reads only.

What pysnmp needs from its user, found by trying, and done here: its MIB files are read in a thread beforehand
(otherwise inside the loop, at first use); an engine per request would leak and cost 100 ms each; two users of one
name must not share an engine; and an agent whose engine ID has changed is not found again by itself for minutes.
There is no way to write here, by intent.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.backends import default_backend
from pyasn1.type.univ import Integer  # type: ignore[import-untyped]
from pysnmp.error import PySnmpError  # type: ignore[import-untyped]
from pysnmp.hlapi.v3arch.asyncio import (  # type: ignore[import-untyped]
    USM_AUTH_HMAC96_SHA,
    USM_AUTH_HMAC192_SHA256,
    USM_AUTH_HMAC256_SHA384,
    USM_AUTH_HMAC384_SHA512,
    USM_KEY_TYPE_MASTER,
    USM_PRIV_CFB128_AES,
    USM_PRIV_CFB256_AES_BLUMENTHAL,
    CommunityData,
    ContextData,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    Udp6TransportTarget,
    UdpTransportTarget,
    UsmUserData,
    bulk_cmd,
    get_cmd,
)
from pysnmp.proto import errind  # type: ignore[import-untyped]
from pysnmp.proto.mpmod.rfc3412 import SnmpV3MessageProcessingModel  # type: ignore[import-untyped]
from pysnmp.proto.rfc3412 import MsgAndPduDispatcher  # type: ignore[import-untyped]

from healthcheck.probes.snmp_agent import Agent, Credential, User
from healthcheck.probes.snmp_discovery import discover

log = logging.getLogger(__name__)

Oid = tuple[int, ...]

_AUTH = {
    "sha": USM_AUTH_HMAC96_SHA,
    "sha256": USM_AUTH_HMAC192_SHA256,
    "sha384": USM_AUTH_HMAC256_SHA384,
    "sha512": USM_AUTH_HMAC384_SHA512,
}
_PRIVACY = {"aes128": USM_PRIV_CFB128_AES, "aes256": USM_PRIV_CFB256_AES_BLUMENTHAL}  # net-snmp's and Cisco's newer
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
_MIBS = (
    "SNMPv2-TM", "SNMP-COMMUNITY-MIB", "SNMP-TARGET-MIB", "SNMP-USER-BASED-SM-MIB", "PYSNMP-SOURCE-MIB", "PYSNMP-MIB",
    "PYSNMP-USM-MIB", "__SNMPv2-MIB", "__SNMP-MPD-MIB", "__SNMP-USER-BASED-SM-MIB", "__PYSNMP-USM-MIB",
)  # fmt: skip
_V3 = SnmpV3MessageProcessingModel.MESSAGE_PROCESSING_MODEL_ID
_PATIENCE = 10
"""Whole seconds pysnmp remembers a request. Not the deadline: that is the caller's, and shorter."""
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


@dataclass(slots=True, eq=False)
class _Engine:
    """One pysnmp engine and who uses it."""

    snmp: Any
    users: dict[str, User] = field(default_factory=dict)
    busy: int = 0
    retired: bool = False
    transports: dict[tuple[str, int], Any] = field(default_factory=dict)

    def takes(self, credential: Credential) -> bool:
        """pysnmp knows a user by name alone, so a second one of that name and other keys needs an engine of its own."""
        return not isinstance(credential, User) or self.users.setdefault(credential.name, credential) == credential

    def close_if_done(self) -> None:
        if self.retired and not self.busy:
            self.snmp.close_dispatcher()


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
        self._engines: list[_Engine] = []
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

    def close(self) -> None:
        if self._building is not None:
            self._building.cancel()
        for engine in self._engines:
            engine.snmp.close_dispatcher()
        self._engines.clear()

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
            transport = await self._transport(engine, agent)
            if isinstance(agent.credential, User) and known.strikes >= _STRIKES:
                await self._ask_who(agent, known, engine, transport)
            known.strikes += 1  # in advance: a deadline ends this method without a word
            engine.busy += 1
            try:
                indication, status, _, rows = await command(
                    engine.snmp, _login(agent.credential), transport, ContextData(), *arguments, lookupMib=False
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
            self._remember(agent, known, _peer(engine, transport))
        return rows

    async def _ask_who(self, agent: Agent, known: _Acquaintance, engine: _Engine, transport: Any) -> None:
        """Returns if it is worth asking on; costs an agent that is just silent one small datagram."""
        known.alive = False
        found = await discover(agent.host, agent.port)
        if found is None:
            raise ConnectionRefusedError
        known.alive = True
        self._remember(agent, known, found)
        if _peer(engine, transport) not in (None, found):
            self._renew()
            raise IdentityChangedError

    def _remember(self, agent: Agent, known: _Acquaintance, engine_id: bytes | None) -> None:
        if engine_id is None:
            return
        if known.engine_id not in (None, engine_id):
            self._identity_changed(agent)
        known.engine_id = engine_id

    async def _transport(self, engine: _Engine, agent: Agent) -> Any:
        """Resolved once per engine: numeric addresses do not move."""
        place = agent.host, agent.port
        transport = engine.transports.get(place)
        if transport is None:
            kind = Udp6TransportTarget if ":" in agent.host else UdpTransportTarget
            transport = engine.transports[place] = await kind.create(place, timeout=_PATIENCE, retries=0)
        return transport

    async def _engine_for(self, credential: Credential) -> _Engine:
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
            engine = _Engine(await asyncio.get_running_loop().run_in_executor(None, _new_engine))
            self._replace([engine] if alone else [*self._engines, engine])
        finally:
            self._building = None

    def _renew(self) -> None:
        """A fresh engine for all: pysnmp offers no way to make it forget one agent."""
        now = asyncio.get_running_loop().time()
        if self._building is None and now - self._renewed >= _BETWEEN_RENEWALS:
            self._renewed = now
            self._building = asyncio.create_task(self._build_one(alone=True))

    def _replace(self, engines: list[_Engine]) -> None:
        """Those left out close when the last poll on them has ended."""
        before, self._engines = self._engines, engines
        for engine in before:
            if engine not in engines:
                engine.retired = True
                engine.close_if_done()


class _Guarded(MsgAndPduDispatcher):  # type: ignore[misc]
    """Some malformed datagrams raise through pysnmp into the loop: anybody could fill the log with tracebacks."""

    def receive_message(self, *arguments: Any) -> Any:
        try:
            return super().receive_message(*arguments)
        except Exception:
            log.debug("a datagram that is no SNMP message", exc_info=True)
            return b""


def _new_engine() -> SnmpEngine:
    """Reads and runs MIB files, 100 ms and more: in a thread."""
    engine = SnmpEngine(msgAndPduDsp=_Guarded())
    engine.get_mib_builder().load_modules(*_MIBS)
    default_backend()  # imported late by cryptography, else at the first encrypted message
    return engine


def _login(credential: Credential) -> CommunityData | UsmUserData:
    if not isinstance(credential, User):
        return CommunityData(credential.name.get_secret_value())
    return UsmUserData(
        credential.name,
        authKey=credential.auth_key,
        privKey=credential.privacy_key,
        authProtocol=_AUTH[credential.auth],
        privProtocol=_PRIVACY[credential.privacy],
        authKeyType=USM_KEY_TYPE_MASTER,
        privKeyType=USM_KEY_TYPE_MASTER,
    )


def _peer(engine: _Engine, transport: Any) -> bytes | None:
    """The engine ID that pysnmp believes to be at that address; it forgets after five minutes."""
    model = engine.snmp.message_processing_subsystems[_V3]
    found = model.get_peer_engine_info(transport.TRANSPORT_DOMAIN, transport.transport_address)[0]
    return None if found is None else bytes(found)


def _raise_for(indication: object, status: int) -> None:
    for kind, code in _REFUSALS:
        if isinstance(indication, kind):
            raise SnmpRefusedError(code)
    if indication or status:
        raise SnmpFailedError(type(indication).__name__ if indication else f"error status {status}")
