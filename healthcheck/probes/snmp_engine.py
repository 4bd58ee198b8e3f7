"""One pysnmp engine: made in a thread, shared by all polls, closed in order.

What pysnmp needs from its user, found by trying, and done here: its MIB files are read beforehand (otherwise inside
the loop, at first use); it hears only whom it asked; its sockets close before its dispatcher does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.backends import default_backend
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
    SnmpEngine,
    Udp6TransportTarget,
    UdpTransportTarget,
    UsmUserData,
)
from pysnmp.proto.mpmod.rfc3412 import SnmpV3MessageProcessingModel  # type: ignore[import-untyped]
from pysnmp.proto.rfc3412 import MsgAndPduDispatcher  # type: ignore[import-untyped]

from healthcheck.probes.snmp_agent import Agent, Credential, User

log = logging.getLogger(__name__)

_AUTH = {
    "sha": USM_AUTH_HMAC96_SHA,
    "sha256": USM_AUTH_HMAC192_SHA256,
    "sha384": USM_AUTH_HMAC256_SHA384,
    "sha512": USM_AUTH_HMAC384_SHA512,
}
_PRIVACY = {"aes128": USM_PRIV_CFB128_AES, "aes256": USM_PRIV_CFB256_AES_BLUMENTHAL}  # net-snmp's and Cisco's newer
_MIBS = (
    "SNMPv2-TM", "SNMP-COMMUNITY-MIB", "SNMP-TARGET-MIB", "SNMP-USER-BASED-SM-MIB", "PYSNMP-SOURCE-MIB", "PYSNMP-MIB",
    "PYSNMP-USM-MIB", "__SNMPv2-MIB", "__SNMP-MPD-MIB", "__SNMP-USER-BASED-SM-MIB", "__PYSNMP-USM-MIB",
)  # fmt: skip
_V3 = SnmpV3MessageProcessingModel.MESSAGE_PROCESSING_MODEL_ID
_PATIENCE = 10
"""Whole seconds pysnmp remembers a request. Not the deadline: that is the caller's, and shorter."""


@dataclass(slots=True, eq=False)
class Engine:
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
            self.close()

    def close(self) -> None:
        """Sockets first, the rest a round later: an answer already read would raise for want of its dispatcher."""
        dispatcher = self.snmp.transport_dispatcher
        if dispatcher is None:
            return
        for domain in (UdpTransportTarget.TRANSPORT_DOMAIN, Udp6TransportTarget.TRANSPORT_DOMAIN):
            with contextlib.suppress(PySnmpError):
                if (socket := dispatcher.get_transport(domain).transport) is not None:
                    socket.close()
        asyncio.get_running_loop().call_soon(self.snmp.close_dispatcher)

    async def transport(self, agent: Agent) -> Any:
        """Resolved once per engine: numeric addresses do not move."""
        place = agent.host, agent.port
        transport = self.transports.get(place)
        if transport is None:
            kind = Udp6TransportTarget if ":" in agent.host else UdpTransportTarget
            transport = self.transports[place] = await kind.create(place, timeout=_PATIENCE, retries=0)
            self.snmp.message_dispatcher.asked.add(tuple(transport.transport_address))
        return transport

    def peer(self, transport: Any) -> bytes | None:
        """The engine ID that pysnmp believes to be at that address; it forgets after five minutes."""
        model = self.snmp.message_processing_subsystems[_V3]
        found = model.get_peer_engine_info(transport.TRANSPORT_DOMAIN, transport.transport_address)[0]
        return None if found is None else bytes(found)


class _Guarded(MsgAndPduDispatcher):  # type: ignore[misc]
    """Hears only whom it has asked, and survives what they say.

    Without this pysnmp answers anybody's requests, as every SNMP engine would, and some malformed datagrams raise
    into the loop, so that a stranger could fill the log with tracebacks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[tuple[Any, ...]] = set()

    def receive_message(self, snmp: Any, domain: Any, address: Any, message: bytes) -> Any:
        if tuple(address) not in self.asked:
            return b""
        try:
            return super().receive_message(snmp, domain, address, message)
        except Exception:
            log.debug("a datagram that is no SNMP message", exc_info=True)
            return b""


def new_engine() -> Engine:
    """Reads and runs MIB files, 100 ms and more: in a thread."""
    engine = SnmpEngine(msgAndPduDsp=_Guarded())
    engine.get_mib_builder().load_modules(*_MIBS)
    default_backend()  # imported late by cryptography, else at the first encrypted message
    return Engine(engine)


def login(credential: Credential) -> CommunityData | UsmUserData:
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
