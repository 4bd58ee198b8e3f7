"""Nodes of a configuration as the health checks know them."""

from __future__ import annotations

from pathlib import Path

from gateway.bundling import for_checks
from gateway.config import GatewayConfig, load_gateway
from gateway.targets import checks_of, key_of, target_id, targets_of
from tests.support.gateway import Gateway

SNMP = {"snmp": {"version": "2c", "community": "public", "metrics": {"cpu": {"comfort": "50%", "limit": "90%"}}}}


def config(folder: Path) -> GatewayConfig:
    gateway = Gateway(folder)
    gateway.config["pools"] = {
        "claims": {
            "nodes": [{"address": "127.0.0.1:18101", "snmp": "127.0.0.1:1161"}, {"address": "[::1]:80"}],
            "checks": [{"http": {}}, {"http": {"path": "/deep"}}, {"tcp": {}}, SNMP],
        },
        "settlement": {"nodes": [{"address": "127.0.0.1:18101"}]},
    }
    gateway.write()
    return load_gateway(gateway.path)


ENDPOINTS = {"127.0.0.1:18101": ("127.0.0.1", 18101), "[::1]:80": ("::1", 80)}


def test_each_node_with_checks_is_a_target_by_pool_and_address(tmp_path: Path) -> None:
    targets = targets_of(config(tmp_path), ENDPOINTS, {})
    assert list(targets) == ["claims 127.0.0.1:18101", "claims [::1]:80"]
    first, second = targets.values()
    assert (first.host, first.port, first.snmp) == ("127.0.0.1", 18101, ("127.0.0.1", 1161))
    assert (second.host, second.port, second.snmp, len(second.checks)) == ("::1", 80, None, 4)


def test_a_pool_that_speaks_tls_is_checked_in_tls_without_a_listener_s_key(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    world = gateway.world
    check = world.issue("check")
    tls = {
        "anchors": ["pki/ca.pem"],
        "server_name": "nodes.internal",
        "certificate": "pki/hospital.pem",
        "key": "pki/hospital.key",
        "check_certificate": "pki/check.pem",
        "check_key": "pki/check.key",
    }
    nodes = [{"address": "127.0.0.1:18101"}]
    gateway.config["pools"] = {
        "claims": {"nodes": nodes, "upstream_tls": tls, "checks": [{"tcp": {}}]},
        "snmp": {"nodes": nodes, "upstream_tls": tls | {"anchors": ["pki/hospital.pem"]}, "checks": [SNMP]},
        "none": {"nodes": nodes, "upstream_tls": tls | {"anchors": ["pki/pharmacy.pem"]}},
    }
    gateway.config["routes"] = []
    gateway.write()
    loaded = load_gateway(gateway.path)
    needed = for_checks(loaded)
    assert needed == (str(world.anchor), str(check), str(check.with_suffix(".key")))
    files = {path: Path(path).read_bytes() for path in needed}
    first, second = targets_of(loaded, ENDPOINTS, files).values()
    assert first.opening is not None
    assert (first.server_name, second.opening) == ("nodes.internal", None)


def test_checks_are_told_apart_by_name(tmp_path: Path) -> None:
    assert checks_of(config(tmp_path)) == {
        ("claims", "127.0.0.1:18101"): ["http", "http2", "tcp", "snmp"],
        ("claims", "[::1]:80"): ["http", "http2", "tcp", "snmp"],
        ("settlement", "127.0.0.1:18101"): [],
    }


def test_an_id_leads_back_to_its_node() -> None:
    assert key_of(target_id(("claims", "[::1]:80"))) == ("claims", "[::1]:80")
