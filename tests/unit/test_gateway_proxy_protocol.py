"""The PROXY protocol octet by octet: what is believed, what is not, and where the client's own octets begin."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.proxy_protocol import (
    LONGEST_V1,
    LONGEST_V2,
    SIGNATURE,
    Ends,
    Header,
    ProxyHeaderError,
    build,
    build_local,
    parse,
)

HELLO = b"\x16\x03\x01 the client's own \r\nPROXY \r\n\r\n\0\r\nQUIT\n"


def v2(command: int, family: int, body: bytes = b"", *, length: int | None = None) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body) if length is None else length) + body


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


V4 = ipaddress.IPv4Address("192.0.2.7").packed + ipaddress.IPv4Address("198.51.100.1").packed + b"\xd9\x03\x01\xbb"
V6 = ipaddress.IPv6Address("2001:db8::7").packed + ipaddress.IPv6Address("2001:db8::1").packed + b"\xd9\x03\x01\xbb"
ENDS_4 = Ends(("192.0.2.7", 55555), ("198.51.100.1", 443))
ENDS_6 = Ends(("2001:db8::7", 55555), ("2001:db8::1", 443))

BELIEVED: dict[str, tuple[bytes, Ends | None]] = {
    "v1 tcp4": (b"PROXY TCP4 192.0.2.7 198.51.100.1 55555 443\r\n", ENDS_4),
    "v1 tcp6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 55555 443\r\n", ENDS_6),
    "v1 tcp6 at length": (b"PROXY TCP6 2001:0DB8:0000:0000:0000:0000:0000:0007 2001:db8::1 55555 443\r\n", ENDS_6),
    "v1 ports at their ends": (
        b"PROXY TCP4 255.255.255.255 0.0.0.0 0 65535\r\n",
        Ends(("255.255.255.255", 0), ("0.0.0.0", 65535)),
    ),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", None),
    "v1 unknown with words": (b"PROXY UNKNOWN ffff::1 whatever 1 2\r\n", None),
    "v1 as long as can be": (b"PROXY UNKNOWN " + b"f" * (LONGEST_V1 - 16) + b"\r\n", None),
    "v2 tcp4": (v2(0x21, 0x11, V4), ENDS_4),
    "v2 tcp6": (v2(0x21, 0x21, V6), ENDS_6),
    "v2 with tlvs": (v2(0x21, 0x11, V4 + tlv(0x02, b"claims.example") + tlv(0x20, b"\x07" * 20) + tlv(4, b"")), ENDS_4),
    "v2 mapped": (
        v2(0x21, 0x21, ipaddress.IPv6Address("::ffff:192.0.2.7").packed + V6[16:]),
        Ends(("::ffff:192.0.2.7", 55555), ENDS_6.destination),
    ),
    "v2 local": (v2(0x20, 0x00), None),
    "v2 local with a rest of any kind": (v2(0x20, 0x31, b"\xff" * 5), None),
    "v2 unspecified": (v2(0x21, 0x00), None),
    "v2 unspecified with a rest": (v2(0x21, 0x00, b"\xff" * 7), None),
    "v2 as long as can be": (v2(0x21, 0x11, V4 + tlv(4, b"\0" * (LONGEST_V2 - 16 - 12 - 3))), ENDS_4),
}

REFUSED: dict[str, tuple[bytes, str]] = {
    "tls": (b"\x16\x03\x01\x02\x00", "does not begin"),
    "http": (b"GET / HTTP/1.1\r\n", "does not begin"),
    "lower case": (b"proxy TCP4", "does not begin"),
    "a blank first": (b" PROXY TCP4", "does not begin"),
    "half a signature": (b"\r\n\r\n\0\r\nQUIT\r", "does not begin"),
    "v1 too long": (b"PROXY UNKNOWN " + b"f" * 100, "no line end"),
    "v1 one octet too long": (b"PROXY UNKNOWN " + b"f" * (LONGEST_V1 - 15) + b"\r\n", "no line end"),
    "v1 bare lf": (b"PROXY TCP4 192.0.2.7 198.51.100.1 55555 443\n", "printable"),
    "v1 cr inside": (b"PROXY TCP4 192.0.2.7\r 198.51.100.1 55555 443\r\n", "that is no|wanted|printable"),
    "v1 nul": (b"PROXY TCP4 192.0.2.7\0 198.51.100.1", "printable"),
    "v1 two blanks": (b"PROXY TCP4  192.0.2.7 198.51.100.1 55555 443\r\n", "wanted"),
    "v1 blank at the end": (b"PROXY TCP4 192.0.2.7 198.51.100.1 55555 443 \r\n", "wanted"),
    "v1 a port is missing": (b"PROXY TCP4 192.0.2.7 198.51.100.1 55555\r\n", "wanted"),
    "v1 udp": (b"PROXY UDP4 192.0.2.7 198.51.100.1 55555 443\r\n", "wanted"),
    "v1 nothing": (b"PROXY \r\n", "wanted"),
    "v1 unknown and more": (b"PROXY UNKNOWNX\r\n", "wanted"),
    "v1 six as four": (b"PROXY TCP4 2001:db8::7 2001:db8::1 55555 443\r\n", "no IPv4"),
    "v1 four as six": (b"PROXY TCP6 192.0.2.7 198.51.100.1 55555 443\r\n", "no IPv6"),
    "v1 zone": (b"PROXY TCP6 fe80::1%eth0 2001:db8::1 55555 443\r\n", "no IPv6"),
    "v1 leading zero": (b"PROXY TCP4 192.0.2.07 198.51.100.1 55555 443\r\n", "no IPv4"),
    "v1 short form": (b"PROXY TCP4 192.7 198.51.100.1 55555 443\r\n", "no IPv4"),
    "v1 a name": (b"PROXY TCP4 localhost 198.51.100.1 55555 443\r\n", "no IPv4"),
    "v1 other digits": ("PROXY TCP4 192.0.2.７ 198.51.100.1 1 2\r\n".encode(), "no IPv4"),
    "v1 port too large": (b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n", "no port"),
    "v1 port with zero": (b"PROXY TCP4 192.0.2.7 198.51.100.1 055 443\r\n", "no port"),
    "v1 port with sign": (b"PROXY TCP4 192.0.2.7 198.51.100.1 +55 443\r\n", "no port"),
    "v2 version 1": (v2(0x11, 0x11, V4), "neither LOCAL"),
    "v2 version 3": (v2(0x31, 0x11, V4), "neither LOCAL"),
    "v2 command 2": (v2(0x22, 0x11, V4), "neither LOCAL"),
    "v2 unix": (v2(0x21, 0x31, b"\0" * 216), "neither TCP"),
    "v2 unix datagram": (v2(0x21, 0x32, b"\0" * 216), "neither TCP"),
    "v2 udp4": (v2(0x21, 0x12, V4), "neither TCP"),
    "v2 udp6": (v2(0x21, 0x22, V6), "neither TCP"),
    "v2 no transport": (v2(0x21, 0x10, V4), "neither TCP"),
    "v2 no such family": (v2(0x21, 0x41, V4), "neither TCP"),
    "v2 too short": (v2(0x21, 0x11, V4[:-1]), "too short"),
    "v2 six in the room of four": (v2(0x21, 0x21, V4), "too short"),
    "v2 nothing": (v2(0x21, 0x11), "too short"),
    "v2 too long": (v2(0x21, 0x11, length=LONGEST_V2 - 15), "at most"),
    "v2 longest there is": (v2(0x21, 0x11, length=65_535), "at most"),
    "v2 local too long": (v2(0x20, 0x00, length=65_535), "at most"),
    "v2 a tlv's head cut off": (v2(0x21, 0x11, V4 + b"\x04\0"), "cut off"),
    "v2 a tlv too long": (v2(0x21, 0x11, V4 + b"\x04\0\x05abcd"), "beyond"),
    "v2 a second tlv too long": (v2(0x21, 0x11, V4 + tlv(4, b"x") + b"\x04\xff\xff"), "beyond"),
}


@pytest.mark.parametrize(("data", "ends"), BELIEVED.values(), ids=BELIEVED)
@pytest.mark.parametrize("behind", [b"", HELLO], ids=["alone", "with the client's octets"])
def test_what_is_believed_whole_and_octet_by_octet(data: bytes, ends: Ends | None, behind: bytes) -> None:
    assert parse(data + behind) == Header(len(data), ends)
    assert [parse(data[:size]) for size in range(len(data))] == [None] * len(data)


@pytest.mark.parametrize(("data", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_whole_and_octet_by_octet(data: bytes, why: str) -> None:
    with pytest.raises(ProxyHeaderError, match=why):
        parse(data)
    for size in range(len(data)):
        try:
            assert parse(data[:size]) is None, "never believed before, and then not"
        except ProxyHeaderError:
            break


def test_no_word_of_the_sender_is_repeated() -> None:
    with pytest.raises(ProxyHeaderError) as error:
        parse(b"PROXY TCP4 evil evil 1 2\r\n")
    assert "evil" not in str(error.value)


addresses_4 = st.ip_addresses(v=4).map(str)
ports = st.integers(0, 65535)


@given(addresses_4, ports, addresses_4, ports, st.binary(max_size=40))
def test_what_we_announce_over_ipv4_is_read_again(a: str, m: int, b: str, n: int, behind: bytes) -> None:
    ends = Ends((a, m), (b, n))
    wire = build(ends)
    assert parse(wire + behind) == Header(28, ends)
    line = f"PROXY TCP4 {a} {b} {m} {n}\r\n".encode()
    assert parse(line + behind) == Header(len(line), ends)


@given(st.ip_addresses(v=6), ports, st.ip_addresses(v=6), ports)
def test_what_we_announce_over_ipv6_is_read_again(
    a: ipaddress.IPv6Address, m: int, b: ipaddress.IPv6Address, n: int
) -> None:
    header = parse(build(Ends((str(a), m), (str(b), n))))
    line = parse(f"PROXY TCP6 {a.exploded} {b.exploded} {m} {n}\r\n".encode())
    assert header is not None
    assert line is not None
    assert header.size == 52
    assert header.ends is not None
    assert header.ends == line.ends
    assert ipaddress.ip_address(header.ends.source[0]).packed == a.packed
    assert ipaddress.ip_address(header.ends.destination[0]).packed == b.packed


def test_both_ends_get_one_family() -> None:
    header = parse(build(Ends(("192.0.2.7", 1), ("2001:db8::1", 2))))
    assert header == Header(52, Ends(("::ffff:192.0.2.7", 1), ("2001:db8::1", 2)))
    header = parse(build(Ends(("2001:db8::1", 1), ("192.0.2.7", 2))))
    assert header == Header(52, Ends(("2001:db8::1", 1), ("::ffff:192.0.2.7", 2)))


def test_our_own_connections_are_local() -> None:
    assert parse(build_local()) == Header(16, None)


beginnings = st.sampled_from(
    [b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11", SIGNATURE + b"\x20\x00"]
)


@given(beginnings, st.binary(max_size=300))
@example(SIGNATURE, b"\x21")
def test_only_documented_errors_escape_and_nothing_depends_on_the_pieces(beginning: bytes, rest: bytes) -> None:
    data = beginning + rest
    try:
        whole = parse(data)
    except ProxyHeaderError:
        whole = None
        refused = True
    else:
        refused = False
    for size in range(len(data) + 1):
        try:
            found = parse(data[:size])
        except ProxyHeaderError:
            assert refused
            return
        if found is not None:
            assert found == whole
            assert found.size == size, "known with its last octet and not before"
            return
    assert whole is None
    assert not refused


@given(st.sampled_from(sorted(BELIEVED)), st.data())
def test_one_changed_octet_is_refused_or_read_in_one_way(name: str, data: st.DataObject) -> None:
    wire = bytearray(BELIEVED[name][0])
    at = data.draw(st.integers(0, len(wire) - 1))
    wire[at] = data.draw(st.integers(0, 255))
    try:
        header = parse(bytes(wire))
    except ProxyHeaderError:
        return
    if header is not None and header.ends is not None:
        assert parse(build(header.ends)) == Header(52 if ":" in header.ends.source[0] else 28, header.ends)
