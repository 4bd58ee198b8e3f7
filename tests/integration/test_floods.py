"""Clients that send much and mean nothing by it: key updates, fragments, monstrous hellos, requests never read.
Whatever it is, it ends, and everybody else is served while it lasts."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.support.answers import big
from tests.support.client import Client
from tests.support.gateway import Gateway, eventually
from tests.support.key_updates import LIBRARY, Updating
from tests.support.nodes import RecordingNode
from tests.support.operations import Load

ROOT = Path(__file__).parents[2]
SLOWHTTPTEST = shutil.which("slowhttptest")


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode(store=False) as node:
        yield node


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Gateway]:
    node.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsettled"
    listener = {"limits": {"minimum_rate": "500B/s"}, "timeouts": {"handshake": "5s"}}
    with Gateway(tmp_path_factory.mktemp("floods"), nodes=[node.address], listener=listener) as gateway:
        yield gateway


def limited(gateway: Gateway) -> float:
    return gateway.metric('settlegate_refusals_total{listener="settlement",reason="limit_exceeded"}')


def hello() -> bytes:
    """A ClientHello without its record header."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()[5:]


def record(fragment: bytes) -> bytes:
    return b"\x16\x03\x01" + len(fragment).to_bytes(2, "big") + fragment


def answers(sock: socket.socket) -> bytes:
    """The first octets that come back, b"" if the connection was ended instead."""
    try:
        return sock.recv(5)
    except ConnectionResetError:
        return b""


@pytest.mark.skipif(LIBRARY is None, reason="no OpenSSL library on this machine")
@pytest.mark.parametrize("asked", [0, 1])
@pytest.mark.parametrize("admitted", [True, False])
def test_key_updates_without_end_are_cut_off(gateway: Gateway, admitted: bool, asked: int) -> None:
    certificate = str(gateway.world.hospital) if admitted else "-"
    arguments = [sys.executable, "-m", "tests.support.key_updates", str(gateway.port()), certificate, str(asked)]
    before = limited(gateway)
    with Load(gateway, clients=1) as load:
        done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
        load.more(5)
    assert done.stdout.strip() != "None", "it sent as long as it wanted"
    assert not load.failures
    assert limited(gateway) == before + 1
    assert load.slowest < 1


@pytest.mark.skipif(LIBRARY is None, reason="no OpenSSL library on this machine")
def test_a_key_update_that_cannot_be_answered_yet_waits_and_costs_nothing(
    gateway: Gateway, node: RecordingNode
) -> None:
    """Its answer has no room in the socket of a client that is slow to read; what it sends then is read later."""
    size, before = 8 << 20, node.answer
    node.answer = big(size)
    worker = psutil.Process(gateway.workers()[0])
    try:
        with Updating(gateway.port(), str(gateway.world.hospital), window=65_536) as client:
            client.send(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            eventually(lambda: not links_read(gateway, node))
            assert client.update(1)
            client.send(b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
            spent = sum(worker.cpu_times()[:2])
            time.sleep(1)
            assert sum(worker.cpu_times()[:2]) - spent < 0.2
            node.answer = before
            got = bytearray()
            while not got.endswith(b"settled"):
                piece = client.recv(65_536)
                assert piece, f"cut after {len(got)} octets"
                got += piece
            assert len(got) > size
    finally:
        node.answer = before


@pytest.mark.skipif(LIBRARY is None, reason="no OpenSSL library on this machine")
def test_a_reset_that_comes_together_with_a_key_update_is_noticed(gateway: Gateway) -> None:
    """Both in one turn of the loop, of which only the update is read: nothing would announce the reset again."""
    (worker,) = gateway.workers()
    connections = 'settlegate_connections{listener="settlement"}'
    eventually(lambda: gateway.metric(connections) == 0)
    with Updating(gateway.port(), str(gateway.world.hospital)) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1000).endswith(b"settled")
        os.kill(worker, signal.SIGSTOP)
        try:
            assert client.update(0)
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sock.close()
        finally:
            os.kill(worker, signal.SIGCONT)
    eventually(lambda: gateway.metric(connections) == 0, within=3)


def links_read(gateway: Gateway, node: RecordingNode) -> bool:
    """Whether the gateway has taken anything of the answers since this was last asked."""
    (worker,) = gateway.workers()
    before = psutil.Process(worker).io_counters().read_chars
    time.sleep(0.2)
    return psutil.Process(worker).io_counters().read_chars - before > 65_536


def test_a_hello_in_fragments_of_an_octet_is_a_hello(gateway: Gateway) -> None:
    with gateway.plain() as raw:
        raw.sendall(b"".join(record(bytes([octet])) for octet in hello()))
        assert answers(raw)[:1] == b"\x16", "a handshake record: ServerHello"


def drip(sock: socket.socket, octets: int) -> bool:
    """Packets of one octet; whether the other side had enough of it."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for _ in range(octets):
            sock.sendall(b"\x00")
            time.sleep(0.0005)  # so that each is a packet, and a wake-up, of its own
    except OSError:
        return True
    return False


def test_records_cut_into_packets_of_an_octet_come_to_an_end(gateway: Gateway) -> None:
    """Sixteen thousand wake-ups for one record that is not even worth it."""
    before = limited(gateway)
    with gateway.plain() as raw, Load(gateway, clients=1) as load:
        raw.sendall(b"\x16\x03\x01\x40\x00\x01\x00\xff\xff\x03\x03")
        assert drip(raw, 6000)
        load.more(5)
    assert limited(gateway) == before + 1
    assert not load.failures


@pytest.mark.parametrize("length", [0x20200, 0xFFFFFF])
def test_a_monstrous_hello_is_not_waited_for(gateway: Gateway, length: int) -> None:
    with gateway.plain() as raw:
        raw.sendall(record(b"\x01" + length.to_bytes(3, "big") + b"\x03\x03" + bytes(16_000)))
        started = time.monotonic()
        assert answers(raw)[:1] in (b"\x15", b""), "an alert, or the end"
        assert time.monotonic() - started < 3


def push(client: Client, requests: int) -> int:
    """Send and never read, until nothing more is taken; how many requests that were."""
    sent = 0
    with suppress(TimeoutError):
        while sent < requests:
            client.send(b"GET /greedy HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
            sent += 100
    return sent


def test_requests_without_end_that_nobody_reads_the_answers_of(gateway: Gateway, node: RecordingNode) -> None:
    with Load(gateway, clients=2) as load, gateway.connect() as greedy:
        greedy.sock.settimeout(1)
        assert push(greedy, 100_000) < 100_000, "it was stopped"
        load.more(20)
        assert not load.failures
        worker = gateway.workers()[0]
        assert int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * 4096 < 400 << 20
    eventually(lambda: gateway.metric('settlegate_connections{listener="settlement"}') == 0)


def test_connections_that_nobody_speaks_on(gateway: Gateway) -> None:
    with Load(gateway, clients=2) as load:
        strangers = [socket.create_connection(("127.0.0.1", gateway.port())) for _ in range(500)]
        load.more(50)
        for sock in strangers:
            sock.close()
    assert not load.failures
    assert load.slowest < 1


MODES = {
    "slow head": ["-H", "-i", "1"],
    "slow body": ["-B", "-i", "1", "-s", "8192"],
    "ranges": ["-R", "-a", "5", "-b", "3000"],
    "slow read": ["-X", "-w", "1", "-y", "512", "-n", "1", "-z", "5", "-k", "3"],
}


@pytest.mark.skipif(SLOWHTTPTEST is None, reason="slowhttptest is not installed")
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_slowhttptest_bothers_nobody(gateway: Gateway, mode: list[str], tmp_path: Path) -> None:
    """The real tool with some hundred connections; bench/slow_clients.py does it with thousands, and measures."""
    url = f"https://127.0.0.1:{gateway.port()}/claims/"
    attack = [str(SLOWHTTPTEST), *mode, "-c", "200", "-r", "200", "-l", "20", "-u", url, "-v", "0"]
    reason = 'settlegate_refusals_total{listener="settlement",reason="certificate_missing"}'
    before = gateway.metric(reason)
    with Load(gateway, clients=4) as load:
        enemy = subprocess.Popen(attack, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            eventually(lambda: gateway.metric(reason) >= before + 150)
            load.more(200)
        finally:
            enemy.send_signal(signal.SIGINT)
            enemy.kill()
            enemy.wait()
    assert not load.failures
    assert load.slowest < 2
