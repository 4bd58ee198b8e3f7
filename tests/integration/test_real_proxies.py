"""The gateway among Debian's nginx and HAProxy: in front of it, behind it, in TLS and with PROXY headers."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.answers import ok, pattern, pattern_sha256
from tests.support.client import Client
from tests.support.faults import refused
from tests.support.gateway import PATIENCE, Gateway, eventually
from tests.support.node_tls import NAME, NodePki
from tests.support.nodes import RecordingNode
from tests.support.real_proxies import free_port, haproxy, needs_haproxy, needs_nginx, nginx

SIZE = 50 << 20


@pytest.fixture
def node() -> Iterator[RecordingNode]:
    with RecordingNode(ok(b"settled")) as node:
        yield node


@pytest.fixture
def pki(tmp_path: Path) -> NodePki:
    return NodePki(tmp_path / "nodes")


def through(gateway: Gateway, port: int, source: str) -> Client:
    raw = socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))
    return Client(gateway.context(gateway.world.hospital).wrap_socket(raw, server_hostname="127.0.0.1"))


def upstream(pki: NodePki, **more: Any) -> dict[str, Any]:
    ours = {"certificate": str(pki.gateway), "key": str(pki.gateway.with_suffix(".key"))}
    return {"anchors": [str(pki.anchor)], "server_name": NAME} | ours | more


@needs_haproxy
@pytest.mark.parametrize(
    "sends",
    [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options authority,crc32c,unique-id",
        "send-proxy-v2-ssl-cn",
    ],
)
def test_haproxy_in_front_announces_its_clients(tmp_path: Path, node: RecordingNode, sends: str) -> None:
    listener = {"proxy_protocol": {"from": ["127.0.0.1"]}}
    port = free_port()
    with Gateway(tmp_path, nodes=[node.address], listener=listener) as gateway:
        sections = f"""
listen gateway
  mode tcp
  bind 127.0.0.1:{port}
  unique-id-format %{{+X}}o\\ %ci:%cp
  server gateway 127.0.0.1:{gateway.port()} {sends} check inter 200ms
"""
        with haproxy(tmp_path / "haproxy", port, sections):
            for source in ("127.0.0.2", "127.0.0.3"):
                with through(gateway, port, source) as client:
                    for _ in range(2):
                        assert client.post("/", b"claim").body == b"settled"
        seen = [request.value(b"x-forwarded-for") for request in node.requests]
        assert seen == [b"127.0.0.2", b"127.0.0.2", b"127.0.0.3", b"127.0.0.3"]
        assert {line["client"] for line in eventually(lambda: gateway.access(status=200))} == {"127.0.0.2", "127.0.0.3"}
        assert refused(gateway, "proxy_header_invalid") == 0


@needs_haproxy
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_haproxy_behind_is_told_of_the_client(tmp_path: Path, node: RecordingNode, pki: NodePki, secure: bool) -> None:
    port = free_port()
    both = pki.write("haproxy.pem", pki.good.read_bytes() + pki.good.with_suffix(".key").read_bytes())
    ssl = f"ssl crt {both} ca-file {pki.clients_anchor} verify required" if secure else ""
    sections = f"""
listen node
  mode http
  bind 127.0.0.1:{port} accept-proxy {ssl}
  http-request set-header X-Seen "%[src]:%[src_port] %[dst]:%[dst_port] %[ssl_c_s_dn(cn)]"
  server node {node.address}
"""
    pool = {"proxy_protocol": "v2"} | ({"upstream_tls": upstream(pki)} if secure else {})
    check = {"http": {}, "interval": "300ms", "timeout": "250ms", "rise": 1}
    with (
        haproxy(tmp_path / "haproxy", port, sections),
        Gateway(tmp_path, nodes=[f"127.0.0.1:{port}"], pool=pool | {"checks": [check]}) as gateway,
    ):
        eventually(lambda: gateway.node(f"127.0.0.1:{port}")["state"] == "up")
        node.requests.clear()
        seen = []
        for source in ("127.0.0.2", "127.0.0.3"):
            with through(gateway, gateway.port(), source) as client:
                assert client.post("/claims", b"claim").body == b"settled"
                own = client.sock.getsockname()
                seen.append(f"{own[0]}:{own[1]} 127.0.0.1:{gateway.port()} {'gateway' if secure else ''}".strip())
        claims = [request for request in node.requests if request.target == b"/claims"]
        assert [(request.value(b"x-seen") or b"").decode() for request in claims] == seen


def nginx_tls(pki: NodePki, port: int, node: RecordingNode, *, version: str, proxied: str = "") -> str:
    return f"""
server {{
  listen 127.0.0.1:{port} ssl {proxied};
  ssl_certificate {pki.good};
  ssl_certificate_key {pki.good.with_suffix(".key")};
  ssl_client_certificate {pki.clients_anchor};
  ssl_verify_client on;
  ssl_protocols {version};
  ssl_session_cache shared:node:1m;
  client_max_body_size 0;
  root {pki.folder};
  location /seen {{
    keepalive_requests 1;
    default_type text/plain;
    return 200 "$ssl_server_name $ssl_protocol $ssl_session_reused $ssl_client_s_dn $proxy_protocol_addr";
  }}
  location /up {{ proxy_pass http://{node.address}; proxy_request_buffering off; }}
}}"""


@needs_nginx
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("proxied", ["", "proxy_protocol"], ids=["", "with PROXY"])
def test_nginx_is_a_node_in_tls(tmp_path: Path, node: RecordingNode, pki: NodePki, version: str, proxied: str) -> None:
    port = free_port()
    pool = {"upstream_tls": upstream(pki)} | ({"proxy_protocol": "v2"} if proxied else {})
    with (
        nginx(tmp_path / "nginx", port, nginx_tls(pki, port, node, version=version, proxied=proxied)),
        Gateway(tmp_path, nodes=[f"127.0.0.1:{port}"], pool=pool) as gateway,
        through(gateway, gateway.port(), "127.0.0.2") as client,
    ):
        seen = [client.get("/seen").body.decode() for _ in range(4)]
        who = " 127.0.0.2" if proxied else " "
        first, *others = (f"{NAME} {version} {mark} CN=gateway{who}" for mark in ".rrr")
        assert seen == [first, *others]


@needs_nginx
def test_nginx_takes_and_gives_large_bodies_in_tls(tmp_path: Path, node: RecordingNode, pki: NodePki) -> None:
    node.store = False
    port = free_port()
    body = b"".join(bytes(piece) for piece in pattern(SIZE))
    pki.write("large", body)
    with (
        nginx(tmp_path / "nginx", port, nginx_tls(pki, port, node, version="TLSv1.3")),
        Gateway(tmp_path, nodes=[f"127.0.0.1:{port}"], pool={"upstream_tls": upstream(pki)}) as gateway,
        gateway.connect() as client,
    ):
        assert hashlib.sha256(client.get("/large").body).hexdigest() == pattern_sha256(SIZE)
        request = b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % SIZE + body
        sender = threading.Thread(target=client.send, args=(request,))
        sender.start()
        assert client.response().body == b"settled"
        sender.join()
        assert node.requests[-1].sha256 == pattern_sha256(SIZE)


@needs_nginx
def test_nginx_without_our_certificate_answers_400_itself(tmp_path: Path, node: RecordingNode, pki: NodePki) -> None:
    """It judges certificates in HTTP, not in TLS: an answer like any other, and never a claim at the node behind."""
    port = free_port()
    only_trust = {"anchors": [str(pki.anchor)], "server_name": NAME}
    with (
        nginx(tmp_path / "nginx", port, nginx_tls(pki, port, node, version="TLSv1.3")),
        Gateway(tmp_path, nodes=[f"127.0.0.1:{port}"], pool={"upstream_tls": only_trust}) as gateway,
        gateway.connect() as client,
    ):
        assert client.post("/up", b"claim").status == 400
        assert not node.requests
