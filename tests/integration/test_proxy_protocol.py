"""The PROXY protocol in front of the gateway and behind it: whose word counts, and who is told of whom."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.proxy_protocol import Ends, build, build_local
from tests.support.answers import ok
from tests.support.client import Client
from tests.support.faults import all_returned, refused
from tests.support.gateway import PATIENCE, Gateway, eventually
from tests.support.node_proxy import AnnouncedNode
from tests.support.node_tls import NodePki, serving
from tests.support.nodes import RecordingNode

CLIENT = ("192.0.2.7", 55_555)
ENDS = Ends(CLIENT, ("198.51.100.1", 443))
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 55555 443\r\n"
CHECK = {"interval": "300ms", "timeout": "250ms", "rise": 1, "fall": 1}


def proxied(folder: Path, *nodes: str, trusted: str = "127.0.0.0/8", handshake: str = "10s", **more: Any) -> Gateway:
    listener = {"proxy_protocol": {"from": [trusted]}, "timeouts": {"handshake": handshake}}
    return Gateway(folder, nodes=nodes, listener=listener, **more)


@pytest.fixture
def node() -> Iterator[RecordingNode]:
    with RecordingNode(ok(b"settled")) as node:
        yield node


@pytest.fixture
def gateway(tmp_path: Path, node: RecordingNode) -> Iterator[Gateway]:
    with proxied(tmp_path, node.address) as gateway:
        yield gateway
        assert "Traceback" not in gateway.log()


def connect(
    gateway: Gateway, header: bytes, *, step: int = 0, together: bool = False, source: str = "127.0.0.1"
) -> Client:
    """`step`: octets per segment; `together`: header and ClientHello in one segment."""
    raw = socket.create_connection(("127.0.0.1", gateway.port()), PATIENCE, (source, 0))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if together:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # the kernel lets go of what is there after 200 ms
    for at in range(0, len(header), step or len(header) or 1):
        raw.sendall(header[at : at + (step or len(header))])
        if step:
            time.sleep(0.001)  # so that the octets come one by one; nothing depends on it
    context = gateway.context(gateway.world.hospital)
    try:
        return Client(context.wrap_socket(raw, server_hostname="127.0.0.1"))
    except BaseException:
        raw.close()
        raise


def closed(raw: socket.socket) -> bool:
    raw.settimeout(PATIENCE)
    try:
        return raw.recv(1) == b""
    except ConnectionResetError:
        return True


def shut_out(gateway: Gateway, header: bytes) -> bool:
    """Whether the connection ends with the header, or before it; Python's ssl leaks where it is closed already."""
    with socket.create_connection(("127.0.0.1", gateway.port()), PATIENCE) as raw:
        try:
            raw.sendall(header)
            while raw.recv(100):
                pass  # an alert
        except ConnectionError:
            pass
        return True


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (V1, "192.0.2.7"),
        (build(ENDS), "192.0.2.7"),
        (build(Ends(("2001:db8::7", 1), ("2001:db8::1", 2))), "2001:db8::7"),
        (
            build(ENDS)[:14] + struct.pack("!H", 12 + 2003) + build(ENDS)[16:] + b"\x04" + b"\x07\xd0" + b"x" * 2000,
            "192.0.2.7",
        ),
        (build_local(), "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    ],
    ids=["v1", "v2", "v2 over IPv6", "v2 with TLVs", "v2 local", "v1 unknown"],
)
@pytest.mark.parametrize("how", ["whole", "octet by octet", "with the ClientHello"])
def test_the_announced_client_is_who_the_node_and_the_log_hear_of(
    gateway: Gateway, node: RecordingNode, header: bytes, client: str, how: str
) -> None:
    step = {"octet by octet": 1 if len(header) < 200 else 97}.get(how, 0)
    with connect(gateway, header, step=step, together=how == "with the ClientHello") as connection:
        for number in range(2):
            assert connection.post("/", b"claim %d" % number).body == b"settled"
    assert [request.value(b"x-forwarded-for") for request in node.requests] == [client.encode()] * 2
    assert len(eventually(lambda: gateway.access(client=client, status=200))) == 2
    all_returned(gateway)


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (b"\x16\x03\x01\x00\x05hello", "does not begin with a PROXY header"),
        (b"GET / HTTP/1.1\r\n\r\n", "does not begin with a PROXY header"),
        (b"PROXY TCP4 localhost 1 2\r\n", "are wanted"),
        (build(ENDS)[:13] + b"\x31" + build(ENDS)[14:], "neither TCP over IPv4 nor over IPv6"),
        (build(ENDS)[:14] + b"\xff\xff", "at most 2064 are read"),
    ],
    ids=["TLS", "HTTP", "malformed", "unix", "endless"],
)
def test_without_a_sound_header_nobody_enters(gateway: Gateway, node: RecordingNode, first: bytes, why: str) -> None:
    with gateway.plain() as raw:
        raw.sendall(first)
        assert closed(raw)
    assert refused(gateway, "proxy_header_invalid") == 1
    (line,) = eventually(lambda: gateway.access(reason="proxy_header_invalid"))
    assert line["client"] == "127.0.0.1"
    assert why in line["detail"]
    assert not node.requests
    all_returned(gateway)


def test_a_client_that_comes_directly_is_told_nothing_and_counted(gateway: Gateway) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        gateway.connect()
    assert refused(gateway, "proxy_header_invalid") == 1
    assert gateway.metric('settlegate_handshakes_total{listener="settlement",resumed="false"}') == 0


def test_a_header_that_ends_early_is_none(gateway: Gateway) -> None:
    with gateway.plain() as raw:
        raw.sendall(V1[:20])
        raw.shutdown(socket.SHUT_WR)
        assert closed(raw)
    assert refused(gateway, "proxy_header_invalid") == 1
    all_returned(gateway)


def test_a_header_has_the_time_of_the_handshake_and_no_more(tmp_path: Path, node: RecordingNode) -> None:
    with proxied(tmp_path, node.address, handshake="600ms") as gateway:
        start = time.monotonic()
        with gateway.plain() as silent, gateway.plain() as half, gateway.plain() as mute:
            half.sendall(V1[:20])
            mute.sendall(V1)
            worker = psutil.Process(gateway.workers()[0])
            before = sum(worker.cpu_times()[:2])
            assert closed(silent)
            assert closed(half)
            assert closed(mute), "one deadline for header and handshake together"
            assert 0.5 <= time.monotonic() - start <= 3
            assert sum(worker.cpu_times()[:2]) - before < 0.2, "half a header must not keep the worker awake"
        assert refused(gateway, "proxy_header_invalid") == 2
        assert refused(gateway, "handshake_timeout") == 1
        lines = eventually(lambda: len(found := gateway.access(reason="proxy_header_invalid")) == 2 and found)
        assert {line["detail"] for line in lines} == {"the PROXY header did not arrive in time"}
        all_returned(gateway)


@pytest.mark.parametrize("header", [V1, build(ENDS), build_local(), b""], ids=["v1", "v2", "local", "none"])
def test_from_elsewhere_nobody_is_believed_or_let_in(tmp_path: Path, node: RecordingNode, header: bytes) -> None:
    with proxied(tmp_path, node.address, trusted="127.0.0.9") as gateway:
        assert shut_out(gateway, header)
        assert refused(gateway, "proxy_peer_unknown") == 1
        (line,) = eventually(lambda: gateway.access(reason="proxy_peer_unknown"))
        assert line["client"] == "127.0.0.1"
        assert not node.requests
        with connect(gateway, V1, source="127.0.0.9") as client:
            assert client.get("/").status == 200
        assert gateway.metric('settlegate_refusals_total{listener="settlement",reason="proxy_peer_unknown"}') == 1
        all_returned(gateway)


def test_where_none_is_expected_a_header_is_no_tls(tmp_path: Path, node: RecordingNode) -> None:
    with Gateway(tmp_path, nodes=[node.address]) as gateway:
        for header in (V1, build(ENDS)):
            assert shut_out(gateway, header)
        assert refused(gateway, "handshake_failed") == 2
        assert not node.requests
        with gateway.connect() as client:
            assert client.get("/").status == 200
        assert [request.value(b"x-forwarded-for") for request in node.requests] == [b"127.0.0.1"]


def test_a_connection_without_its_header_yet_counts_among_those_not_admitted(
    tmp_path: Path, node: RecordingNode
) -> None:
    """And gives way to a newcomer like anybody who is silent."""
    with proxied(tmp_path, node.address) as gateway:
        gateway.config["listeners"]["settlement"]["limits"] = {"handshakes": 1}
        gateway.write()
        gateway.reload()
        with gateway.plain() as waiting:
            eventually(lambda: gateway.metric('settlegate_connections{listener="settlement"}') == 1)
            with gateway.plain() as newcomer:
                newcomer.sendall(V1)
                assert closed(waiting)
                assert refused(gateway, "limit_exceeded") == 1
                context = gateway.context(gateway.world.hospital)
                with Client(context.wrap_socket(newcomer, server_hostname="127.0.0.1")) as client:
                    assert client.get("/").status == 200
                    assert gateway.metric('settlegate_connections{listener="settlement"}') == 1
        all_returned(gateway)


def test_limits_by_address_count_the_announced_one(tmp_path: Path, node: RecordingNode) -> None:
    with proxied(tmp_path, node.address) as gateway:
        gateway.config["listeners"]["settlement"]["limits"] = {"connections_per_address": 1}
        gateway.write()
        gateway.reload()
        with connect(gateway, V1) as one:
            assert one.get("/").status == 200
            assert shut_out(gateway, V1)
            with connect(gateway, V1.replace(b"192.0.2.7", b"192.0.2.8")) as other:
                assert other.get("/").status == 200, "of another client of the same balancer"
        assert refused(gateway, "limit_exceeded") == 1
        all_returned(gateway)


def test_a_reload_in_between_decides(tmp_path: Path, node: RecordingNode) -> None:
    """Its header still counts, as it was accepted where headers do; with its listener a waiting connection goes."""
    with proxied(tmp_path, node.address) as gateway:
        settlement = gateway.config["listeners"]["settlement"]
        gateway.config["listeners"]["second"] = settlement | {"bind": "127.0.0.1:0"}
        gateway.write()
        gateway.reload()
        with gateway.plain() as kept:
            eventually(lambda: gateway.metric('settlegate_connections{listener="settlement"}') == 1)
            del settlement["proxy_protocol"]
            gateway.write()
            gateway.reload()
            kept.sendall(V1)
            context = gateway.context(gateway.world.hospital)
            with Client(context.wrap_socket(kept, server_hostname="127.0.0.1")) as client:
                assert client.get("/").status == 200
        assert node.requests[-1].value(b"x-forwarded-for") == b"192.0.2.7"
        settlement["proxy_protocol"] = {"from": ["127.0.0.1"]}
        gateway.write()
        gateway.reload()
        with gateway.plain() as orphan:
            eventually(lambda: gateway.metric('settlegate_connections{listener="settlement"}') == 1)
            del gateway.config["listeners"]["settlement"]
            gateway.write()
            gateway.reload()
            assert closed(orphan)


def test_a_worker_that_leaves_waits_for_what_has_begun(tmp_path: Path, node: RecordingNode) -> None:
    with proxied(tmp_path, node.address, handshake="3s") as gateway, gateway.plain() as raw, gateway.plain() as never:
        eventually(lambda: gateway.metric('settlegate_connections{listener="settlement"}') == 2)
        assert gateway.process is not None
        gateway.process.terminate()
        eventually(lambda: "stopping" in gateway.log())
        raw.sendall(V1)
        context = gateway.context(gateway.world.hospital)
        with Client(context.wrap_socket(raw, server_hostname="127.0.0.1")) as client:
            assert client.post("/", b"claim").body == b"settled"
        assert closed(never)
        assert gateway.process.wait(PATIENCE) == 0


# ---- behind the gateway


def announcing(folder: Path, *nodes: str, **pool: Any) -> Gateway:
    return Gateway(folder, nodes=nodes, pool={"proxy_protocol": "v2", **pool})


def as_seen(gateway: Gateway, source: str) -> Client:
    raw = socket.create_connection(("127.0.0.1", gateway.port()), PATIENCE, (source, 0))
    return Client(gateway.context(gateway.world.hospital).wrap_socket(raw, server_hostname="127.0.0.1"))


def test_nodes_are_told_who_the_client_is_and_keep_a_connection_for_each(tmp_path: Path) -> None:
    with AnnouncedNode(ok(b"settled")) as node, announcing(tmp_path, node.address) as gateway:
        with as_seen(gateway, "127.0.0.2") as one, as_seen(gateway, "127.0.0.3") as other:
            for _ in range(3):
                assert one.post("/", b"claim").body == b"settled"
                assert other.post("/", b"claim").body == b"settled"
            listener = ("127.0.0.1", gateway.port())
            assert [header.ends for header in node.headers] == [
                Ends(one.sock.getsockname(), listener),
                Ends(other.sock.getsockname(), listener),
            ]
        with as_seen(gateway, "127.0.0.2") as again:
            assert again.get("/").body == b"settled"
        assert len(node.headers) == 2, "the same client's"
        by_connection = {request.connection: request.value(b"x-forwarded-for") for request in node.requests}
        assert by_connection == {0: b"127.0.0.2", 1: b"127.0.0.3"}
        all_returned(gateway)


def test_the_header_comes_before_tls(tmp_path: Path) -> None:
    pki = NodePki(tmp_path / "nodes")
    tls = {"anchors": [str(pki.anchor)]}
    with (
        AnnouncedNode(ok(b"settled"), tls=serving(pki.good)) as node,
        announcing(tmp_path, node.address, upstream_tls=tls) as gateway,
        as_seen(gateway, "127.0.0.2") as client,
    ):
        for _ in range(2):
            assert client.post("/", b"claim").body == b"settled"
        (header,) = node.headers
        assert header.ends is not None
        assert header.ends.source == client.sock.getsockname()


def test_what_a_balancer_in_front_announced_is_passed_on(tmp_path: Path) -> None:
    with AnnouncedNode(ok(b"settled")) as node:
        gateway = proxied(tmp_path, node.address)
        gateway.config["pools"]["settlement"]["proxy_protocol"] = "v2"
        with gateway:
            with connect(gateway, V1) as client:
                assert client.get("/").body == b"settled"
            with connect(gateway, build_local()) as client:
                assert client.get("/").body == b"settled"
                own = Ends(client.sock.getsockname(), ("127.0.0.1", gateway.port()))
        assert [header.ends for header in node.headers] == [ENDS, own]


def test_checks_say_that_they_are_the_gateway_s_own(tmp_path: Path) -> None:
    pki = NodePki(tmp_path / "nodes")
    plain = [{"http": {"path": "/healthz"}, **CHECK}, {"tcp": {}, **CHECK}]
    with (
        AnnouncedNode(ok(b"fine")) as node,
        AnnouncedNode(ok(b"fine"), tls=serving(pki.good)) as secure,
        RecordingNode(ok(b"fine")) as status,
        announcing(tmp_path, node.address, checks=[*plain, {"http": {"port": status.port}, **CHECK}]) as gateway,
    ):
        gateway.config["pools"]["secure"] = {
            "nodes": [{"address": secure.address}],
            "proxy_protocol": "v2",
            "upstream_tls": {"anchors": [str(pki.anchor)]},
            "checks": plain,
        }
        gateway.write()
        gateway.reload()
        for address, pool in ((node.address, "settlement"), (secure.address, "secure")):
            eventually(lambda address=address, pool=pool: gateway.node(address, pool)["state"] == "up")  # type: ignore[misc]
        assert {header.ends for header in (*node.headers, *secure.headers)} == {None}
        assert status.requests, "on a port of its own a check says no header"


def test_pools_that_announce_and_pools_that_do_not_never_share_a_connection(tmp_path: Path) -> None:
    with AnnouncedNode(ok(b"settled")) as node, announcing(tmp_path, node.address) as gateway:
        gateway.config["pools"]["silent"] = {"nodes": [{"address": node.address}], "retries": {"attempts": 0}}
        gateway.config["routes"].insert(0, {"name": "silent", "path": "/silent", "pool": "silent"})
        gateway.write()
        gateway.reload()
        with gateway.connect() as client:
            assert client.get("/").body == b"settled"
            assert client.get("/silent").status == 502, "the node takes an HTTP request for no header"
            assert client.get("/").body == b"settled"
        assert len(node.headers) == 1


def test_a_node_that_refuses_is_passed_over(tmp_path: Path) -> None:
    with (
        AnnouncedNode(ok(b"settled")) as node,
        socket.socket() as unused,
        contextlib.ExitStack() as stack,
    ):
        unused.bind(("127.0.0.1", 0))
        gateway = stack.enter_context(announcing(tmp_path, f"127.0.0.1:{unused.getsockname()[1]}", node.address))
        with gateway.connect() as client:
            for _ in range(4):
                assert client.post("/", b"claim").body == b"settled"
        all_returned(gateway)
