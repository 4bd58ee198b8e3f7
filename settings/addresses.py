"""Host and port, as written in the configuration."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, NamedTuple


class Address(NamedTuple):
    """Host and port; an IPv6 host is held without brackets and in its canonical spelling."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
                        r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\Z")  # fmt: skip
ADDRESS_WANTED = "an address is HOST:PORT: 127.0.0.1:8080 or [::1]:8080"


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """None for a host name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def parse_node_address(value: Any, *, names: bool = True) -> Address:
    """An address to connect to: that of one host."""
    address = parse_address(value, names=names)
    host = ip_address(address.host)
    if host is not None and (host.is_unspecified or host.is_multicast):
        raise ValueError("the address of one host is wanted")
    return address


def parse_address(value: Any, *, names: bool = False, any_port: bool = False) -> Address:
    """`names` allows a host name in place of an IP address, `any_port` allows port 0."""
    if isinstance(value, Address):
        value = str(value)
    if not isinstance(value, str) or not (found := re.fullmatch(r"(?:\[([^\[\]]*)\]|([^:\[\]]+)):([0-9]{1,5})", value)):
        raise ValueError(ADDRESS_WANTED)
    port = int(found[3])
    if port > 65535 or (port == 0 and not any_port):
        raise ValueError("the port must be from 1 to 65535")
    if found[1] is not None:
        try:
            host = str(ipaddress.IPv6Address(found[1]))
        except ValueError:
            raise ValueError("between the brackets there must be an IPv6 address") from None
        if "%" in host:
            raise ValueError("an IPv6 address with a zone is not supported")
        return Address(host, port)
    host = found[2]
    try:
        return Address(str(ipaddress.IPv4Address(host)), port)
    except ValueError:
        if names and _HOST_NAME.match(host) and not host.rpartition(".")[2].isdigit():
            return Address(host.lower(), port)
    wanted = "an IP address or a host name" if names else "an IP address"
    raise ValueError(f"the host must be {wanted}")


def parse_network(value: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """A network in CIDR form, or one address."""
    if isinstance(value, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return value
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        loose = ipaddress.ip_network(value, strict=False)
        if "/" in value and not value.partition("/")[2].isdigit():  # 10.0.0.0/255.0.0.0 has two readings
            raise ValueError
    except ValueError:
        raise ValueError("a network is ADDRESS/BITS, as 10.0.0.0/8 or fd00::/8, or one address") from None
    if ip_address(value.partition("/")[0]) != loose.network_address:
        raise ValueError(f"bits are set behind the mask; the network is {loose}")
    return loose
