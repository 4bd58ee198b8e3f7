"""The bench can be believed: its load client reports what goes wrong and hides no stall, and one command measures."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.certificates import Certificates
from bench.load import Load, Report
from bench.programs import Programs, programs
from tests.support.gateway import World, eventually
from tests.support.markdown import ROOT

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None or not Path("/usr/include/openssl/ssl.h").exists(),
    reason="gcc and libssl-dev compile the load client",
)

SETTLED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Answer = Callable[["Server", int], bytes]
"""(the server, the how manieth request) -> octets; an answer that is not SETTLED ends the connection."""


class Server:
    """Stands in for a proxy: TLS with a client certificate demanded, one thread per connection."""

    def __init__(self, world: World, answer: Answer) -> None:
        self.answered = 0
        self._answer = answer
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(world.anchor))
        self._context.load_cert_chain(world.folder / "gateway.pem", world.folder / "gateway.key")
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as stream:
            while head := _request(stream):
                octets = self._answer(self, self.answered)
                stream.sendall(octets)
                self.answered += 1
                if octets != SETTLED or b"Connection: close" in head:
                    with contextlib.suppress(OSError):
                        stream.unwrap()
                    return


def _request(stream: ssl.SSLSocket) -> bytes:
    """Its head, once all of it has come; empty at the end."""
    octets = b""
    while b"\r\n\r\n" not in octets:
        if not (part := stream.recv(65536)):
            return b""
        octets += part
    head, _, body = octets.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
    while len(body) < length:
        body += stream.recv(65536)
    return head


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return programs(tmp_path_factory.mktemp("programs"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "pki")
    pairs = [world.issue(f"i{number}", uid=f"H{number}") for number in range(4)]
    (world.folder / "institutions.pem").write_bytes(
        b"".join(path.read_bytes() + path.with_suffix(".key").read_bytes() for path in pairs)
    )
    return world


@contextlib.contextmanager
def loaded(compiled: Programs, world: World, answer: Answer, *options: str) -> Iterator[tuple[Server, Load]]:
    server = Server(world, answer)
    everywhere = sorted(os.sched_getaffinity(0))
    try:
        with Load(
            compiled.load, Certificates(world.folder), server.port, everywhere, [*options, "--institutions", "4"]
        ) as load:
            load.ready()
            yield server, load
    finally:
        server.close()


def failures(load: Load) -> Report:
    return eventually(lambda: report if (report := load.mark()).failures else None)


def settle(_: Server, __: int) -> bytes:
    return SETTLED


def test_answers_are_counted_with_their_latencies(compiled: Programs, world: World) -> None:
    with loaded(compiled, world, settle, "--mode", "keep", "--connections", "2") as (server, load):
        eventually(lambda: server.answered > 50)
        report = load.stop()
        assert report.failures == 0
        assert server.answered == report.answers == report.latencies
        assert 0 < report.p50_us <= report.p99_us <= report.max_us


def test_an_answer_other_than_200_is_a_failure(compiled: Programs, world: World) -> None:
    def answer(_: Server, number: int) -> bytes:
        return SETTLED if number < 5 else b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"

    with loaded(compiled, world, answer, "--mode", "keep", "--connections", "1") as (_, load):
        assert failures(load).first_failures == ("awaiting the answer: HTTP/1.1 503 Service Unavailable",)


def test_an_answer_that_is_cut_short_is_a_failure(compiled: Programs, world: World) -> None:
    def answer(_: Server, number: int) -> bytes:
        return SETTLED if number < 5 else b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"

    with loaded(compiled, world, answer, "--mode", "keep", "--connections", "1") as (_, load):
        assert failures(load).first_failures == ("receiving the answer: closed by the proxy",)


def test_a_stall_counts_for_every_request_that_it_held_up(compiled: Programs, world: World) -> None:
    # One connection, a request every 10 ms, the first answer late by 0.6 s. A client that waited for it before it
    # asked again would report one slow request in sixty.
    def answer(_: Server, number: int) -> bytes:
        if number == 0:
            time.sleep(0.6)  # the stall itself
        return SETTLED

    with loaded(compiled, world, answer, "--mode", "keep", "--connections", "1", "--rate", "100") as (server, load):
        eventually(lambda: server.answered >= 60)
        report = load.mark()
        assert report.latencies >= 59
        assert report.p50_us > 200_000
        assert report.p99_us > 550_000


def test_tickets_are_used_again_and_again(compiled: Programs, world: World) -> None:
    options = ("--mode", "connect", "--connections", "2", "--resume")
    with loaded(compiled, world, settle, *options) as (_, load):
        eventually(lambda: load.mark().answers > 20)
        report = load.stop()
        assert report.failures == 0
        assert report.resumed == report.opened > 20


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the bench keeps proxy and load on different cores")
def test_one_command_measures_one_workload(tmp_path: Path) -> None:
    results = tmp_path / "results"
    done = bench(
        *("--only", "post64", "--proxies", "settlegate", "--quick"),
        *("--results", str(results), "--work", str(tmp_path / "work")),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads((results / "results.json").read_text(encoding="utf-8"))
    (sample,) = told["samples"]["post64"]["settlegate"]
    assert sample["value"] > 1
    assert sample["rate"] > 10
    assert "claim by POST, 64 connections" in (results / "table.md").read_text(encoding="utf-8")


def test_an_unknown_workload_is_wrong_use() -> None:
    done = bench("--only", "post65")
    assert done.returncode == 2
    assert "post65: not one of idle, full" in done.stderr
