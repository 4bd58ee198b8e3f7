"""From a bundle to what a worker runs: built whole, swapped in one step, no file touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from certs.contexts import blank_stock
from gateway.bundling import choose_bases, gather
from gateway.config import load_gateway
from gateway.scoreboard import Scoreboard
from gateway.slots import Slots
from gateway.snapshot import UNLISTED, Bundle, SnapshotError, build
from tests.support.gateway import HOSPITAL, PHARMACY, Gateway

NODE = "127.0.0.1:18101"


@pytest.fixture
def board() -> Scoreboard:
    """As a worker has it; slices of it live on in pools, so nobody closes it."""
    made = Scoreboard.create(1)
    made.mine = made.rows[0]
    return made


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path, nodes=[{"address": NODE, "weight": 2, "max_requests": 5}])


def bundled(gateway: Gateway, previous: Bundle | None = None, used: int = 0) -> Bundle:
    gateway.write()
    found = gather(load_gateway(gateway.path), None, start=True)
    config = found.config
    slots = Slots(
        listeners={name: number for number, name in enumerate(config.listeners)},
        pools={name: number for number, name in enumerate(config.pools)},
        nodes={(name, str(node.address)): 7 for name, pool in config.pools.items() for node in pool.nodes},
        institutions={name: number for number, name in enumerate((UNLISTED, *config.institutions))},
    )
    bases, _ = choose_bases(config, previous, used, rotate=False)
    generation = 1 if previous is None else previous.generation + 1
    return Bundle(generation, config, found.files, slots, bases, found.endpoints)


def test_everything_a_session_asks_for_is_there(gateway: Gateway, board: Scoreboard) -> None:
    gateway.config["institutions"][HOSPITAL] |= {"limits": {"requests": 3, "connections": 4}, "routes": ["all"]}
    gateway.config["institutions"][PHARMACY] |= {"enabled": False}
    gateway.config["listeners"]["settlement"] |= {"limits": {"connections": 9}, "refusal": "close"}
    snapshot = build(bundled(gateway), blank_stock(1), board, 0).snapshot
    listener = snapshot.listeners["settlement"]
    assert (listener.name, listener.slot, listener.connections_limit, listener.explain) == ("settlement", 0, 9, False)
    hospital = snapshot.institution(HOSPITAL)
    assert (hospital.slot, hospital.requests_limit, hospital.connections_limit) == (1, 3, 4)
    assert hospital.routes == frozenset({"all"})
    assert not snapshot.institution(PHARMACY).enabled
    pool = snapshot.pools["settlement"]
    (node,) = pool.balancer.nodes
    assert (node.address, node.slot, node.weight, node.max_requests) == (NODE, 7, 2.0, 5)
    assert pool.endpoints[NODE] == ("127.0.0.1", 18101)
    assert snapshot.link_idle == {NODE: 300.0}
    route = snapshot.router.find("settlement", b"x", b"/")
    assert route is not None
    assert route.pool == "settlement"


def test_who_has_no_entry_shares_one_slot(gateway: Gateway, board: Scoreboard) -> None:
    snapshot = build(bundled(gateway), blank_stock(1), board, 0).snapshot
    stranger = snapshot.institution("H999999999")
    assert (stranger.id, stranger.slot, stranger.enabled) == ("H999999999", snapshot.unlisted_slot, True)


def test_tls_to_nodes_goes_on_with_its_sessions_while_its_trust_stays(gateway: Gateway, board: Scoreboard) -> None:
    tls = {"anchors": ["pki/ca.pem"], "server_name": "node.test"}
    gateway.config["pools"]["settlement"]["upstream_tls"] = tls
    stock = blank_stock(1)
    bundle = bundled(gateway)
    first = build(bundle, stock, board, 0).snapshot
    preamble = first.pools["settlement"].preamble
    assert preamble is not None
    assert first.link_idle == {preamble.kind(NODE): 300.0}
    assert preamble.kind(NODE) == preamble.key(NODE, None) != NODE
    second = build(bundled(gateway, bundle, 1), stock, board, 0, first).snapshot
    assert second.pools["settlement"].preamble is preamble
    tls["server_name"] = "other.test"
    third = build(bundled(gateway, bundle, 1), stock, board, 0, second).snapshot.pools["settlement"].preamble
    assert third is not None
    assert third is not preamble
    assert third.kind(NODE) != preamble.kind(NODE)
    assert third.complaints is preamble.complaints
    gateway.config["pools"]["settlement"]["upstream_tls"] = {"anchors": ["pki/gateway.pem"]}
    spoiled = bundled(gateway, bundle, 1)
    spoiled = replace(spoiled, files={**spoiled.files, str(gateway.world.folder / "gateway.pem"): b"nonsense"})
    with pytest.raises(SnapshotError, match=r"^listeners\.settlement|^pools\.settlement"):
        build(spoiled, stock, board, 0)


def test_no_file_is_touched(gateway: Gateway, board: Scoreboard) -> None:
    bundle = bundled(gateway)
    for file in gateway.world.folder.iterdir():
        file.unlink()
    assert build(bundle, blank_stock(1), board, 0).snapshot.generation == 1


@pytest.mark.parametrize("file", ["gateway.key", "gateway.pem", "ca.pem"])
def test_what_cannot_be_used_names_its_listener(gateway: Gateway, board: Scoreboard, file: str) -> None:
    bundle = bundled(gateway)
    spoiled = {name: b"nonsense" if Path(name).name == file else data for name, data in bundle.files.items()}
    with pytest.raises(SnapshotError, match=r"^listeners\.settlement: "):
        build(replace(bundle, files=spoiled), blank_stock(1), board, 0)


def test_a_terminator_goes_on_while_its_base_does(gateway: Gateway, board: Scoreboard) -> None:
    """Its tickets must go on working, and a context that has been used refuses other settings."""
    stock = blank_stock(3)
    bundle = bundled(gateway)
    first = build(bundle, stock, board, 0)
    first.install()
    second = bundled(gateway, bundle, 1)
    same = build(second, stock, board, 0, first.snapshot)
    assert same.snapshot.listeners["settlement"].terminator is first.snapshot.listeners["settlement"].terminator
    gateway.config["listeners"]["settlement"]["minimum_tls"] = "1.3"
    third = build(bundled(gateway, second, 1), stock, board, 0, same.snapshot)
    assert third.snapshot.listeners["settlement"].terminator is not first.snapshot.listeners["settlement"].terminator


def test_nothing_of_it_shows_before_it_is_installed(gateway: Gateway, board: Scoreboard) -> None:
    stock = blank_stock(1)
    bundle = bundled(gateway)
    first = build(bundle, stock, board, 0)
    first.install()
    terminator = first.snapshot.listeners["settlement"].terminator
    trust = terminator.trust
    gateway.world.revoke(gateway.world.pharmacy)
    second = build(bundled(gateway, bundle, 1), stock, board, 0, first.snapshot)
    assert terminator.trust is trust
    second.install()
    assert terminator.trust is not trust


def test_without_a_slot_there_is_no_snapshot(gateway: Gateway, board: Scoreboard) -> None:
    bundle = bundled(gateway)
    values: Any = replace(bundle, slots=Slots())
    with pytest.raises(KeyError):
        build(values, blank_stock(1), board, 0)
