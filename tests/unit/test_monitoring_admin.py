"""The admin API on a real socket, with a fake centre behind it."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from monitoring.admin import is_own_host
from monitoring.centre import ReloadResult, ReloadUnderWayError
from tests.support.fake_admin import AdminServer, FakeCentre, node


@pytest.fixture
def server() -> Iterator[AdminServer]:
    with AdminServer(FakeCentre()) as running:
        yield running


def test_metrics_are_served_in_the_text_format(server: AdminServer) -> None:
    for path in ("/metrics", "/metrics/institutions"):
        status, headers, body = server.ask("GET", path)
        assert status == 200
        assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert body.startswith("settlegate_")


def test_health_and_readiness_are_two_questions(server: AdminServer) -> None:
    assert server.ask("GET", "/healthz")[::2] == (200, "ok\n")
    assert server.ask("GET", "/readyz")[::2] == (200, "accepting connections\n")
    server.centre.readiness = (False, "draining")
    assert server.ask("GET", "/readyz")[::2] == (503, "draining\n")
    assert server.ask("GET", "/healthz")[0] == 200
    server.centre.living = False
    assert server.ask("GET", "/healthz")[0] == 503


def test_pools_have_the_documented_shape(server: AdminServer) -> None:
    status, headers, body = server.ask("GET", "/api/v1/pools")
    assert (status, headers.get_content_type()) == (200, "application/json")
    told = json.loads(body)
    assert told["settlement"]["nodes"]["127.0.0.1:18101"] == node()
    assert "检查全部通过" in body  # readable as it stands


def test_version(server: AdminServer) -> None:
    assert json.loads(server.ask("GET", "/api/v1/version")[2]) == {"settlegate": "0.1.0"}


@pytest.mark.parametrize(("action", "state"), [("drain", "draining"), ("maintenance", "maintenance"), ("ready", "up")])
@pytest.mark.parametrize("address", ["127.0.0.1:18101", "[::1]:18102"])
def test_the_operator_sets_a_node(server: AdminServer, action: str, state: str, address: str) -> None:
    status, _, body = server.ask("POST", f"/api/v1/pools/settlement/nodes/{quote(address)}/{action}")
    assert status == 200
    assert json.loads(body)["state"] == state
    assert server.centre.nodes["settlement"][address]["state"] == state


def test_an_unknown_pool_or_node_is_told_with_the_nearest(server: AdminServer) -> None:
    told = server.problem("POST", "/api/v1/pools/setlement/nodes/127.0.0.1:18101/drain")
    assert (told["status"], told["reason"], told["nearest"]) == (404, "unknown_pool", "settlement")
    assert told["detail"] == 'no pool "setlement"; did you mean "settlement"?'
    told = server.problem("POST", "/api/v1/pools/settlement/nodes/127.0.0.1:18109/drain")
    assert (told["reason"], told["nearest"]) == ("unknown_node", "127.0.0.1:18101")
    told = server.problem("POST", "/api/v1/pools/settlement/nodes/zzz/drain")
    assert (
        told["detail"]
        == 'no node "zzz" of pool settlement; known nodes of pool settlement: 127.0.0.1:18101, [::1]:18102'
    )
    told = server.problem("POST", f"/api/v1/pools/{quote('门诊')}/nodes/x/drain")
    assert told["detail"] == 'no node "x" of pool 门诊; there are no nodes of pool 门诊'


def test_a_reload_ends_well_badly_or_has_not_ended_yet(server: AdminServer) -> None:
    status, _, body = server.ask("POST", "/api/v1/reload")
    assert status == 200
    assert json.loads(body) == {"ok": True, "generation": 2, "notices": ["pool clinic added"]}

    problems = ("gateway.yaml:41:9: pools.clinic: 甲", "gateway.yaml:57:5: pools.clinic.polcy: unknown key")
    server.centre.result = ReloadResult(False, 2, problems)
    told = server.problem("POST", "/api/v1/reload")
    assert (told["status"], told["problems"], told["generation"]) == (422, list(problems), 2)
    assert told["detail"] == "2 problems found; generation 2 stays in force"

    server.centre.result = ReloadUnderWayError()
    told = server.problem("POST", "/api/v1/reload")
    assert (told["status"], told["reason"]) == (409, "reload_under_way")


def test_other_methods_and_paths_are_problem_documents_too(server: AdminServer) -> None:
    told = server.problem("DELETE", "/api/v1/pools")
    assert (told["status"], told["reason"]) == (405, "method_not_allowed")
    assert server.ask("DELETE", "/api/v1/pools")[1]["Allow"] == "GET,HEAD"
    assert server.problem("GET", "/api/v1/reload")["status"] == 405
    assert server.problem("GET", "/nothing")["reason"] == "no_such_page"
    assert server.problem("POST", "/api/v1/pools/settlement/nodes/127.0.0.1:18101/explode")["status"] == 404


def test_a_fault_inside_is_logged_and_not_told(server: AdminServer, caplog: pytest.LogCaptureFixture) -> None:
    server.centre.fault = RuntimeError("the secret is 42")
    with caplog.at_level(logging.ERROR, "settlegate.admin"):
        status, _, body = server.ask("GET", "/api/v1/pools")
    assert status == 500
    assert json.loads(body)["reason"] == "internal"
    assert "42" not in body
    assert "RuntimeError" not in body
    assert "the secret is 42" in caplog.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "https://evil.example"},
    ],
)
def test_a_page_of_another_site_changes_nothing(server: AdminServer, headers: dict[str, str]) -> None:
    path = "/api/v1/pools/settlement/nodes/127.0.0.1:18101/drain"
    told = server.problem("POST", path, **headers)
    assert (told["status"], told["reason"]) == (403, "cross_site")
    assert server.centre.nodes["settlement"]["127.0.0.1:18101"]["state"] == "up"
    assert server.problem("DELETE", "/api/v1/sessions/1", **headers)["status"] == 403


def test_our_own_page_and_programs_may_change_things(server: AdminServer) -> None:
    path = "/api/v1/pools/settlement/nodes/127.0.0.1:18101/drain"
    own = f"http://127.0.0.1:{server.port}"
    assert server.ask("POST", path, Origin=own, Sec_Fetch_Site="same-origin")[0] == 200
    assert server.ask("POST", path, Sec_Fetch_Site="none")[0] == 200


def test_names_that_dns_decides_on_are_refused_even_for_reading(server: AdminServer) -> None:
    for path in ("/", "/metrics", "/api/v1/pools", "/nothing"):
        told = server.problem("GET", path, Host=f"evil.example:{server.port}")
        assert (told["status"], told["reason"]) == (403, "host_refused")
    assert server.ask("GET", "/metrics", Host=f"localhost:{server.port}")[0] == 200


def test_a_health_checker_without_a_host_field_is_answered(server: AdminServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.0 200")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:19901", "[::1]:19901", "[::1]", "LocalHost:1", "10.0.0.1:"])
def test_own_hosts(host: str) -> None:
    assert is_own_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "127.0.0.1:x",
        "evil.example:80",
        "[evil]",
        "0x7f.1",
        " ",
    ],
)
def test_foreign_hosts(host: str) -> None:
    assert not is_own_host(host)


def test_every_answer_forbids_caching_framing_and_scripts(server: AdminServer) -> None:
    for method, path in (("GET", "/"), ("GET", "/metrics"), ("GET", "/nothing"), ("POST", "/")):
        _, headers, _ = server.ask(method, path)
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_the_status_page_is_html(server: AdminServer) -> None:
    status, headers, body = server.ask("GET", "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "127.0.0.1:18101" in body
    assert "检查全部通过" in body
