"""Host and port."""

from __future__ import annotations

from typing import Any

import pytest

from settings.addresses import Address, ip_address, parse_address, parse_network, parse_node_address


@pytest.mark.parametrize(
    ("written", "address", "printed"),
    [
        ("127.0.0.1:80", Address("127.0.0.1", 80), "127.0.0.1:80"),
        ("[::1]:443", Address("::1", 443), "[::1]:443"),
        ("[0:0:0:0:0:0:0:1]:443", Address("::1", 443), "[::1]:443"),
        ("[2001:DB8::1]:1", Address("2001:db8::1", 1), "[2001:db8::1]:1"),
    ],
)
def test_one_spelling_for_one_address(written: str, address: Address, printed: str) -> None:
    assert parse_address(written) == address
    assert str(address) == printed
    assert parse_address(address) == address


@pytest.mark.parametrize(
    "written",
    ["127.0.0.1", "127.0.0.1:", ":80", "::1:80", "[::1]", "127.0.0.1:70000", "127.0.0.1:0", "node:80", "[node]:80",
     "127.0.0.01:80", "127.1:80", "[fe80::1%eth0]:80", "127.0.0.1:80 ", "127.0.0.1:8\n", 80, None, "[::1]:٣"],
)  # fmt: skip
def test_no_addresses(written: Any) -> None:
    with pytest.raises(ValueError, match=r"address|port"):
        parse_address(written)


def test_port_zero_is_for_listening() -> None:
    assert parse_address("127.0.0.1:0", any_port=True).port == 0


def test_names_where_they_are_wanted() -> None:
    assert parse_address("Mail.Example:25", names=True) == Address("mail.example", 25)
    for written in ("-a:80", "a..b:80", "256.0.0.1:80", "a b:80", "1.2.3:80", "a_b:80", "x" * 64 + ":80"):
        with pytest.raises(ValueError, match="host name"):
            parse_address(written, names=True)


def test_a_node_is_one_host() -> None:
    assert parse_node_address("localhost:80") == Address("localhost", 80)
    for written in ("0.0.0.0:80", "[::]:80", "224.0.0.1:80"):
        with pytest.raises(ValueError, match="one host"):
            parse_node_address(written)
    with pytest.raises(ValueError, match="IP address"):
        parse_node_address("localhost:80", names=False)


def test_a_name_is_no_ip_address() -> None:
    assert ip_address("localhost") is None
    assert str(ip_address("::1")) == "::1"


@pytest.mark.parametrize(
    ("written", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("fd00::/8", "fd00::/8"),
        ("::1", "::1/128"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_networks(written: str, network: str) -> None:
    found = parse_network(written)
    assert str(found) == network
    assert parse_network(found) is found


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("10.0.0.1/8", "the network is 10.0.0.0/8"),
        ("fd00::1/8", "the network is fd00::/8"),
        *(
            (value, "ADDRESS/BITS")
            for value in ("", "x", "10.0.0.0/33", "10.0.0.0/255.0.0.0", "10.0.0.0/-1", "fe80::%1/10", "010.0.0.0/8")
        ),
        *((value, "ADDRESS/BITS") for value in ("10.0.0.0/8 ", "10.0/8", "[::1]", "::1/129", 10, None, ["::1"])),
    ],
)
def test_what_is_no_network(written: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_network(written)
