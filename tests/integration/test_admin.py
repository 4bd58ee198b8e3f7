"""The admin API of a running gateway: metrics that tools can read, health, pools, and what operators may do."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.answers import ok
from tests.support.gateway import HOSPITAL, eventually
from tests.support.nodes import RecordingNode
from tests.support.operations import Held, Operated

STATES = {"checking", "up", "down", "ejected", "draining", "maintenance"}


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[RecordingNode]]:
    with RecordingNode(ok(b"first")) as first, RecordingNode(ok(b"second")) as second:
        yield [first, second]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, nodes: list[RecordingNode]) -> Iterator[Operated]:
    pool = {"checks": [{"tcp": {}, "interval": "1s", "timeout": "500ms"}], "slow_start": 0}
    folder = tmp_path_factory.mktemp("admin")
    with Operated(folder, nodes=[node.address for node in nodes], workers=2, pool=pool) as gateway:
        with gateway.settled().connect() as client, gateway.connect(anonymous=True) as stranger:
            assert client.get().status == 200
            assert stranger.get().status == 403
        yield gateway


@pytest.fixture
def addresses(gateway: Operated, nodes: list[RecordingNode]) -> Iterator[list[str]]:
    """Both nodes, up; whatever an operator has wished of them is taken back afterwards."""
    yield [node.address for node in nodes]
    for node in nodes:
        wish(gateway, node.address, "ready")
        eventually(lambda node=node: gateway.node(node.address)["state"] == "up")  # type: ignore[misc]


def wish(gateway: Operated, address: str, action: str) -> tuple[int, Any]:
    return gateway.post(f"/api/v1/pools/settlement/nodes/{address}/{action}")


def asked(gateway: Operated, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    host, _, port = gateway.admin.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@pytest.mark.parametrize("page", ["/metrics", "/metrics/institutions"])
def test_metrics_are_what_prometheus_reads(gateway: Operated, page: str) -> None:
    text = gateway.get(page)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(name.startswith("settlegate_") for name in families)
    assert all(family.documentation and family.type != "unknown" for family in families.values())
    promtool = shutil.which("promtool")
    if promtool is not None:
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_metrics_say_what_has_happened(gateway: Operated) -> None:
    before = gateway.metric('settlegate_requests_total{code="200",pool="settlement"}')
    assert before >= 1
    with gateway.connect() as client:
        assert client.get().status == 200
        assert gateway.metric('settlegate_connections{listener="settlement"}') >= 1
    assert gateway.metric('settlegate_requests_total{code="200",pool="settlement"}') == before + 1
    assert gateway.metric('settlegate_workers{state="accepting"}') == 2
    assert gateway.metric("settlegate_config_reload_success") == 1
    assert gateway.metric('settlegate_refusals_total{listener="settlement",reason="certificate_missing"}') >= 1
    certificate = gateway.world.folder / "gateway.pem"
    assert gateway.metric(f'settlegate_certificate_not_after_seconds{{file="{certificate}"}}') > 1e9
    institutions = gateway.get("/metrics/institutions")
    assert f'settlegate_institution_requests_total{{code="2xx",institution="{HOSPITAL}"}}' in institutions


def test_it_is_alive_and_ready(gateway: Operated) -> None:
    assert asked(gateway, "GET", "/healthz") == (200, b"ok\n")
    status, body = asked(gateway, "GET", "/readyz")
    assert (status, body[:20]) == (200, b"accepting: 2 workers")


def test_pools_have_the_promised_shape(gateway: Operated, addresses: list[str]) -> None:
    pools = gateway.get("/api/v1/pools")
    assert list(pools) == ["settlement"]
    assert list(pools["settlement"]["nodes"]) == addresses
    for view in pools["settlement"]["nodes"].values():
        assert view["state"] in STATES
        assert isinstance(view["reason"], str)
        assert isinstance(view["requests"], int)
        assert isinstance(view["weight"], float)


def test_a_drained_node_finishes_what_it_has_and_gets_nothing_new(
    gateway: Operated, addresses: list[str], nodes: list[RecordingNode]
) -> None:
    first, second = nodes
    first.answer = second.answer = held = Held()
    with gateway.connect() as busy, gateway.connect() as client:
        busy.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        (address,) = eventually(lambda: [a for a in addresses if gateway.node(a)["requests"]])
        status, view = wish(gateway, address, "drain")
        assert (status, view["state"]) == (200, "draining")
        first.answer, second.answer = ok(b"first"), ok(b"second")
        other = b"second" if address == first.address else b"first"
        assert {client.get().body for _ in range(6)} == {other}
        held.release.set()
        assert busy.response().body == b"slow but whole"
        eventually(lambda: gateway.node(address)["requests"] == 0)
        assert wish(gateway, address, "ready")[0] == 200
        eventually(lambda: {client.get().body for _ in range(6)} == {b"first", b"second"})


def test_maintenance_and_the_commands_of_the_operator(gateway: Operated, addresses: list[str]) -> None:
    first, second = addresses
    assert wish(gateway, first, "maintenance")[1]["state"] == "maintenance"
    assert gateway.command("drain", "settlement", second).returncode == 0
    with gateway.connect() as client:
        answer = client.get()
        assert (answer.status, answer.value("retry-after") is not None) == (503, True)
    assert gateway.command("ready", "settlement", first).returncode == 0
    shown = json.loads(gateway.command("status", "--json").stdout)
    states = {address: view["state"] for address, view in shown["settlement"]["nodes"].items()}
    assert states == {first: "up", second: "draining"}
    assert gateway.command("drain", "settlement", "127.0.0.1:1").returncode == 1


def test_what_does_not_exist_is_a_problem_document(gateway: Operated) -> None:
    for path in ("/nothing", "/api/v1/pools/nowhere/nodes/127.0.0.1:1/drain"):
        status, body = asked(gateway, "POST", path)
        assert (status, json.loads(body)["status"]) == (404, 404)
    assert asked(gateway, "GET", "/api/v1/reload")[0] == 405


def test_other_sites_and_other_names_are_refused(gateway: Operated, addresses: list[str]) -> None:
    assert asked(gateway, "GET", "/api/v1/pools", Host="rebound.example")[0] == 403
    drain = f"/api/v1/pools/settlement/nodes/{addresses[0]}/drain"
    assert asked(gateway, "POST", drain, Origin="https://evil.example")[0] == 403
    assert gateway.node(addresses[0])["state"] == "up"


def test_it_is_reached_over_loopback_only(gateway: Operated) -> None:
    port = int(gateway.admin.rpartition(":")[2])
    listening = [
        connection.laddr
        for name, pid in gateway.processes().items()
        if name == "sg control"
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert [address.ip for address in listening] == ["127.0.0.1"]
    others = {
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family is socket.AF_INET and not address.address.startswith("127.")
    }
    for address in others:
        with socket.socket() as raw:
            raw.settimeout(2)
            assert raw.connect_ex((address, port)) != 0
