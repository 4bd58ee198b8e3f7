"""A header is taken off the socket to the octet, whatever comes with it, and nothing stays behind."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvloop

from gateway import proxied as module
from gateway.admission import Refusal
from gateway.proxied import INVALID, Proxied, listed
from gateway.proxy_protocol import Ends, build, build_local
from gateway.session import Phase

ENDS = Ends(("192.0.2.7", 55_555), ("198.51.100.1", 443))


class FakeSession:
    """Reads what the client sent, as TLS would."""

    def __init__(self, worker: Any, listener: Any, sock: socket.socket, client: str) -> None:
        self.worker, self.listener, self.sock, self.client = worker, listener, sock, client
        self.ends: Ends | None = None
        self.born = self.deadline = 0.0


class Bench:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.listener = SimpleNamespace(name="settlement", slot=0, handshake_timeout=10.0)
        self.snapshot = SimpleNamespace(listeners={"settlement": self.listener})
        self.count = self.door = self
        self.crowds: dict[str, str] = {}
        """By client: what its address has too many of."""
        self.over_limits: list[tuple[str, str]] = []
        self.refusals: list[Refusal] = []
        self.closed: list[object] = []
        self.became: list[FakeSession] = []
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.proxied = Proxied(cast("Any", self), cast("Any", self.listener), self.ours, "10.0.0.9")
        self.proxied.begin()

    # the parts of the worker, its door and its counters

    def crowded(self, _listener: object, client: str) -> str:
        return self.crowds.get(client, "")

    def over_limit(self, _listener: object, client: str, why: str, _now: float) -> None:
        self.over_limits.append((client, why))

    def refusal(self, who: object, refusal: Refusal) -> None:
        assert who is self.proxied
        self.refusals.append(refusal)

    def session_closed(self, who: object) -> None:
        self.closed.append(who)

    def replace_session(self, before: object, session: Any) -> None:
        assert before is self.proxied
        self.became.append(session)

    async def until(self, true: Callable[[], object]) -> None:
        while not true():
            await asyncio.sleep(0.001)

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


def play(story: Callable[[Bench], Coroutine[Any, Any, None]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Session", FakeSession)

    async def run() -> None:
        bench = Bench()
        try:
            await asyncio.wait_for(story(bench), 10)
        finally:
            bench.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


@pytest.mark.parametrize("header", [build(ENDS), build_local(), b"PROXY TCP4 192.0.2.7 198.51.100.1 55555 443\r\n"])
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_exactly_the_header_is_taken(monkeypatch: pytest.MonkeyPatch, header: bytes, piece: int) -> None:
    wire = header + b"\x16\x03\x01 the client's own"

    async def story(bench: Bench) -> None:
        for at in range(0, len(wire), piece):
            bench.theirs.sendall(wire[at : at + piece])
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await bench.until(lambda: bench.became)
        (session,) = bench.became
        local = header == build_local()
        assert (session.client, session.ends) == (("10.0.0.9", None) if local else ("192.0.2.7", ENDS))
        assert (session.born, session.deadline) == (bench.proxied.born, bench.proxied.deadline)
        assert session.deadline == session.born + 10.0
        assert session.sock.recv(100) == b"\x16\x03\x01 the client's own"
        assert not bench.loop.remove_reader(session.sock.fileno()), "it is the session's to read now"
        assert not bench.refusals
        assert not bench.closed

    play(story, monkeypatch)


def test_half_a_header_lets_the_loop_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(bench: Bench) -> None:
        looks = 0
        look = Proxied._look

        def counted(self: Proxied) -> None:
            nonlocal looks
            looks += 1
            look(self)

        monkeypatch.setattr(Proxied, "_look", counted)
        bench.theirs.sendall(b"PROXY TCP4 192")
        await bench.until(lambda: "14 octets" in repr(bench.proxied))
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert looks == 1

    play(story, monkeypatch)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"GET /", "does not begin"),
        (b"PROXY TCP4 x\r\n", "are wanted"),
        (b"", "ended before"),
        (b"PROXY TCP", "ended before"),
    ],
)
def test_what_is_no_header_ends_the_connection(monkeypatch: pytest.MonkeyPatch, sent: bytes, why: str) -> None:
    async def story(bench: Bench) -> None:
        bench.theirs.sendall(sent)
        if why.startswith("ended"):
            bench.theirs.shutdown(socket.SHUT_WR)
        await bench.until(lambda: bench.closed)
        (refusal,) = bench.refusals
        assert refusal.reason == INVALID
        assert why in refusal.detail
        assert bench.closed == [bench.proxied]
        assert bench.ours.fileno() == -1
        bench.proxied.abort()
        assert bench.closed == [bench.proxied], "once"

    play(story, monkeypatch)


def test_a_reset_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(bench: Bench) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = socket.create_connection(server.getsockname())
            sock, _ = server.accept()
            sock.setblocking(False)
            bench.proxied = Proxied(cast("Any", bench), cast("Any", bench.listener), sock, "10.0.0.9")
            bench.proxied.begin()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
            await bench.until(lambda: bench.closed)
        assert not bench.refusals

    play(story, monkeypatch)


def test_limits_by_address_are_those_of_the_announced_client(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(bench: Bench) -> None:
        bench.crowds = {"192.0.2.7": "connections of the address"}
        bench.theirs.sendall(build(ENDS))
        await bench.until(lambda: bench.closed)
        assert bench.over_limits == [("192.0.2.7", "connections of the address")]
        assert not bench.became
        assert not bench.refusals

    play(story, monkeypatch)


def test_a_listener_that_is_gone_by_then_takes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(bench: Bench) -> None:
        bench.snapshot.listeners.clear()
        bench.theirs.sendall(build(ENDS))
        await bench.until(lambda: bench.closed)
        assert not bench.became
        assert not bench.refusals

    play(story, monkeypatch)


def test_a_session_that_cannot_begin_ends_this_connection_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(bench: Bench) -> None:
        def broken(*_: object) -> None:
            raise RuntimeError("no memory")

        monkeypatch.setattr(module, "Session", broken)
        bench.theirs.sendall(build(ENDS))
        await bench.until(lambda: bench.closed)
        assert "could not be taken" in caplog.text

    play(story, monkeypatch)


def test_to_the_worker_it_is_a_session_in_its_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(bench: Bench) -> None:
        waiting = bench.proxied
        assert waiting.phase is Phase.HANDSHAKE
        waiting.drain()
        waiting.review()
        assert not bench.closed
        waiting.expire()
        assert bench.refusals == [Refusal(INVALID, "the PROXY header did not arrive in time")]
        assert bench.closed == [waiting]

    play(story, monkeypatch)


@pytest.mark.parametrize(
    ("address", "inside"),
    [("10.1.2.3", True), ("11.0.0.1", False), ("fd00::1", True), ("fe80::1%eth0", False), ("192.0.2.7", True)],
)
def test_who_is_listed(address: str, inside: bool) -> None:
    networks = [ipaddress.ip_network(network) for network in ("10.0.0.0/8", "fd00::/8", "192.0.2.7")]
    assert listed(address, networks) is inside
