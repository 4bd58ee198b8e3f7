"""Each process has what it needs and nothing else: no key in `control`, no SNMP secret in a worker, no dumps."""

from __future__ import annotations

import os
import re
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.answers import ok
from tests.support.gateway import eventually
from tests.support.node_tls import NodePki, serving
from tests.support.nodes import RecordingNode
from tests.support.operations import Operated, descriptors

SECRET = "Zauberwort-der-Kommunity-4711"
DUMPABLE = """
import ctypes
def told(name, before):
    def tells(self, *arguments):
        print(name, "dumpable", ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)
        return before(self, *arguments)
    return tells
worker.Worker.start = told("worker", worker.Worker.start)
supervisor.Supervisor._await_first_look = told("supervisor", supervisor.Supervisor._await_first_look)
"""

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root may look into processes that refuse it")


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode(ok(b"settled"), store=False) as node:
        yield node


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Operated]:
    nodes = [{"address": node.address, "snmp": "127.0.0.1:9"}]
    snmp = {"snmp": {"version": "2c", "community": SECRET, "metrics": {"cpu": {"comfort": "50%", "limit": "90%"}}}}
    gateway = Operated(tmp_path_factory.mktemp("who"), nodes=nodes, workers=2, pool={"checks": [snmp]})
    gateway.patch = DUMPABLE
    with gateway:
        gateway.reload()
        yield gateway.settled()


def memory_of(pid: int) -> bytes:
    pieces = []
    with Path(f"/proc/{pid}/mem").open("rb") as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            where, rights, *rest = line.split()
            if "r" not in rights or "[v" in line or (rest and rest[-1].startswith("/dev/")):
                continue
            start, end = (int(part, 16) for part in where.split("-"))
            try:
                memory.seek(start)
                pieces.append(memory.read(end - start))
            except OSError:
                continue
    return b"\n".join(pieces)


def key_material(gateway: Operated) -> bytes:
    """A line from the middle of the private key's PEM text."""
    return (gateway.world.folder / "gateway.key").read_bytes().splitlines()[2]


def test_secrets_of_probes_are_in_control_and_nowhere_else(gateway: Operated) -> None:
    who = {name for name, pid in gateway.processes().items() if SECRET.encode() in memory_of(pid)}
    assert who == {"sg control"}


def test_the_private_key_is_not_in_control(gateway: Operated) -> None:
    who = {name for name, pid in gateway.processes().items() if key_material(gateway) in memory_of(pid)}
    assert who == {"sg supervisor", "sg worker 0", "sg worker 1"}


@pytest.mark.parametrize("own", [True, False], ids=["a certificate of its own", "the pool's"])
def test_control_has_the_key_that_checks_show_to_nodes_and_no_other(tmp_path: Path, own: bool) -> None:
    pki = NodePki(tmp_path / "nodes")
    keys = {"gateway": pki.gateway.with_suffix(".key"), "check": pki.check.with_suffix(".key")}
    tls = {"anchors": [str(pki.anchor)], "certificate": str(pki.gateway), "key": str(keys["gateway"])}
    if own:
        tls |= {"check_certificate": str(pki.check), "check_key": str(keys["check"])}
    check = {"tcp": {}, "interval": "300ms", "timeout": "250ms", "rise": 1}
    with RecordingNode(ok(b"settled"), tls=serving(pki.good, clients=pki.clients_anchor)) as secure:
        gateway = Operated(tmp_path, nodes=[secure.address], pool={"checks": [check], "upstream_tls": tls})
        with gateway:
            gateway.reload()
            eventually(lambda: gateway.node(secure.address)["state"] == "up")
            memory = memory_of(gateway.control())
    held = {name for name, path in keys.items() if path.read_bytes().splitlines()[2] in memory}
    # It had the right one: the node would not have been up without. Its text may have been overwritten since.
    assert held <= ({"check"} if own else {"gateway"})
    assert key_material(gateway) not in memory


def test_nobody_dumps_core_and_nobody_of_the_same_user_may_look_in(gateway: Operated) -> None:
    for pid in gateway.processes().values():
        assert psutil.Process(pid).rlimit(resource.RLIMIT_CORE) == (0, 0)
    said = re.findall(r"(supervisor|worker) dumpable (\d)", gateway.log())
    assert sorted(set(said)) == [("supervisor", "0"), ("worker", "0")]
    assert "dumpable 0" in _dumpable_after_hardening()


def _dumpable_after_hardening() -> str:
    """`control` is another program and cannot be asked: at least what it calls does what it says."""
    import subprocess
    import sys

    code = (
        "import ctypes; from gateway.hardening import no_memory_dumps; no_memory_dumps();"
        "print('dumpable', ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def _inodes(pid: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(str(entry.readlink()))
        except OSError:
            continue
    return {name for name in found if name.startswith(("socket:", "pipe:")) or "memfd" in name}


def _listening(port: int) -> set[str]:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}


def test_sockets_are_held_by_those_who_serve_them(gateway: Operated) -> None:
    names = gateway.processes()
    clients, admin = _listening(gateway.port()), _listening(int(gateway.admin.rpartition(":")[2]))
    assert (len(clients), len(admin)) == (2, 1)
    for name in ("sg worker 0", "sg worker 1"):
        assert clients <= _inodes(names[name])
        assert not admin & _inodes(names[name])
    assert admin <= _inodes(names["sg control"])
    assert not clients & _inodes(names["sg control"])


def test_nobody_holds_anothers_channel(gateway: Operated) -> None:
    """Whoever holds another's end could speak in its name. What several may hold are the sockets for clients."""
    shared = _listening(gateway.port()) | _listening(int(gateway.admin.rpartition(":")[2]))
    holders: dict[str, list[str]] = {}
    for name, pid in gateway.processes().items():
        for inode in _inodes(pid):
            if inode.startswith("socket:") and inode not in shared:
                holders.setdefault(inode, []).append(name)
    assert len(holders) >= 6, "two ends of three channels"
    assert {inode: names for inode, names in holders.items() if len(names) > 1} == {}


def test_a_worker_that_came_later_holds_what_the_first_one_held(gateway: Operated) -> None:
    before = {name: descriptors(pid) for name, pid in gateway.processes().items()}
    victim = gateway.worker_pids()[0]
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: gateway.worker_pids().get(0) not in (None, victim))
    gateway.settled()

    def the_same() -> bool:
        return {name: descriptors(pid) for name, pid in gateway.processes().items()} == before

    eventually(the_same)
