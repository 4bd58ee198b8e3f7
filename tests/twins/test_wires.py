"""The compiled calls to the kernel and to OpenSSL, and their Python twins, on real sockets.

Only what `wire` promises is compared: octets, and the outcomes. How many octets one call moves is up to the kernel.
"""

from __future__ import annotations

import errno
import os
import random
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from OpenSSL import SSL

from certs import binding, contexts, upstream
from certs.authority import Authority
from gateway import wire

compiled = pytest.importorskip("gateway._wire", reason="not compiled", exc_type=ImportError)

PURE = SimpleNamespace(**wire.PURE_TWINS)
COMPILED = SimpleNamespace(
    **{name: getattr(compiled, name) for name in ("recv", "send", "peek", "tls_recv", "tls_send")},
    handle=binding.address_of,
    why=binding.failure,
)
MIB = 1 << 20
ROOM = 256 << 10
DATA = random.Random(7).randbytes(3 * MIB)
twins = pytest.mark.parametrize("twin", [PURE, COMPILED], ids=["pure", "compiled"])


def tcp() -> tuple[socket.socket, socket.socket]:
    """With little room in the kernel, so that writes are partial."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    for sock in (ours, theirs):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
    return ours, theirs


@pytest.fixture(params=[tcp, socket.socketpair], ids=["tcp", "unix"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = request.param()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def soon(sock: socket.socket) -> None:
    """Until something can be read, be it the end or an error."""
    ready, _, _ = select.select([sock], [], [], 20)
    assert ready, "nothing came"


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@twins
def test_a_silent_socket_has_nothing(twin: Any, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = pair
    assert twin.recv(ours.fileno(), 100) == twin.recv(ours.fileno(), 100_000) == wire.NOTHING
    assert twin.peek(ours.fileno()) == wire.NOTHING


@twins
@pytest.mark.parametrize("size", [1, 5, 6, 16_384, 16_385, 100_000])
def test_what_is_there_and_then_the_end(twin: Any, pair: tuple[socket.socket, socket.socket], size: int) -> None:
    ours, theirs = pair
    theirs.sendall(b"hello")
    soon(ours)
    assert twin.peek(ours.fileno()) == 1
    assert twin.peek(ours.fileno()) == 1, "nothing was taken away"
    got = b""
    while len(got) < 5:
        got += twin.recv(ours.fileno(), size)
    assert got == b"hello"
    theirs.close()
    soon(ours)
    assert twin.peek(ours.fileno()) == 0
    assert twin.recv(ours.fileno(), size) == b""


@twins
@pytest.mark.parametrize("kind", [bytes, memoryview, bytearray])
def test_a_full_socket_takes_a_part_and_then_nothing(
    twin: Any, pair: tuple[socket.socket, socket.socket], kind: Callable[[bytes], Any]
) -> None:
    ours, theirs = pair
    left = kind(DATA)
    parts = []
    while (sent := twin.send(ours.fileno(), left)) != wire.NOTHING:
        assert 0 < sent <= len(left)
        parts.append(sent)
        left = left[sent:]
    assert 0 < sum(parts) < len(DATA)
    got = bytearray()
    while len(got) < sum(parts):
        soon(theirs)
        got += theirs.recv(MIB)
    assert got == DATA[: len(got)]


@twins
def test_a_peer_that_has_closed(twin: Any, pair: tuple[socket.socket, socket.socket]) -> None:
    """Told as a number, and never as a signal that would end the process."""
    ours, theirs = pair
    theirs.close()
    soon(ours)
    outcome = 0
    while outcome >= 0:
        outcome = twin.send(ours.fileno(), b"x")
    assert outcome in {wire.ERRNO - errno.EPIPE, wire.ERRNO - errno.ECONNRESET}
    assert wire.words(outcome) in {os.strerror(errno.EPIPE), os.strerror(errno.ECONNRESET)}


@pytest.mark.parametrize("call", ["recv", "peek", "send"])
@twins
def test_a_reset(twin: Any, call: str) -> None:
    ours, theirs = tcp()
    with ours:
        reset(theirs)
        soon(ours)
        arguments = {"recv": (100,), "peek": (), "send": (b"x",)}[call]
        assert getattr(twin, call)(ours.fileno(), *arguments) == wire.ERRNO - errno.ECONNRESET


@twins
def test_what_is_no_descriptor(twin: Any) -> None:
    bad = wire.ERRNO - errno.EBADF
    assert twin.recv(987_654, 10) == twin.recv(987_654, 100_000) == twin.send(987_654, b"x") == bad
    assert twin.peek(987_654) == bad


# ---- TLS


@pytest.fixture(scope="module")
def issued() -> Any:
    return Authority.create("Test").issue("gateway", usage="server", san=["localhost"])


OPTIONS = {"clients": contexts.OPTIONS, "nodes": upstream.OPTIONS}
"""To clients an end of TCP is one of TLS, too; to nodes it is none."""
sides = pytest.mark.parametrize("side", list(OPTIONS))
versions = pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION], ids=["1.2", "1.3"])


class Tls:
    """Two ends that have shaken hands; ours is seen through a twin."""

    def __init__(self, twin: Any, issued: Any, side: str = "clients", version: int = SSL.TLS1_3_VERSION) -> None:
        self.twin = twin
        server, client = SSL.Context(SSL.TLS_SERVER_METHOD), SSL.Context(SSL.TLS_CLIENT_METHOD)
        server.use_certificate(issued.certificate)
        server.use_privatekey(issued.key)
        for context in (server, client):
            context.set_options(OPTIONS[side])
            context.set_mode(contexts.MODES)
            context.set_max_proto_version(version)
        self.sock, self.peer = tcp()
        ends = SSL.Connection(server, self.sock), SSL.Connection(client, self.peer)
        self.theirs, self.ours = ends if side == "nodes" else ends[::-1]
        if side == "nodes":
            self.sock, self.peer = self.peer, self.sock
        ends[0].set_accept_state()
        ends[1].set_connect_state()
        waiting = {0, 1}
        while waiting:
            for at in sorted(waiting):
                with suppress(SSL.WantReadError):
                    ends[at].do_handshake()
                    waiting.discard(at)
        self.handle = twin.handle(self.ours)

    def __enter__(self) -> Tls:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()
        self.peer.close()
        binding.forget_errors()

    def recv(self, size: int = 131_072) -> Any:
        return self.twin.tls_recv(self.handle, size)

    def outcome(self) -> Any:
        """The next one that is neither octets nor NOTHING."""
        while True:
            got = self.recv()
            if isinstance(got, int) and got != wire.NOTHING:
                return got
            if got == wire.NOTHING:
                soon(self.sock)


@versions
@sides
@twins
def test_octets_both_ways_at_once(twin: Any, side: str, version: int, issued: Any) -> None:
    """Each end sends 3 MiB and reads what the other sends; sockets fill, and writes are partial."""
    with Tls(twin, issued, side, version) as tls:
        ours, theirs = memoryview(DATA), memoryview(DATA[::-1])
        got, arrived = bytearray(), bytearray()
        partial = 0
        while len(got) < len(DATA) or len(arrived) < len(DATA):
            if ours:
                sent = twin.tls_send(tls.handle, ours)
                assert sent == wire.NOTHING or 0 < sent <= len(ours)
                partial += sent != len(ours)
                ours = ours[max(sent, 0) :]
            with suppress(SSL.WantReadError, SSL.WantWriteError):
                if theirs:
                    theirs = theirs[tls.theirs.send(theirs[:65_536]) :]
            data = tls.recv()
            assert data == wire.NOTHING or (0 < len(data) <= 131_072)
            if data != wire.NOTHING:
                got += data
            with suppress(SSL.WantReadError):
                arrived += tls.theirs.recv(65_536)
        assert partial
        assert got == DATA[::-1]
        assert arrived == DATA


@twins
def test_a_read_returns_full_records_in_a_row_and_stops_behind_another(twin: Any, issued: Any) -> None:
    with Tls(twin, issued) as tls:
        for size in (16_384, 16_384, 5, 16_384):
            assert tls.theirs.send(b"x" * size) == size
        soon(tls.sock)
        sizes = [len(tls.recv()), len(tls.recv())]
        assert sizes == [32_773, 16_384]
        assert tls.recv() == wire.NOTHING


@pytest.mark.parametrize("size", [1, 16_384, 32_767, 32_768, 131_072, 1 << 30])
@twins
def test_never_more_than_asked_for_but_a_record(twin: Any, size: int, issued: Any) -> None:
    with Tls(twin, issued) as tls:
        for _ in range(8):
            assert tls.theirs.send(b"x" * 16_384) == 16_384
        soon(tls.sock)
        assert len(tls.recv(size)) == max(1, min(size // 16_384, 8)) * 16_384


@versions
@sides
@twins
def test_a_farewell(twin: Any, side: str, version: int, issued: Any) -> None:
    with Tls(twin, issued, side, version) as tls:
        tls.theirs.send(b"last")
        tls.theirs.shutdown()
        soon(tls.sock)
        assert tls.recv() == b"last"
        assert tls.outcome() == wire.ENDED
        assert tls.outcome() == wire.ENDED, "and it stays so"


@pytest.mark.parametrize("before", [0, 4, 16_384, 40_000])
@versions
@sides
@twins
def test_an_end_without_farewell(twin: Any, side: str, version: int, before: int, issued: Any) -> None:
    """From a client it is an end like another; from a node never, however much came before it."""
    with Tls(twin, issued, side, version) as tls:
        if before:
            tls.theirs.sendall(b"x" * before)
        tls.peer.shutdown(socket.SHUT_WR)
        outcome = tls.outcome()
        received = bool(tls.ours.get_shutdown() & SSL.RECEIVED_SHUTDOWN)
        if side == "clients":
            assert (outcome, received) == (wire.ENDED, True)
        elif before == 16_384:  # found behind a full record, and asked for again
            assert outcome in {wire.CUT, wire.FAILED}
            assert not received
        else:
            assert (outcome, received) == (wire.CUT, False)


@sides
@twins
def test_a_reset_of_tls(twin: Any, side: str, issued: Any) -> None:
    with Tls(twin, issued, side) as tls:
        reset(tls.peer)
        assert tls.outcome() == wire.ERRNO - errno.ECONNRESET
    with Tls(twin, issued, side) as tls:
        reset(tls.peer)
        soon(tls.sock)
        assert twin.tls_send(tls.handle, b"x") == wire.ERRNO - errno.ECONNRESET


@sides
@twins
def test_what_is_no_tls_fails_and_says_why(twin: Any, side: str, issued: Any) -> None:
    with Tls(twin, issued, side) as tls:
        tls.peer.send(b"GET / HTTP/1.1\r\n\r\n" * 10)
        assert tls.outcome() == wire.FAILED
        assert "record" in str(twin.why(tls.ours))


@twins
def test_the_error_of_another_connection_is_not_ours(twin: Any, issued: Any) -> None:
    with Tls(twin, issued) as broken, Tls(twin, issued) as tls:
        broken.peer.send(b"GET / HTTP/1.1\r\n\r\n" * 10)
        assert broken.outcome() == wire.FAILED
        assert tls.recv() == wire.NOTHING
        assert twin.tls_send(tls.handle, b"x") == 1


@twins
def test_a_full_socket_under_tls_takes_records_and_then_nothing(twin: Any, issued: Any) -> None:
    """And takes the rest from another buffer once there is room."""
    with Tls(twin, issued) as tls:
        at = 0
        while (sent := twin.tls_send(tls.handle, DATA[at : at + 300_000])) != wire.NOTHING:
            at += sent
        assert 0 < at < len(DATA)
        got = bytearray()
        end = at + 100_000
        while len(got) < end:
            with suppress(SSL.WantReadError):
                got += tls.theirs.recv(65_536)
            if at < end:
                at += max(0, twin.tls_send(tls.handle, memoryview(DATA)[at:end]))
        assert got == DATA[:end]


def test_without_addresses_tls_runs_through_pyopenssl() -> None:
    """Another version of cryptography may not say where OpenSSL's functions are."""
    program = """
import certs.binding
def nowhere(*names):
    raise AttributeError(names[0])
certs.binding.addresses = nowhere
from gateway import wire
assert wire.tls_recv is wire.PURE_TWINS["tls_recv"] and wire.handle is wire.PURE_TWINS["handle"]
assert wire.recv is not wire.PURE_TWINS["recv"]
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
