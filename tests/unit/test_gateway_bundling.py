"""From a configuration to what the processes run: each gets what it needs, and what cannot be used is found here."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from certs.authority import Authority, crl_pem
from gateway.bundling import BundleError, Reading, choose_bases, for_workers, gather, tls_files
from gateway.config import GatewayConfig, load_gateway
from gateway.reading import read_files
from gateway.slots import Slots
from gateway.snapshot import Bundle
from tests.support.gateway import Gateway

SECRET = "the-community"


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    snmp = {"snmp": {"version": "2c", "community": SECRET, "metrics": {"cpu": {"comfort": "50%", "limit": "90%"}}}}
    return Gateway(tmp_path, nodes=["127.0.0.1:18101"], pool={"checks": [snmp]})


def loaded(gateway: Gateway) -> GatewayConfig:
    gateway.write()
    return load_gateway(gateway.path)


def refused(gateway: Gateway, *, start: bool = False) -> list[str]:
    with pytest.raises(BundleError) as error:
        gather(loaded(gateway), None, start=start)
    return list(map(str, error.value.args))


def test_every_file_is_read_once_and_every_name_resolved(gateway: Gateway) -> None:
    world = gateway.world
    found = gather(loaded(gateway), None, start=True)
    assert {Path(name).name for name in found.files} == {"gateway.pem", "gateway.key", "ca.pem", "ca.crl"}
    assert found.files[str(world.anchor)] == world.anchor.read_bytes()
    assert found.endpoints == {"127.0.0.1:18101": ("127.0.0.1", 18101)}
    assert set(found.stamps) == set(found.files)
    assert set(found.dates["certificates"]) == {str(world.anchor), str(world.folder / "gateway.pem")}
    assert len(found.dates["crls"]) == 1
    assert found.warnings == ()


def test_what_workers_get_has_no_secret_in_it(gateway: Gateway) -> None:
    config = loaded(gateway)
    found = gather(config, None, start=True)
    assert SECRET.encode() in pickle.dumps(config)
    assert SECRET.encode() not in pickle.dumps(found)
    assert found.config.pools["settlement"].checks == ()
    assert for_workers(config).pools["settlement"].nodes == config.pools["settlement"].nodes


def test_private_keys_are_not_in_its_repr(gateway: Gateway) -> None:
    assert "PRIVATE KEY" not in repr(gather(loaded(gateway), None, start=True))


def test_all_that_is_missing_is_said_at_once(gateway: Gateway) -> None:
    listener = gateway.config["listeners"]["settlement"]
    listener["key"] = "pki/gone.key"
    gateway.config["listeners"]["second"] = listener | {"certificate": "pki/gone.pem", "key": "pki/gateway.key"}
    gateway.config["pools"]["settlement"]["nodes"] = [{"address": "no-such-host.invalid:80"}]
    problems = refused(gateway)
    folder = gateway.world.folder
    assert problems[:2] == [
        f"listeners.settlement: {folder}/gone.key: No such file or directory",
        f"listeners.second: {folder}/gone.pem: No such file or directory",
    ]
    assert problems[2].startswith("pools.settlement.nodes: no-such-host.invalid:80: ")
    assert len(problems) == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"key": "pki/hospital.key"}, "certificate or key cannot be used"),
        ({"certificate": "pki/gateway.key"}, "certificate or key cannot be used"),
        ({"trust": {"anchors": ["pki/gateway.key"], "institution_id": "subject.UID"}}, "gateway.key"),
    ],
    ids=["another key", "a key for a certificate", "a key for an anchor"],
)
def test_what_no_worker_could_use_is_refused_before_one_is_asked(
    gateway: Gateway, change: dict[str, Any], told: str
) -> None:
    gateway.config["listeners"]["settlement"] |= change
    (problem,) = refused(gateway)
    assert problem.startswith("listeners.settlement: ")
    assert told in problem
    assert "settlement: settlement:" not in problem


def test_a_list_that_cannot_be_read_warns_at_the_start_and_is_refused_later(gateway: Gateway) -> None:
    """At the start there is nothing to go on with instead; later the list in force is better than none."""
    crl = gateway.world.crl
    good = crl.read_bytes()
    for spoil, told in ((crl.unlink, "No such file"), (lambda: crl.write_bytes(good[:100]), "no revocation list")):
        spoil()
        found = gather(loaded(gateway), None, start=True)
        assert any(told in warning for warning in found.warnings), found.warnings
        assert any(told in problem for problem in refused(gateway))


def test_what_is_doubtful_is_said(gateway: Gateway) -> None:
    foreign = gateway.world.folder / "foreign.crl"
    foreign.write_bytes(crl_pem(Authority.create("Somebody else").crl([])))
    gateway.config["listeners"]["settlement"]["trust"]["crls"].append("pki/foreign.crl")
    (warning,) = gather(loaded(gateway), None, start=False).warnings
    assert warning.startswith("listeners.settlement: ")
    assert "Somebody else" in warning


def test_names_are_not_asked_for_again_when_only_files_are_read(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = loaded(gateway)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: pytest.fail("asked"))
    known = {"127.0.0.1:18101": ("127.0.0.9", 1)}
    assert gather(config, known, start=False).endpoints == known


def test_the_files_of_a_listener_are_all_it_names(gateway: Gateway) -> None:
    listener = loaded(gateway).listeners["settlement"]
    assert [path.name for path in tls_files(listener)] == ["gateway.pem", "gateway.key", "ca.pem", "ca.crl"]


# ---- bases


def bundle(config: GatewayConfig, bases: dict[str, int]) -> Bundle:
    return Bundle(1, config, {}, Slots(), bases, {})


def with_listeners(gateway: Gateway, **listeners: dict[str, Any]) -> GatewayConfig:
    first = next(iter(gateway.config["listeners"].values()))
    gateway.config["listeners"] = {name: first | values for name, values in listeners.items()}
    return loaded(gateway)


def test_a_base_is_kept_while_its_settings_are(gateway: Gateway) -> None:
    before = with_listeners(gateway, one={}, two={})
    bases, used = choose_bases(before, None, 0, rotate=True)
    assert (bases, used) == ({"one": 0, "two": 1}, 2)
    after = with_listeners(gateway, two={"timeouts": {"idle": "9s"}}, one={"key": "pki/other.key"})
    assert choose_bases(after, bundle(before, bases), used, rotate=False) == ({"two": 1, "one": 0}, 2)


@pytest.mark.parametrize(
    "change",
    [{"minimum_tls": "1.3"}, {"refusal": "close"}, {"resumption": {"enabled": False}}],
    ids=["minimum", "refusal", "resumption"],
)
def test_other_settings_take_a_blank_one(gateway: Gateway, change: dict[str, Any]) -> None:
    before = with_listeners(gateway, one={}, two={})
    after = with_listeners(gateway, one=change, two={})
    found = choose_bases(after, bundle(before, {"one": 0, "two": 1}), 2, rotate=False)
    assert found == ({"one": 2, "two": 1}, 3)


def test_a_new_listener_and_a_rotation_take_blank_ones(gateway: Gateway) -> None:
    before = with_listeners(gateway, one={})
    after = with_listeners(gateway, one={}, two={})
    assert choose_bases(after, bundle(before, {"one": 0}), 1, rotate=False) == ({"one": 0, "two": 1}, 2)
    assert choose_bases(after, bundle(before, {"one": 0}), 1, rotate=True) == ({"one": 1, "two": 2}, 3)


def test_a_reading_travels(gateway: Gateway) -> None:
    found = gather(loaded(gateway), None, start=True)
    assert pickle.loads(pickle.dumps(found)) == found
    assert isinstance(found, Reading)


def secure(gateway: Gateway, **more: Any) -> dict[str, Any]:
    tls: dict[str, Any] = {
        "anchors": ["pki/ca.pem"],
        "crls": ["pki/ca.crl"],
        "certificate": "pki/hospital.pem",
        "key": "pki/hospital.key",
        "check_certificate": "pki/pharmacy.pem",
        "check_key": "pki/pharmacy.key",
    }
    tls |= more
    gateway.config["pools"]["settlement"] |= {"upstream_tls": tls, "checks": [{"tcp": {}}]}
    return tls


def test_what_tls_to_nodes_needs_is_read_watched_and_dated(gateway: Gateway) -> None:
    secure(gateway)
    world = gateway.world
    found = gather(loaded(gateway), None, start=True)
    names = {"hospital.pem", "hospital.key", "pharmacy.pem", "pharmacy.key"}
    assert {Path(name).name for name in found.files} == {"gateway.pem", "gateway.key", "ca.pem", "ca.crl", *names}
    assert set(found.stamps) == set(found.files)
    assert str(world.hospital) in found.dates["certificates"]
    assert {Path(name).name for name in found.for_checks} == {"ca.pem", "ca.crl", "pharmacy.pem", "pharmacy.key"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"key": "pki/gateway.key"}, "certificate or key cannot be used"),
        ({"check_key": "pki/gateway.key"}, "certificate or key cannot be used"),
        ({"anchors": ["pki/gateway.key"]}, "gateway.key"),
        ({"anchors": ["pki/gone.pem"]}, "gone.pem: No such file or directory"),
        ({"check_key": "pki/gone.key"}, "gone.key: No such file or directory"),
    ],
)
def test_what_no_worker_could_use_towards_nodes_names_its_pool(
    gateway: Gateway, change: dict[str, Any], told: str
) -> None:
    secure(gateway, **change)
    (problem,) = refused(gateway)
    assert problem.startswith("pools.settlement: ")
    assert told in problem


@pytest.mark.parametrize("bad", ["nonsense", "gone"])
def test_a_bad_list_for_nodes_stops_no_start_and_every_reload(gateway: Gateway, bad: str) -> None:
    secure(gateway, crls=["pki/nodes.crl"])
    path = gateway.world.folder / "nodes.crl"
    if bad == "nonsense":
        path.write_bytes(b"nonsense")
    (problem,) = refused(gateway)
    assert problem.startswith(f"pools.settlement: {path}: ")
    assert any(str(path) in warning for warning in gather(loaded(gateway), None, start=True).warnings)


def test_files_read_anew_know_what_checks_need(gateway: Gateway) -> None:
    """In what is in force for workers there are no checks any more."""
    secure(gateway)
    first = gather(loaded(gateway), None, start=True)
    again, _ = read_files(first)
    assert again.for_checks == first.for_checks != ()
