"""A reload takes up everything or nothing, and nobody who is connected notices."""

from __future__ import annotations

import copy
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from certs.authority import Authority
from tests.support.answers import ok
from tests.support.client import Client
from tests.support.gateway import HOSPITAL, PHARMACY, eventually
from tests.support.nodes import RecordingNode
from tests.support.operations import Held, Load, Operated, descriptors, private_memory, refused

ANSWERED = 'settlegate_requests_total{code="200",pool="settlement"}'
SUCCESS = "settlegate_config_reload_success"


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode(ok(b"settled")) as node:
        yield node


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Operated]:
    """Two workers; the tests of this file share it and leave it as it was."""
    checks = {"checks": [{"tcp": {}, "interval": "1s", "timeout": "500ms", "rise": 1}], "slow_start": 0}
    with Operated(tmp_path_factory.mktemp("reload"), nodes=[node.address], workers=2, pool=checks) as gateway:
        yield gateway.settled()


@pytest.fixture
def gateway(running: Operated, node: RecordingNode) -> Iterator[Operated]:
    before = copy.deepcopy(running.config)
    workers = running.worker_pids()
    node.answer = ok(b"settled")
    eventually(lambda: running.node(node.address)["state"] == "up")
    yield running
    running.config = before
    running.world.revoke()
    take_up(running)
    assert running.worker_pids() == workers, "a reload replaces nobody"


def take_up(gateway: Operated) -> dict[str, Any]:
    gateway.write()
    return gateway.reload()


def on_every_worker(gateway: Operated, stack: ExitStack, certificate: Path | None = None) -> list[Client]:
    """One connection to each."""
    found: dict[int, Client] = {}

    def attempt() -> bool:
        client = stack.enter_context(gateway.connect(certificate))
        found.setdefault(gateway.worker_of(client), client)
        return len(found) == len(gateway.worker_pids())

    eventually(attempt)
    return list(found.values())


# ---- how it is asked for


def test_a_changed_weight_is_in_force_and_nothing_else_has_changed(gateway: Operated, node: RecordingNode) -> None:
    with ExitStack() as stack:
        clients = on_every_worker(gateway, stack)
        assert [client.get().status for client in clients] == [200, 200]
        eventually(lambda: gateway.node(node.address)["state"] == "up")
        before, answered = gateway.node(node.address), gateway.metric(ANSWERED)
        gateway.config["pools"]["settlement"]["nodes"] = [{"address": node.address, "weight": 3}]
        gateway.write()
        gateway.hangup()
        after_it = eventually(lambda: (view := gateway.node(node.address))["configured_weight"] == 3 and view)
        assert (after_it["state"], after_it["since"]) == ("up", before["since"])
        assert gateway.metric(ANSWERED) == answered
        assert [client.get().status for client in clients] == [200, 200]
        assert gateway.metric(ANSWERED) == answered + 2


def test_the_admin_api_tells_the_generation(gateway: Operated) -> None:
    first, second = gateway.reload(), gateway.reload()
    assert first["ok"]
    assert second["generation"] == first["generation"] + 1


def test_the_command_ends_with_0(gateway: Operated) -> None:
    done = gateway.command("reload")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_needs_a_restart_is_said_and_kept(gateway: Operated) -> None:
    gateway.config["workers"] = 3
    gateway.config["admin"] = {"bind": "127.0.0.1:9"}
    assert take_up(gateway)["notices"] == [
        "workers: takes effect at the next start",
        "admin: takes effect at the next start",
    ]
    assert len(gateway.worker_pids()) == 2


# ---- what can change


def test_an_added_node_is_used_and_a_removed_one_finishes_what_it_has(gateway: Operated, node: RecordingNode) -> None:
    with RecordingNode(ok(b"new")) as new, ExitStack() as stack:
        busy, *others = on_every_worker(gateway, stack)
        assert all(client.get().body == b"settled" for client in (busy, *others))
        node.answer = held = Held()
        seen = len(node.requests)
        busy.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        node.wait_for(seen + 1)
        gateway.config["pools"]["settlement"]["nodes"] = [{"address": new.address}]
        take_up(gateway)
        eventually(lambda: gateway.node(new.address)["state"] == "up")
        assert [client.get().body for client in others] == [b"new"]
        node.wait_until(lambda node: node.open_connections <= 2)  # the busy link, and perhaps a probe
        held.release.set()
        assert busy.response().body == b"slow but whole"
        assert busy.get().body == b"new"
        node.wait_until(lambda node: node.open_connections == 0)
        assert node.address not in gateway.get("/api/v1/pools")["settlement"]["nodes"]
        assert gateway.metric(f'settlegate_node_exchanges_total{{node="{new.address}",pool="settlement"}}') == 2


def test_an_added_listener_serves_in_every_worker_and_a_removed_one_refuses(gateway: Operated) -> None:
    settlement = gateway.config["listeners"]["settlement"]
    gateway.config["listeners"]["second"] = settlement | {"refusal": "close"}
    take_up(gateway)
    port = gateway.opened_port("second")
    gateway._ports["settlement"], first = port, gateway.port()
    try:
        with ExitStack() as stack:
            clients = on_every_worker(gateway, stack)
            assert all(client.get().status == 200 for client in clients)
            half = stack.enter_context(gateway.plain())  # in its handshake
            del gateway.config["listeners"]["second"]
            take_up(gateway)
            assert refused(port)
            assert half.recv(1) == b""
            asking, idle = clients  # each has a moment, and no more however much it asks
            eventually(lambda: asking.get().value("connection") == "close")
            assert asking.closed()
            assert idle.closed()
    finally:
        gateway._ports["settlement"] = first
    with gateway.connect() as client:
        assert client.get().status == 200


def test_another_address_alone_is_taken_up_and_connections_of_the_old_one_live_on(gateway: Operated) -> None:
    settlement = gateway.config["listeners"]["settlement"]
    first = gateway.port()
    with gateway.connect() as client, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        settlement["bind"] = [f"127.0.0.1:{port}"]
        take_up(gateway)
        assert refused(first)
        assert client.get().status == 200
        gateway._ports["settlement"] = port
        with ExitStack() as stack:
            assert all(client.get().status == 200 for client in on_every_worker(gateway, stack))
        settlement["bind"] = "127.0.0.1:0"
        take_up(gateway)
        gateway._ports["settlement"] = gateway.opened_port("settlement")
        assert refused(port)
        assert client.get().status == 200


def test_an_address_can_go_from_one_listener_to_another(gateway: Operated, node: RecordingNode) -> None:
    listeners = gateway.config["listeners"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listeners["one"] = listeners["settlement"] | {"bind": f"127.0.0.1:{port}"}
    take_up(gateway)
    listeners["two"] = listeners.pop("one")
    take_up(gateway)
    gateway._ports["two"], first = port, gateway.port()
    gateway._ports["settlement"] = port
    try:
        with ExitStack() as stack:
            assert all(client.get().status == 200 for client in on_every_worker(gateway, stack))
    finally:
        gateway._ports["settlement"] = first
    assert eventually(lambda: gateway.access(listener="two", status=200))


def test_another_minimum_of_tls_holds_for_new_connections(gateway: Operated) -> None:
    old = gateway.context(gateway.world.hospital, version=ssl.TLSVersion.TLSv1_2)
    with gateway.connect(context=old) as client:
        gateway.config["listeners"]["settlement"]["minimum_tls"] = "1.3"
        take_up(gateway)
        for _ in range(8):
            with pytest.raises(ssl.SSLError):
                gateway.connect(context=old)
            with gateway.connect() as new:
                assert new.get().status == 200
        assert client.get().status == 200


def test_a_removed_institution_is_out_and_an_added_one_is_in(gateway: Operated) -> None:
    world = gateway.world
    clinic = world.issue("clinic", uid="C410300099")
    with ExitStack() as stack:
        hospital, *_ = on_every_worker(gateway, stack)
        pharmacies = on_every_worker(gateway, stack, world.pharmacy)
        assert all(client.get().status == 200 for client in pharmacies)
        gateway.config["institutions"] = {HOSPITAL: {}, "C410300099": {"name": "社区诊所"}}
        take_up(gateway)
        for client in pharmacies:
            eventually(client.closed)
        assert hospital.get().status == 200
        for _ in range(6):
            with gateway.connect(world.pharmacy) as client:
                assert client.get().status == 403
            with gateway.connect(clinic) as client:
                assert client.get().status == 200
    eventually(lambda: gateway.access(event="refused", reason="institution_unknown"))


def test_another_certificate_of_the_gateway_is_shown_to_new_clients(gateway: Operated) -> None:
    world = gateway.world
    old = (world.folder / "gateway.pem").read_bytes(), (world.folder / "gateway.key").read_bytes()
    new = world.authority.issue("gateway", usage="server", san=["127.0.0.1", "localhost"])
    try:
        with gateway.connect() as client:
            new.save(world.folder / "gateway.pem", world.folder / "gateway.key")
            gateway.reload()
            for _ in range(8):
                with gateway.connect() as other:
                    assert isinstance(other.sock, ssl.SSLSocket)
                    shown = x509.load_der_x509_certificate(other.sock.getpeercert(binary_form=True) or b"")
                    assert shown.serial_number == new.certificate.serial_number
            assert client.get().status == 200
    finally:
        (world.folder / "gateway.pem").write_bytes(old[0])
        (world.folder / "gateway.key").write_bytes(old[1])


def test_a_revoked_certificate_is_out_wherever_it_is_connected(gateway: Operated) -> None:
    world = gateway.world
    with ExitStack() as stack:
        pharmacies = on_every_worker(gateway, stack, world.pharmacy)
        (hospital, *_) = on_every_worker(gateway, stack)
        assert all(client.get().status == 200 for client in pharmacies)
        world.revoke(world.pharmacy)
        gateway.reload()
        for client in pharmacies:
            eventually(client.closed)
        assert hospital.get().status == 200
        for _ in range(6):
            with gateway.connect(world.pharmacy) as client:
                assert client.get().status == 403
    eventually(lambda: gateway.access(event="refused", reason="certificate_revoked"))


def test_another_anchor_lets_its_institutions_in_until_it_is_removed(gateway: Operated) -> None:
    world = gateway.world
    other = Authority.create("Another CA")
    (world.folder / "other.pem").write_bytes(other.pem)
    stranger = world.save("stranger", other.issue("hospital", uid=HOSPITAL))
    trust = gateway.config["listeners"]["settlement"]["trust"]
    with ExitStack() as stack:
        assert stack.enter_context(gateway.connect(stranger)).get().status == 403
        # No list is asked for here: the new authority has none.
        gateway.config["listeners"]["settlement"]["trust"] = trust | {
            "anchors": ["pki/ca.pem", "pki/other.pem"],
            "crls": [],
        }
        take_up(gateway)
        clients = on_every_worker(gateway, stack, stranger)
        assert all(client.get().status == 200 for client in clients)
        gateway.config["listeners"]["settlement"]["trust"] = trust
        take_up(gateway)
        for client in clients:
            eventually(client.closed)
        assert stack.enter_context(gateway.connect(stranger)).get().status == 403


def test_another_access_log_is_written_from_now_on(gateway: Operated) -> None:
    other = gateway.folder / "other.log"
    gateway.config["log"] = {"access": str(other)}
    take_up(gateway)
    with ExitStack() as stack:
        clients = on_every_worker(gateway, stack)
        assert all(client.get("/elsewhere").status == 200 for client in clients)
    eventually(lambda: other.exists() and other.read_text().count("/elsewhere") == 2)


def test_a_new_holder_of_a_slot_does_not_inherit_its_counts(gateway: Operated, node: RecordingNode) -> None:
    nodes = gateway.config["pools"]["settlement"]["nodes"]
    with gateway.connect() as client:
        for _ in range(3):
            with RecordingNode(ok(b"new")) as new:
                gateway.config["pools"]["settlement"]["nodes"] = [{"address": new.address}]
                take_up(gateway)
                series = f'settlegate_node_exchanges_total{{node="{new.address}",pool="settlement"}}'
                assert gateway.metric(series) == 0
                eventually(lambda new=new: gateway.node(new.address)["state"] == "up")  # type: ignore[misc]
                assert client.get().body == b"new"
                eventually(lambda series=series: gateway.metric(series) == 1)  # type: ignore[misc]
    gateway.config["pools"]["settlement"]["nodes"] = nodes


# ---- what is refused


def broken_yaml(gateway: Operated) -> str:
    gateway.path.write_text("listeners: {settlement: [")
    return "gateway.yaml:2:1: not YAML"


def no_key(gateway: Operated) -> str:
    gateway.config["listeners"]["settlement"]["key"] = "pki/gone.key"
    gateway.write()
    return "pki/gone.key: No such file"


def another_key(gateway: Operated) -> str:
    gateway.config["listeners"]["settlement"]["key"] = "pki/hospital.key"
    gateway.write()
    return "listeners.settlement: certificate or key cannot be used"


def port_taken(gateway: Operated) -> str:
    gateway.config["listeners"]["second"] = gateway.config["listeners"]["settlement"] | {"bind": gateway.admin}
    gateway.config["admin"] = {"bind": "127.0.0.1:0"}
    gateway.write()
    return f"{gateway.admin}: Address already in use"


def no_list(gateway: Operated) -> str:
    gateway.world.crl.rename(gateway.world.crl.with_suffix(".away"))
    return "pki/ca.crl: No such file"


def no_list_in_it(gateway: Operated) -> str:
    data = gateway.world.crl.read_bytes()
    gateway.world.crl.write_bytes(data[: len(data) // 2])
    return "pki/ca.crl: no revocation list can be read from it"


def no_anchor(gateway: Operated) -> str:
    gateway.config["listeners"]["settlement"]["trust"]["anchors"] = ["pki/gateway.key"]
    gateway.write()
    return "pki/gateway.key"


def unknown_name(gateway: Operated) -> str:
    gateway.config["pools"]["settlement"]["nodes"] = [{"address": "no-such-host.invalid:80"}]
    gateway.write()
    return "pools.settlement.nodes: no-such-host.invalid:80"


@pytest.mark.parametrize(
    "spoil", [broken_yaml, no_key, another_key, port_taken, no_list, no_list_in_it, no_anchor, unknown_name]
)
def test_a_refused_configuration_changes_nothing_and_says_why(gateway: Operated, spoil: Any) -> None:
    good = copy.deepcopy(gateway.config)
    generation = gateway.reload()["generation"]
    with ExitStack() as stack:
        clients = on_every_worker(gateway, stack)
        told = spoil(gateway)
        answer = gateway.reload(expect=False)
        assert (answer["status"], answer["reason"]) == (422, "configuration_refused")
        assert answer["generation"] == generation
        assert any(told in problem for problem in answer["problems"]), answer["problems"]
        assert gateway.metric(SUCCESS) == 0
        assert gateway.lines(told)
        assert gateway.lines(f"reload refused; generation {generation} stays in force")
        done = gateway.command("reload", str(gateway.path)) if spoil is no_key else gateway.command("reload")
        assert done.returncode == 1
        assert told in done.stdout + done.stderr
        assert all(client.get().status == 200 for client in (*clients, stack.enter_context(gateway.connect())))
    gateway.config = good
    gateway.world.revoke()
    assert take_up(gateway)["generation"] == generation + 1
    assert gateway.metric(SUCCESS) == 1


def test_very_many_problems_do_not_choke_the_way_back(gateway: Operated) -> None:
    good = gateway.path.read_text()
    lines = "\n".join(f"医院{number}号: {{名称: 没有这个键的很长的名字{'长' * 100}}}" for number in range(1000))
    gateway.path.write_text(good + lines)
    assert len(gateway.reload(expect=False)["problems"]) == 200


# ---- under way


def test_a_storm_of_reloads_loses_nothing_and_leaks_nothing(tmp_path: Path, node: RecordingNode) -> None:
    node.answer = ok(b"settled")
    gateway = Operated(tmp_path, nodes=[node.address], workers=2)
    gateway.config["institutions"] |= {f"H{number:09}": {"name": "某医院"} for number in range(300)}

    def storm(count: int) -> None:
        for turn in range(count):
            gateway.config["pools"]["settlement"]["nodes"] = [{"address": node.address, "weight": 1 + turn % 3}]
            take_up(gateway)

    with gateway, Load(gateway.settled(), clients=3) as steady:
        with Load(gateway, clients=1, fresh=True) as fresh:
            storm(25)
        steady.more()
        names = gateway.processes()
        kinds = {name: descriptors(pid) for name, pid in names.items()}
        memory = {name: private_memory(pid) for name, pid in names.items()}
        storm(25)
        steady.more()
        assert steady.failures == fresh.failures == []
        assert gateway.processes() == names
        for name, pid in names.items():
            # One connection to a node more or less may be open at the moment: those are sockets.
            more = descriptors(pid) - kinds[name]
            assert set(more) <= {"socket:"}, name
            assert more["socket:"] <= 3, name
            assert private_memory(pid) - memory[name] < 4 << 20, name


def test_reloads_asked_for_together_all_end(gateway: Operated) -> None:
    before = gateway.reload()["generation"]
    for _ in range(3):
        os.kill(gateway.pid, signal.SIGHUP)
    assert gateway.reload()["generation"] > before
    assert gateway.metric(SUCCESS) == 1


def test_the_pharmacy_is_known_again(gateway: Operated) -> None:
    """What the tests before have taken away is back: they leave the gateway as it was."""
    with gateway.connect(gateway.world.pharmacy) as client:
        assert client.get().status == 200
    assert PHARMACY in gateway.config["institutions"]
