"""What a configuration needs of the machine, and what is said when there is less."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest

from gateway import check_machine
from gateway.check import check
from gateway.check_machine import OWN, Machine, descriptors, shortages, this_machine
from gateway.config import GatewayConfig
from gateway.links import IDLE_LINKS_PER_NODE
from gateway.listening import BACKLOG
from tests.support.operator_files import for_the_example

PLENTY = Machine(1_048_576, BACKLOG)


def config(workers: int = 2, **listeners: dict[str, int]) -> GatewayConfig:
    files: dict[str, Any] = {"certificate": "c", "key": "k", "trust": {"anchors": ["a"]}}
    return GatewayConfig.model_validate(
        {
            "workers": workers,
            "listeners": {
                name: files | {"bind": [f"127.0.0.1:{port}"], "limits": limits}
                for port, (name, limits) in enumerate(listeners.items(), 1)
            },
            "pools": {"p": {"nodes": [{"address": "127.0.0.1:99"}]}},
        }
    )


def test_each_client_needs_one_and_so_does_each_kept_connection_to_a_node() -> None:
    many = config(1, a={"connections": 5000, "handshakes": 500})
    assert descriptors(many) == OWN + 1 + 5000 + 500 + IDLE_LINKS_PER_NODE
    few = config(1, a={"connections": 10, "handshakes": 500})
    assert descriptors(few) == OWN + 1 + 10 + 500 + 10, "no more connections to nodes than clients"


def test_clients_spread_over_the_workers_and_every_worker_holds_all_listening_sockets() -> None:
    two = config(2, a={"connections": 4001, "handshakes": 501}, b={"connections": 2, "handshakes": 2})
    assert descriptors(two) == OWN + 2 * 2 + 2002 + 252 + IDLE_LINKS_PER_NODE


def test_enough_is_not_worth_a_word() -> None:
    assert list(shortages(config(a={}), PLENTY)) == []
    assert list(shortages(config(a={}), Machine(None, None))) == []
    exactly = descriptors(config(a={}))
    assert list(shortages(config(a={}), Machine(exactly, None))) == []
    assert len(list(shortages(config(a={}), Machine(exactly - 1, None)))) == 1


def test_too_few_files_are_told_at_the_largest_listener() -> None:
    settings = config(a={"connections": 10}, b={"connections": 5000}, c={"connections": 20})
    (told,) = shortages(settings, Machine(4096, BACKLOG))
    assert told.place == ("listeners", "b", "limits", "connections")
    assert f"{descriptors(settings):,} open files for so many clients and gets 4,096 here" in told.message
    assert "LimitNOFILE" in told.message


def test_a_queue_that_is_cut_is_told() -> None:
    (told,) = shortages(config(a={}), Machine(None, 128))
    assert told.message.startswith("128 new connections wait for a worker at most, not 4,096")
    assert "net.core.somaxconn = 4096" in told.message


def test_this_machine_is_what_the_kernel_says() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    here = this_machine()
    assert here.open_files == (None if hard == resource.RLIM_INFINITY else hard)
    assert here.accept_queue == int(Path("/proc/sys/net/core/somaxconn").read_text(encoding="ascii"))


def test_what_cannot_be_seen_is_not_complained_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_machine, "_SOMAXCONN", tmp_path / "hidden")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, resource.RLIM_INFINITY))
    assert this_machine() == Machine(None, None)


def test_check_gives_the_place_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for_the_example(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("gateway.yaml").write_text(
        "workers: 1\n"
        "listeners:\n"
        "  front:\n"
        "    bind: 127.0.0.1:18443\n"
        "    certificate: pki/gateway.pem\n"
        "    key: pki/gateway.key\n"
        "    trust: {anchors: [pki/institutions-ca.pem]}\n"
        "    limits:\n"
        "      connections: 90000\n"
        "institutions: {A: {}}\n"
        "routes: [{name: all, pool: clinic}]\n"
        "pools: {clinic: {nodes: [{address: 127.0.0.1:18101}]}}\n",
        encoding="utf-8",
    )
    report = check(Path("gateway.yaml"), machine=Machine(8192, BACKLOG))
    assert report.problems == ()
    (notice,) = report.notices
    assert str(notice).startswith("gateway.yaml:9:7: listeners.front.limits.connections: a worker needs 95,")
    assert check(Path("gateway.yaml"), machine=PLENTY).notices == ()
