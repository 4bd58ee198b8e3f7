"""Which SNMPv3 engine answers at an address: the discovery of RFC 3414, 4, outside any session.

The request carries no user and no key; the report that answers it names the engine. Cheap enough to ask an agent
that has gone silent, which is how an agent with a new identity looks to a session that knows the old one.
"""

from __future__ import annotations

import asyncio
import secrets

from pyasn1.codec.ber import decoder  # type: ignore[import-untyped]
from pyasn1.error import PyAsn1Error  # type: ignore[import-untyped]
from pysnmp.proto.mpmod.rfc3412 import SNMPv3Message  # type: ignore[import-untyped]
from pysnmp.proto.secmod.rfc3414.service import UsmSecurityParameters  # type: ignore[import-untyped]

_REPORTABLE = b"\x04"  # and neither authenticated nor private
_MOST = 65507  # octets a UDP datagram over IPv4 can carry
_ZERO = b"\x02\x01\x00"
_EMPTY = b"\x04\x00"


async def discover(host: str, port: int) -> bytes | None:
    """The engine's ID; None if nothing listens there. Waits for ever: the caller brings the deadline.

    The answer is not authenticated. It may only lead to asking again with keys, never to a verdict.
    """
    loop = asyncio.get_running_loop()
    asked = secrets.randbits(31)
    found: asyncio.Future[bytes | None] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Answer(asked, found), remote_addr=(host, port))
    try:
        transport.sendto(request(asked))
        return await found
    finally:
        transport.close()


def request(message_id: int) -> bytes:
    """A Get for nothing from nobody to an unnamed engine. All of it is short, so every length is one octet."""
    number = _tlv(0x02, message_id.to_bytes(4))
    header = _tlv(0x30, number + _tlv(0x02, _MOST.to_bytes(3)) + _tlv(0x04, _REPORTABLE) + _tlv(0x02, b"\x03"))
    nobody = _tlv(0x30, _EMPTY + _ZERO + _ZERO + _EMPTY + _EMPTY + _EMPTY)
    get = _tlv(0xA0, number + _ZERO + _ZERO + _tlv(0x30, b""))
    scoped = _tlv(0x30, _EMPTY + _EMPTY + get)
    return _tlv(0x30, _tlv(0x02, b"\x03") + header + _tlv(0x04, nobody) + scoped)


def _tlv(tag: int, content: bytes) -> bytes:
    return bytes((tag, len(content))) + content


def engine_id(datagram: bytes, message_id: int) -> bytes | None:
    """Of a report to our request; None for anything else."""
    try:
        message, _ = decoder.decode(datagram, asn1Spec=SNMPv3Message())
        if int(message[0]) != 3 or int(message[1][0]) != message_id:
            return None
        parameters, _ = decoder.decode(bytes(message[2]), asn1Spec=UsmSecurityParameters())
        engine = bytes(parameters[0])
    except (PyAsn1Error, IndexError, ValueError, TypeError):
        return None
    return engine if 5 <= len(engine) <= 32 else None  # RFC 3411, 5: SnmpEngineID


class _Answer(asyncio.DatagramProtocol):
    def __init__(self, asked: int, found: asyncio.Future[bytes | None]) -> None:
        self._asked = asked
        self._found = found

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        engine = engine_id(data, self._asked)
        if engine is not None and not self._found.done():
            self._found.set_result(engine)

    def error_received(self, exc: Exception) -> None:  # ICMP: nobody listens on that port
        if not self._found.done():
            self._found.set_result(None)
