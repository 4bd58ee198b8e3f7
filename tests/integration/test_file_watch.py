"""Certificates and revocation lists that change on disk are taken up without a word from anybody."""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Iterator

import pytest
from cryptography import x509

from tests.support.answers import ok
from tests.support.gateway import eventually
from tests.support.nodes import RecordingNode
from tests.support.operations import Operated

SUCCESS = "settlegate_config_reload_success"


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode(ok(b"settled"), store=False) as node:
        yield node


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Operated]:
    with Operated(tmp_path_factory.mktemp("watch"), nodes=[node.address], workers=2) as gateway:
        yield gateway.settled()


def shown_serial(gateway: Operated) -> int:
    with gateway.connect() as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        return x509.load_der_x509_certificate(client.sock.getpeercert(binary_form=True) or b"").serial_number


def test_a_new_revocation_list_is_in_force_within_seconds(gateway: Operated) -> None:
    world = gateway.world
    with gateway.connect(world.pharmacy) as client, gateway.connect() as hospital:
        assert client.get().status == 200
        # Another change of the configuration is under way and not meant to be taken up yet.
        good = gateway.path.read_text()
        gateway.path.write_text("half a conf")
        world.revoke(world.pharmacy)
        eventually(client.closed, within=15)
        assert hospital.get().status == 200
        gateway.path.write_text(good)
    for _ in range(6):
        with gateway.connect(world.pharmacy) as client:
            assert client.get().status == 403
    assert gateway.metric(SUCCESS) == 1


def test_a_new_certificate_is_shown_once_its_key_is_there_too(gateway: Operated) -> None:
    """Between the two files the pair does not match: that is said, and the old pair stays in force."""
    world = gateway.world
    old = shown_serial(gateway)
    new = world.authority.issue("gateway", usage="server", san=["127.0.0.1", "localhost"])
    (world.folder / "gateway.pem").write_bytes(new.pem)
    eventually(lambda: gateway.metric(SUCCESS) == 0, within=15)
    assert shown_serial(gateway) == old
    assert gateway.lines("reload: listeners.settlement: certificate or key cannot be used")
    (world.folder / "gateway.key").write_bytes(new.key_pem)
    eventually(lambda: shown_serial(gateway) == new.certificate.serial_number, within=15)
    eventually(lambda: gateway.metric(SUCCESS) == 1)


def test_a_list_that_vanishes_locks_nobody_out(gateway: Operated) -> None:
    world = gateway.world
    away = world.crl.with_suffix(".away")
    world.crl.rename(away)
    eventually(lambda: gateway.lines("pki/ca.crl: No such file"), within=15)
    for _ in range(4):
        with gateway.connect() as client:
            assert client.get().status == 200
    away.rename(world.crl)
    eventually(lambda: gateway.metric(SUCCESS) == 1, within=15)


def test_what_changes_while_control_is_gone_is_seen_when_it_is_back(gateway: Operated) -> None:
    world = gateway.world
    clinic = world.issue("clinic", uid="H410300001")
    with gateway.connect(clinic) as client:
        assert client.get().status == 200
        control = gateway.control()
        os.kill(control, signal.SIGKILL)
        world.revoke(clinic)
        eventually(client.closed, within=20)
