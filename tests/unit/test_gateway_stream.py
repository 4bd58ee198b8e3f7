"""One socket on a loop: octets in order, wake-ups that are never lost, descriptors that are never confused."""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import fcntl
import logging
import socket
import ssl
import struct
import termios
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest
import uvloop
from OpenSSL import SSL

from certs.authority import Authority
from certs.contexts import MODES, OPTIONS
from gateway import stream as module
from gateway import tls_stream as tls_module
from gateway import wire
from gateway.stream import Stream, StreamError
from gateway.tls_stream import TLSStream, tls_reason

Story = Callable[[], Coroutine[Any, Any, None]]
PATIENCE = 10.0
BULK = 3 << 20


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def play(request: pytest.FixtureRequest) -> Callable[[Story], None]:
    """Runs a story on each kind of loop: they treat a reset differently."""

    def run(story: Story) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(story(), PATIENCE))

    return run


def tcp() -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection: ours, non-blocking, and the peer's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = socket.create_connection(server.getsockname(), timeout=PATIENCE)
        ours, _ = server.accept()
    ours.setblocking(False)
    ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ours, peer


class Owner:
    """Keeps what a stream tells, and waits for it."""

    def __init__(self, stream: Stream, *, size: int | None = None) -> None:
        self.stream = stream
        self.size = size
        self.got = b""
        self.events: list[str] = []
        stream.on_readable = self.readable
        stream.on_drained = lambda: self.events.append("drained")
        stream.on_closed = lambda: self.events.append("closed")

    def readable(self) -> None:
        try:
            data = self.stream.recv()
        except StreamError as error:
            self.events.append(f"error: {error}")
            self.stream.stop_reading()
            return
        if data is None:
            return
        if not data:
            self.events.append("eof")
            self.stream.stop_reading()
            return
        self.got += data
        if len(data) >= wire.RECORD:
            self.stream.read_on()
        self.stream.look_again()

    async def until(self, true: Callable[[], object]) -> None:
        while not true():
            await asyncio.sleep(0.002)

    async def event(self, name: str) -> None:
        await self.until(lambda: any(event.startswith(name) for event in self.events))


def read_all(peer: socket.socket, *, pause: float = 0.0) -> bytes:
    got = bytearray()
    while data := peer.recv(65536):
        got += data
        if pause:
            threading.Event().wait(pause)
    return bytes(got)


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


# ---- writing


def test_what_the_socket_takes_goes_out_at_once(play: Callable[[Story], None]) -> None:
    async def story() -> None:
        ours, peer = tcp()
        stream = Stream(asyncio.get_running_loop(), ours)
        assert stream.write(b"hello")
        assert stream.write(b"")
        assert (peer.recv(100), stream.queued) == (b"hello", 0)
        stream.abort()
        peer.close()

    play(story)


def test_what_the_socket_does_not_take_follows_in_order(play: Callable[[Story], None]) -> None:
    async def story() -> None:
        ours, peer = tcp()
        owner = Owner(Stream(asyncio.get_running_loop(), ours))
        stream = owner.stream
        pieces = [bytes([number]) * (BULK // 4) for number in range(12)]
        done = [stream.write(piece) for piece in pieces]
        assert done[-1] is False
        assert 0 < stream.queued < BULK * 3
        assert repr(stream).endswith(f"open queued={stream.queued}>")
        reader = asyncio.get_running_loop().run_in_executor(None, read_all, peer)
        await owner.event("drained")
        assert stream.queued == 0
        assert owner.events == ["drained"], "once for everything"
        stream.close()
        assert await reader == b"".join(pieces)
        peer.close()
        await owner.event("closed")

    play(story)


def test_a_closed_stream_takes_nothing(play: Callable[[Story], None]) -> None:
    async def story() -> None:
        ours, peer = tcp()
        owner = Owner(Stream(asyncio.get_running_loop(), ours))
        owner.stream.abort()
        owner.stream.abort()
        owner.stream.close()
        owner.stream.start_reading()
        assert owner.events == ["closed"], "told once"
        assert owner.stream.closed
        assert not owner.stream.reading
        assert "closed" in repr(owner.stream)
        with pytest.raises(StreamError, match="closed"):
            owner.stream.write(b"x")
        peer.close()

    play(story)


def test_a_write_that_has_left_in_part_is_no_write_that_failed(play: Callable[[Story], None]) -> None:
    """Its octets may be half a settlement: the caller must not send it elsewhere."""

    async def story() -> None:
        ours, peer = tcp()
        owner = Owner(Stream(asyncio.get_running_loop(), ours))
        stream = owner.stream
        sends: list[int | StreamError] = [3, StreamError("gone")]

        class Torn(Stream):
            __slots__ = ()

            def _send(self, data: bytes | memoryview) -> int:
                step = sends.pop(0)
                if isinstance(step, StreamError):
                    raise step
                return step

        torn = Torn(stream.loop, ours)
        torn.on_readable = owner.readable
        owner.stream = torn
        torn.start_reading()
        assert torn.write(b"settlement") is False
        assert torn.error == "gone"
        peer.close()
        await owner.event("error: gone")
        torn.abort()

    play(story)


# ---- reading


def test_reading_pauses_and_resumes_and_ends(play: Callable[[Story], None]) -> None:
    async def story() -> None:
        ours, peer = tcp()
        owner = Owner(Stream(asyncio.get_running_loop(), ours))
        stream = owner.stream
        assert stream.recv() is None
        stream.start_reading()
        stream.start_reading()
        peer.sendall(b"one")
        await owner.until(lambda: owner.got == b"one")
        stream.stop_reading()
        peer.sendall(b"two")
        await asyncio.sleep(0.02)
        assert (owner.got, stream.reading) == (b"one", False)
        stream.start_reading()
        await owner.until(lambda: owner.got == b"onetwo")
        peer.close()
        await owner.event("eof")
        assert stream.eof
        stream.abort()

    play(story)


def deliver(peer: socket.socket, ours: socket.socket, data: bytes) -> None:
    """Until all of it lies in our kernel: a reset would overtake the rest."""
    peer.sendall(data)
    there = array.array("i", [0])
    while there[0] < len(data):
        fcntl.ioctl(ours, termios.FIONREAD, there)


def test_a_reset_is_noticed_behind_any_number_of_octets(
    play: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvloop tells of a reset once, however much is left to read."""
    monkeypatch.setattr(module, "PLAIN_READ_SIZE", 1000)

    async def story() -> None:
        ours, peer = tcp()
        owner = Owner(Stream(asyncio.get_running_loop(), ours))
        deliver(peer, ours, b"x" * 60_000)
        reset(peer)
        owner.stream.start_reading()
        await owner.event("error: Connection reset")
        assert len(owner.got) == 60_000
        owner.stream.abort()

    play(story)


def test_a_reset_is_noticed_while_both_directions_are_busy(
    play: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PLAIN_READ_SIZE", 1000)

    async def story() -> None:
        ours, peer = tcp()
        owner = Owner(Stream(asyncio.get_running_loop(), ours))
        stream = owner.stream
        while stream.write(b"x" * 100_000):
            pass
        deliver(peer, ours, b"answer" * 10_000)
        reset(peer)
        stream.start_reading()
        await owner.event("error: ")
        assert owner.got == b"answer" * 10_000, "what it had said before is still read"
        assert owner.stream.queued == 0
        assert "eof" not in owner.events, "a reset is no orderly end"
        stream.abort()

    play(story)


def test_what_a_peer_said_before_it_stopped_reading_is_read(play: Callable[[Story], None]) -> None:
    """A node answers 413 and closes on what it has not read: its reset comes behind its answer."""

    async def story() -> None:
        ours, peer = tcp()
        owner = Owner(Stream(asyncio.get_running_loop(), ours))
        stream = owner.stream
        stream.start_reading()
        while stream.write(b"x" * 100_000):
            pass
        peer.recv(1000)
        peer.sendall(b"413 enough")
        peer.close()
        await owner.until(lambda: owner.events and owner.events[-1] != "drained")
        assert owner.got == b"413 enough"
        assert owner.events[-1].startswith("error: ")
        with pytest.raises(StreamError):
            stream.write(b"more")
        stream.abort()

    play(story)


def test_a_descriptor_that_is_used_again_belongs_to_its_new_stream(play: Callable[[Story], None]) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        for ending in ("abort", "reset by peer"):
            ours, peer = tcp()
            first = Owner(Stream(loop, ours))
            number = ours.fileno()
            first.stream.start_reading()
            if ending == "abort":
                first.stream.write(b"x" * (8 << 20))
            else:
                reset(peer)
                await first.event("error: ")
            first.stream.abort()
            peer.close()
            again, peer = tcp()
            if again.fileno() != number:
                spare = socket.socket(fileno=again.detach())
                again = socket.socket(fileno=socket.dup(spare.fileno())) if spare.fileno() != number else spare
            second = Owner(Stream(loop, again))
            second.stream.start_reading()
            peer.sendall(b"for the second")
            await second.until(lambda second=second: second.got == b"for the second")  # type: ignore[misc]
            assert not first.got
            second.stream.abort()
            peer.close()

    play(story)


def broken() -> None:
    raise ZeroDivisionError("a mistake")


@pytest.mark.parametrize("callback", ["on_readable", "on_drained", "on_closed"])
def test_a_mistake_in_a_callback_ends_its_connection_and_no_other(
    play: Callable[[Story], None], caplog: pytest.LogCaptureFixture, callback: str
) -> None:
    async def story() -> None:
        ours, peer = tcp()
        owner = Owner(Stream(asyncio.get_running_loop(), ours))
        stream = owner.stream
        setattr(stream, callback, broken)
        if callback == "on_readable":
            stream.start_reading()
            peer.sendall(b"x")
        elif callback == "on_drained":
            while stream.write(b"x" * 100_000):
                pass
            await asyncio.get_running_loop().run_in_executor(None, read_all, peer)
        else:
            stream.abort()
        await owner.until(lambda: stream.closed and stream.fd == -1)
        if callback != "on_closed":
            assert owner.events[-1] == "closed"
        peer.close()

    with caplog.at_level(logging.ERROR, "settlegate.stream"):
        play(story)
    assert "a mistake" in caplog.text


# ---- connecting


def test_a_connection_tells_when_it_stands(play: Callable[[Story], None]) -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            stream = Stream.connect(asyncio.get_running_loop(), ("127.0.0.1", server.getsockname()[1]))
            owner = Owner(stream)
            assert not owner.events, "not before connect returns"
            await owner.event("drained")
            assert stream.write(b"hello")
            peer, _ = server.accept()
            assert peer.recv(10) == b"hello"
            peer.close()
            stream.abort()

    play(story)


def test_a_refused_connection_says_why(play: Callable[[Story], None]) -> None:
    async def story() -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            owner = Owner(Stream.connect(asyncio.get_running_loop(), ("127.0.0.1", nobody.getsockname()[1])))
            await owner.event("closed")
            assert owner.stream.error == "Connection refused"
            assert owner.events == ["closed"]

    play(story)


def test_an_attempt_that_fails_at_once_is_a_stream_error(
    play: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(StreamError):
            Stream.connect(loop, ("255.255.255.255", 1))  # the kernel's own refusal: nothing is sent

        def exhausted(*_: object) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr(socket, "socket", exhausted)
        with pytest.raises(StreamError, match="Too many open files"):
            Stream.connect(loop, ("127.0.0.1", 9))
        monkeypatch.undo()

    play(story)


# ---- closing


def test_closing_sends_what_is_queued_and_is_no_reset(play: Callable[[Story], None]) -> None:
    async def story() -> None:
        ours, peer = tcp()
        owner = Owner(Stream(asyncio.get_running_loop(), ours))
        peer.sendall(b"never read by its owner")
        owner.stream.write(b"x" * BULK * 3)
        owner.stream.close()
        owner.stream.close()
        assert owner.stream.closed
        assert "closing" in repr(owner.stream)
        got = await asyncio.get_running_loop().run_in_executor(None, read_all, peer)
        assert len(got) == BULK * 3
        assert not owner.events, "the peer has not ended yet"
        peer.sendall(b"more")
        peer.close()
        await owner.event("closed")
        assert not owner.got

    play(story)


def test_a_peer_that_never_ends_is_left_behind(play: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINGER", 0.1)

    async def story() -> None:
        ours, peer = tcp()
        owner = Owner(Stream(asyncio.get_running_loop(), ours))
        owner.stream.close()
        start = time.monotonic()
        await owner.event("closed")
        assert time.monotonic() - start >= 0.09
        peer.close()

    play(story)


def test_a_peer_that_talks_on_and_on_is_cut(play: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINGER_OCTETS", 100_000)

    async def story() -> None:
        ours, peer = tcp()
        owner = Owner(Stream(asyncio.get_running_loop(), ours))
        owner.stream.close()
        peer.setblocking(False)
        while not owner.events:
            with contextlib.suppress(OSError):
                peer.send(b"x" * 10_000)
            await asyncio.sleep(0.001)
        peer.close()

    play(story)


def test_a_slow_peer_gets_everything_and_a_stopped_one_is_cut(
    play: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds of silence end a closing connection, not seconds of slowness."""
    monkeypatch.setattr(module, "FLUSH", 0.15)

    async def story() -> None:
        ours, peer = tcp()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        owner = Owner(Stream(asyncio.get_running_loop(), ours))
        owner.stream.write(b"x" * (8 << 20))
        owner.stream.close()

        def slowly() -> int:
            got = 0
            while got < 1 << 20:  # a third of the kernel's buffer and more, in several times FLUSH
                got += len(peer.recv(32768))
                threading.Event().wait(0.015)
            return got

        got = await asyncio.get_running_loop().run_in_executor(None, slowly)
        assert not owner.events
        if owner.stream.queued:
            await owner.event("closed")
            rest = await asyncio.get_running_loop().run_in_executor(None, lambda: len(read_all(peer)))
            assert got + rest < 8 << 20, "stopped, and so cut"
        peer.close()

    play(story)


def test_progress_is_what_the_peer_has_acknowledged() -> None:
    loop = asyncio.new_event_loop()
    ours, peer = tcp()
    stream = Stream(loop, ours)
    stream.write(b"x")
    deadline = time.monotonic() + PATIENCE
    while not stream.progressed():
        assert time.monotonic() < deadline
    assert not stream.progressed()
    stream.abort()
    assert not stream.progressed()
    peer.close()
    loop.close()


def test_a_reset_of_ours_is_one_for_the_peer() -> None:
    loop = asyncio.new_event_loop()
    ours, peer = tcp()
    stream = Stream(loop, ours)
    stream.write(b"half")
    stream.reset()
    stream.reset()
    assert peer.recv(100) == b"half"
    with pytest.raises(ConnectionResetError):
        peer.recv(100)
    peer.close()
    loop.close()


# ---- TLS


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> SSL.Context:
    issued = Authority.create("Test").issue("gateway", usage="server", san=["localhost"])
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(issued.certificate)
    context.use_privatekey(issued.key)  # type: ignore[arg-type]
    context.set_options(OPTIONS)
    context.set_mode(MODES)
    return context


async def handshake(server: SSL.Context) -> tuple[Owner, ssl.SSLSocket]:
    loop = asyncio.get_running_loop()
    ours, peer = tcp()
    stream = TLSStream(loop, ours, SSL.Connection(server, ours))
    stream.tls.set_accept_state()
    done = loop.create_future()

    def step() -> None:
        if stream.handshake() and not done.done():
            done.set_result(None)

    stream.on_readable = step
    stream.start_reading()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = await loop.run_in_executor(None, lambda: context.wrap_socket(peer, suppress_ragged_eofs=False))
    await done
    stream.stop_reading()
    return Owner(stream), client


def test_octets_pass_through_tls_both_ways(play: Callable[[Story], None], server: SSL.Context) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        owner, client = await handshake(server)
        owner.stream.start_reading()
        client.sendall(b"hello")
        await owner.until(lambda: owner.got == b"hello")
        data = bytes(range(256)) * (BULK // 64)
        assert owner.stream.write(data[:100]) is True
        assert owner.stream.write(data[100:]) is False
        reader = loop.run_in_executor(None, lambda: b"".join(iter(lambda: client.recv(65536), b"")))
        await owner.event("drained")
        owner.stream.close()
        assert await reader == data, "and b'' at the end: close_notify came"
        client.close()
        await owner.event("closed")

    play(story)


def test_what_lies_behind_a_full_record_is_announced_when_reading_resumes(
    play: Callable[[Story], None], server: SSL.Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_module, "READ_SIZE", wire.RECORD)
    sent = bytes(range(256)) * 160  # two records and a half

    async def story() -> None:
        owner, client = await handshake(server)
        stream = owner.stream

        def once() -> None:
            owner.readable()
            stream.stop_reading()

        stream.on_readable = once
        client.sendall(sent)
        for size in (wire.RECORD, 2 * wire.RECORD, len(sent)):
            stream.start_reading()
            await owner.until(lambda size=size: owner.got == sent[:size])  # type: ignore[misc]
        stream.abort()
        client.close()

    play(story)


def test_only_an_ended_connection_ends_with_close_notify(play: Callable[[Story], None], server: SSL.Context) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        for end, notified in ((Stream.close, True), (Stream.abort, False), (Stream.reset, False)):
            owner, client = await handshake(server)
            assert owner.stream.write(b"half")
            end(owner.stream)
            assert await loop.run_in_executor(None, client.recv, 100) == b"half"
            if notified:
                assert await loop.run_in_executor(None, client.recv, 100) == b""
            else:
                with pytest.raises(OSError, match=r"(?i)eof|reset"):
                    await loop.run_in_executor(None, client.recv, 100)
            client.close()
            await owner.event("closed")

    play(story)


@pytest.mark.parametrize("how", ["close_notify", "FIN"])
def test_a_client_that_has_ended_its_side_can_still_be_answered(
    play: Callable[[Story], None], server: SSL.Context, how: str
) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        owner, client = await handshake(server)
        owner.stream.start_reading()
        if how == "FIN":
            socket.socket.shutdown(client, socket.SHUT_WR)
            await owner.event("eof")
            assert owner.stream.write(b"answer")
            assert await loop.run_in_executor(None, client.recv, 100) == b"answer"
        else:
            leaving = loop.run_in_executor(None, client.unwrap)
            await owner.event("eof")
            owner.stream.close()
            client = cast("ssl.SSLSocket", await leaving)
        owner.stream.close()
        await owner.event("closed")
        client.close()

    play(story)


def test_a_client_s_reset_is_noticed(play: Callable[[Story], None], server: SSL.Context) -> None:
    async def story() -> None:
        owner, client = await handshake(server)
        client.sendall(b"x" * 200_000)
        reset(client)
        owner.stream.start_reading()
        await owner.event("error: ")
        with pytest.raises(StreamError):
            owner.stream.write(b"x")
        owner.stream.abort()
        with pytest.raises(StreamError):
            owner.stream.recv()

    play(story)


def test_plain_text_on_a_tls_socket_is_named_and_can_be_answered(
    play: Callable[[Story], None], server: SSL.Context
) -> None:
    async def story() -> None:
        ours, peer = tcp()
        stream = TLSStream(asyncio.get_running_loop(), ours, SSL.Connection(server, ours))
        stream.tls.set_accept_state()
        peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
        reasons: list[str] = []

        def step() -> None:
            with pytest.raises(SSL.Error) as caught:
                stream.handshake()
            reasons.append(tls_reason(caught.value))
            stream.sock.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            stream.close_without_tls()

        owner = Owner(stream)
        stream.on_readable = step
        stream.start_reading()
        await owner.until(lambda: reasons)
        assert reasons == ["http request"]
        assert read_all(peer) == b"HTTP/1.1 400 Bad Request\r\n\r\n", "no alert, no close_notify in between"
        peer.close()
        await owner.event("closed")

    play(story)


class ScriptedTLS:
    """A TLS connection in a state that OpenSSL reaches rarely: a read that has to write first (a key update)."""

    def __init__(self) -> None:
        self.reads: list[bytes | type[SSL.Error]] = []
        self.room = 0
        self.sent = b""

    def recv(self, _size: int) -> bytes:
        step = self.reads.pop(0) if self.reads else SSL.WantReadError
        if isinstance(step, bytes):
            return step
        raise step

    def send(self, data: bytes | memoryview) -> int:
        taken = bytes(data[: self.room])
        if not taken:
            raise SSL.WantWriteError
        self.room -= len(taken)
        self.sent += taken
        return len(taken)

    def pending(self) -> int:
        return 0

    def shutdown(self) -> None: ...

    def set_app_data(self, _data: object) -> None: ...


@pytest.fixture
def pure_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled twins would ask OpenSSL itself and not the script."""
    for name, function in wire.PURE_TWINS.items():
        monkeypatch.setattr(wire, name, function)


def scripted() -> tuple[Owner, ScriptedTLS, socket.socket]:
    ours, peer = tcp()
    tls = ScriptedTLS()
    return Owner(TLSStream(asyncio.get_running_loop(), ours, cast("SSL.Connection", tls))), tls, peer


@pytest.mark.usefixtures("pure_wire")
def test_a_read_that_has_to_write_first_goes_on_when_the_socket_takes_it(play: Callable[[Story], None]) -> None:
    async def story() -> None:
        owner, tls, peer = scripted()
        tls.reads = [SSL.WantWriteError, b"behind the key update"]
        owner.stream.start_reading()
        peer.sendall(b"x")
        await owner.until(lambda: owner.got == b"behind the key update")
        assert owner.events == [], "nothing had been written, nothing has drained"
        owner.stream.abort()
        peer.close()

    play(story)


@pytest.mark.usefixtures("pure_wire")
@pytest.mark.parametrize("first", ["read", "write"])
def test_a_read_that_has_to_write_first_loses_no_write(play: Callable[[Story], None], first: str) -> None:
    """Both wait for the same readiness of the same descriptor."""

    async def story() -> None:
        owner, tls, peer = scripted()
        tls.reads = [SSL.WantWriteError, b"behind the key update"]
        stream = owner.stream
        stream.start_reading()
        more = [b"third"]

        def drained() -> None:
            owner.events.append("drained")
            if more:
                stream.write(more.pop())  # queues again in the middle of the wake-up

        stream.on_drained = drained
        if first == "write":
            assert stream.write(b"first ") is False
        stream.on_readable()
        if first == "read":
            assert stream.write(b"first ") is False
        assert stream.write(b"second ") is False
        tls.room = 13
        await owner.until(lambda: tls.sent == b"first second " and owner.got)
        tls.room = 100
        await owner.until(lambda: tls.sent == b"first second third" and stream.queued == 0)
        await owner.until(lambda: owner.events == ["drained", "drained"])
        assert owner.got == b"behind the key update"
        stream.abort()
        peer.close()

    play(story)


@pytest.mark.usefixtures("pure_wire")
def test_closing_waits_for_the_queue_and_for_nothing_else(play: Callable[[Story], None]) -> None:
    async def story() -> None:
        owner, tls, peer = scripted()
        tls.reads = [SSL.WantWriteError, b"too late"]
        owner.stream.start_reading()
        owner.stream.on_readable()
        owner.stream.write(b"last words")
        owner.stream.close()
        tls.room = 100
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, peer.recv, 10) == b""
        assert tls.sent == b"last words"
        peer.close()
        await owner.event("closed")
        assert owner.got == b""

    play(story)
