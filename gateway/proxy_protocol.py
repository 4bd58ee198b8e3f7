"""The PROXY protocol, versions 1 and 2: who is at the other ends of a connection that came through a balancer. Core.

After the specification of HAProxy (proxy-protocol.txt), read strictly: what two readers could understand differently is
refused. TLVs are measured and never believed. Nothing here touches a socket.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
from typing import Final, NamedTuple

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
LONGEST_V1: Final = 107
"""Octets, line end included."""
LONGEST_V2: Final = 16 + 2048
"""Addresses and TLVs included. The length field would allow 64 KiB."""

_V1: Final = b"PROXY "
_FIXED: Final = struct.Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED = 0x00
_FAMILIES: Final = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}
"""TCP over IPv4 and over IPv6: the family, and the octets of an address."""
_PORT: Final = re.compile(rb"0|[1-9][0-9]{0,4}")
_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [ -~]*)?")

End = tuple[str, int]
"""IP address and port."""


class ProxyHeaderError(ValueError):
    """This is no PROXY header that can be believed; says why, without a word of the sender's."""


class Ends(NamedTuple):
    """Of a connection: the client's, and the one it had meant to reach."""

    source: End
    destination: End


class Header(NamedTuple):
    """A header as it was read."""

    size: int
    """In octets; what comes behind it is the client's own."""
    ends: Ends | None
    """None: the connection is the sender's own, or of nobody it can name; the peer's address stays."""


def parse(data: bytes) -> Header | None:
    """The header that `data` begins with; None: every octet belongs to it, and there are more to come.

    Raises ProxyHeaderError as soon as the octets cannot become a header.
    """
    if data.startswith(SIGNATURE):
        return _parse_v2(data)
    if data.startswith(_V1):
        return _parse_v1(data)
    if SIGNATURE.startswith(data) or _V1.startswith(data):
        return None
    raise ProxyHeaderError("the connection does not begin with a PROXY header")


def build(ends: Ends) -> bytes:
    """A header of version 2 without TLVs."""
    source, destination = (ipaddress.ip_address(end[0]) for end in ends)
    if source.version != destination.version:
        source, destination = _as_v6(source), _as_v6(destination)
    family = 0x11 if source.version == 4 else 0x21
    body = source.packed + destination.packed + struct.pack("!HH", ends.source[1], ends.destination[1])
    return _FIXED.pack(SIGNATURE, _PROXY, family, len(body)) + body


def build_local() -> bytes:
    """A header of version 2 that says: this connection is my own."""
    return _FIXED.pack(SIGNATURE, _LOCAL, _UNSPECIFIED, 0)


def _as_v6(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv6Address:
    if isinstance(address, ipaddress.IPv6Address):
        return address
    return ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)


def _parse_v2(data: bytes) -> Header | None:
    if len(data) < _FIXED.size:
        _check_early(data)
        return None
    _, command, family, length = _FIXED.unpack_from(data)
    _check_early(data)
    size = _FIXED.size + length
    if size > LONGEST_V2:
        raise ProxyHeaderError(f"version 2: {size} octets, and at most {LONGEST_V2} are read")
    if command == _PROXY and family != _UNSPECIFIED and length < 2 * _FAMILIES[family][1] + 4:
        raise ProxyHeaderError("version 2: too short for its addresses")
    if len(data) < size:
        return None
    if command == _LOCAL or family == _UNSPECIFIED:
        return Header(size, None)
    kind, octets = _FAMILIES[family]
    at = _FIXED.size
    source, destination = data[at : at + octets], data[at + octets : at + 2 * octets]
    at += 2 * octets
    ports = struct.unpack_from("!HH", data, at)
    _measure(data[at + 4 : size])
    return Header(
        size, Ends((socket.inet_ntop(kind, source), ports[0]), (socket.inet_ntop(kind, destination), ports[1]))
    )


def _check_early(data: bytes) -> None:
    """What is wrong already, however much is still to come."""
    command, family = data[12:13], data[13:14]
    if command and command[0] not in (_LOCAL, _PROXY):
        raise ProxyHeaderError("version 2: neither LOCAL nor PROXY")
    # With LOCAL the rest is to be ignored, whatever it says.
    if family and command[0] == _PROXY and family[0] != _UNSPECIFIED and family[0] not in _FAMILIES:
        raise ProxyHeaderError("version 2: neither TCP over IPv4 nor over IPv6")


def _measure(tlvs: bytes) -> None:
    """TLVs must fill the header to its last octet; what they say is no business of ours."""
    at = 0
    while at < len(tlvs):
        if at + 3 > len(tlvs):
            raise ProxyHeaderError("version 2: a TLV is cut off")
        at += 3 + int.from_bytes(tlvs[at + 1 : at + 3], "big")
    if at != len(tlvs):
        raise ProxyHeaderError("version 2: a TLV goes beyond the header")


def _parse_v1(data: bytes) -> Header | None:
    line, end, _ = data[:LONGEST_V1].partition(b"\r\n")
    if not end:
        if len(data) >= LONGEST_V1:
            raise ProxyHeaderError(f"version 1: no line end within {LONGEST_V1} octets")
        if b"\n" in line or b"\r" in line[:-1] or not line.rstrip(b"\r").decode("latin-1").isprintable():
            raise ProxyHeaderError("version 1: a line of printable ASCII is wanted")
        return None
    size = len(line) + 2
    if _UNKNOWN.fullmatch(line):
        return Header(size, None)
    parts = line.split(b" ")
    if len(parts) != 6 or parts[1] not in (b"TCP4", b"TCP6"):
        raise ProxyHeaderError("version 1: TCP4 or TCP6, two addresses and two ports are wanted, or UNKNOWN")
    address = _address_v4 if parts[1] == b"TCP4" else _address_v6
    source, destination = (address(part) for part in parts[2:4])
    return Header(size, Ends((source, _port(parts[4])), (destination, _port(parts[5]))))


def _address_v4(text: bytes) -> str:
    try:
        return str(ipaddress.IPv4Address(text.decode("ascii")))
    except ValueError:
        raise ProxyHeaderError("version 1: that is no IPv4 address") from None


def _address_v6(text: bytes) -> str:
    try:
        written = text.decode("ascii")
        if "%" in written:
            raise ValueError
        return socket.inet_ntop(socket.AF_INET6, ipaddress.IPv6Address(written).packed)
    except ValueError:
        raise ProxyHeaderError("version 1: that is no IPv6 address") from None


def _port(text: bytes) -> int:
    if _PORT.fullmatch(text) and (port := int(text)) <= 65535:
        return port
    raise ProxyHeaderError("version 1: that is no port")
