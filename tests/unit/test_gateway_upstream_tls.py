"""The client's side of TLS on a real socket: told when the node is believed, and never before."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import ssl
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from certs.config import UpstreamTLSConfig
from certs.upstream import NodeTLS
from gateway.complaints import Complaints
from gateway.links import Link, Links
from gateway.stream import StreamError
from gateway.tls_stream import READ_SIZE
from gateway.upstream_tls import NodeStream
from tests.support.node_tls import NodePki, serving

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> NodePki:
    return NodePki(tmp_path_factory.mktemp("pki"))


def trust(anchor: Path) -> NodeTLS:
    return NodeTLS.build(UpstreamTLSConfig(anchors=(anchor,)), {str(anchor): anchor.read_bytes()})


class Node:
    """One connection at a time, each served in a thread by a function of its TLS socket."""

    def __init__(self, context: ssl.SSLContext, serve: Callable[[ssl.SSLSocket], None]) -> None:
        self.context = context
        self.serve = serve
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(10)
        self.first = b""
        """What came before TLS."""
        self.reused: list[bool | None] = []
        self.done = threading.Event()

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.server.getsockname()[1]}"

    def __enter__(self) -> Node:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.server.close()

    def _run(self) -> None:
        while not self.done.is_set():
            with contextlib.suppress(OSError), self.server.accept()[0] as raw:
                raw.settimeout(10)
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self.first:
                    assert raw.recv(len(self.first)) == self.first  # one small packet
                with self.context.wrap_socket(raw, server_side=True) as sock:
                    self.reused.append(sock.session_reused)
                    self.serve(sock)


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        await asyncio.wait_for(story(), 20)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def dial(node: Node, tls: NodeTLS, header: bytes = b"", complaints: Complaints | None = None) -> NodeStream:
    loop = asyncio.get_running_loop()
    address = node.server.getsockname()
    return NodeStream.dial(loop, address, tls, node.name, complaints or Complaints("pool"), header)


async def ended(stream: NodeStream) -> str:
    told = asyncio.get_running_loop().create_future()
    stream.on_drained = lambda: told.set_result("ready")
    stream.on_closed = lambda: told.done() or told.set_result(stream.error or "closed")
    return str(await told)


async def heard(stream: NodeStream, size: int) -> bytes:
    """The next octets, however they come."""
    pieces = b""
    more = asyncio.Event()
    stream.on_readable = more.set
    stream.start_reading()
    while len(pieces) < size:
        data = stream.recv()
        if data is None:
            more.clear()
            await more.wait()
        elif not data:
            break
        else:
            pieces += data
    return pieces


def echo(sock: ssl.SSLSocket) -> None:
    while data := sock.recv(65_536):
        sock.sendall(data)


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    return ssl.TLSVersion(request.param)


def test_a_believed_node_is_ready_and_answers(pki: NodePki, version: ssl.TLSVersion) -> None:
    async def story() -> None:
        with Node(serving(pki.good, version=version), echo) as node:
            stream = dial(node, trust(pki.anchor))
            assert await ended(stream) == "ready"
            assert stream.write(b"hello")
            assert await heard(stream, 5) == b"hello"
            stream.on_closed = lambda: None
            stream.abort()

    play(story)


def test_a_node_that_is_not_believed_is_never_ready(pki: NodePki, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        received: list[bytes] = []
        with Node(serving(pki.good), lambda sock: received.append(sock.recv(10))) as node:
            stream = dial(node, trust(pki.clients_anchor))
            assert await ended(stream) == "its certificate is not accepted: unable to get local issuer certificate"
            assert stream.closed
            with pytest.raises(StreamError):
                stream.write(b"claim")
            with pytest.raises(StreamError):
                stream.recv()
        assert not any(received)

    play(story)
    assert "cannot be used" in caplog.text


def test_a_node_that_closes_in_the_handshake_is_told_of(pki: NodePki) -> None:
    async def story() -> None:
        node = Node(serving(pki.good), echo)
        stream = dial(node, trust(pki.anchor))
        told = asyncio.ensure_future(ended(stream))
        peer, _ = await asyncio.get_running_loop().run_in_executor(None, node.server.accept)
        peer.recv(1)
        peer.close()
        assert (await told).startswith("TLS handshake: ")
        node.server.close()

    play(story)


def test_a_handshake_that_is_given_up_says_so(pki: NodePki, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        node = Node(serving(pki.good), echo)
        stream = dial(node, trust(pki.anchor))
        told = asyncio.ensure_future(ended(stream))
        peer, _ = await asyncio.get_running_loop().run_in_executor(None, node.server.accept)
        await asyncio.get_running_loop().run_in_executor(None, peer.recv, 1)
        stream.abort()
        assert await told == "closed"
        peer.close()
        node.server.close()

    play(story)
    assert "the TLS handshake had not ended when it was given up" in caplog.text


def test_a_header_goes_before_tls(pki: NodePki) -> None:
    async def story() -> None:
        node = Node(serving(pki.good), echo)
        node.first = b"PROXY UNKNOWN\r\n"
        with node:
            stream = dial(node, trust(pki.anchor), node.first)
            assert await ended(stream) == "ready"
            stream.write(b"x")
            assert await heard(stream, 1) == b"x"
            stream.on_closed = lambda: None
            stream.abort()

    play(story)


def test_a_header_that_is_not_taken_ends_the_attempt(pki: NodePki, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr("gateway.upstream_tls.say", lambda *_: "the PROXY header was not taken")
        with Node(serving(pki.good), echo) as node:
            assert await ended(dial(node, trust(pki.anchor), b"header")) == "the PROXY header was not taken"

    play(story)


def test_large_answers_come_in_bursts_and_to_their_end(pki: NodePki, version: ssl.TLSVersion) -> None:
    size = 3_000_000

    def pour(sock: ssl.SSLSocket) -> None:
        sock.recv(1)
        sock.sendall(b"x" * size)
        sock.unwrap()  # waits for our farewell

    async def story() -> None:
        with Node(serving(pki.good, version=version), pour) as node:
            stream = dial(node, trust(pki.anchor))
            assert await ended(stream) == "ready"
            stream.write(b"?")
            sizes: list[int] = []
            over = asyncio.get_running_loop().create_future()

            def readable() -> None:
                data = stream.recv()
                if data is not None:
                    sizes.append(len(data))
                    if not data and not over.done():
                        over.set_result(None)

            stream.on_readable = readable
            stream.start_reading()
            await over
            assert sum(sizes) == size
            assert 16_384 < max(sizes) <= READ_SIZE
            stream.on_closed = lambda: None
            stream.abort()

    play(story)


def test_an_end_without_farewell_is_an_error_behind_what_came_before(pki: NodePki) -> None:
    def cut(sock: ssl.SSLSocket) -> None:
        sock.recv(1)
        sock.sendall(b"x" * 40_000)
        sock.shutdown(socket.SHUT_RDWR)

    async def story() -> None:
        with Node(serving(pki.good), cut) as node:
            stream = dial(node, trust(pki.anchor))
            assert await ended(stream) == "ready"
            stream.write(b"?")
            assert await heard(stream, 40_000) == b"x" * 40_000

            async def read_until_it_fails() -> None:
                while True:
                    stream.recv()
                    await asyncio.sleep(0.001)

            with pytest.raises(StreamError, match="farewell"):
                await read_until_it_fails()
            stream.on_closed = lambda: None
            stream.abort()

    play(story)


def test_tickets_are_silence_and_a_word_is_not(pki: NodePki) -> None:
    """Python's server sends two tickets behind the handshake; the link stays, until the node says anything."""
    speak = threading.Event()

    def serve(sock: ssl.SSLSocket) -> None:
        echo_once = sock.recv(10)
        sock.sendall(echo_once)
        speak.wait(10)
        sock.sendall(b"unasked")
        sock.recv(1)

    async def story() -> None:
        with Node(serving(pki.good, version=ssl.TLSVersion.TLSv1_3), serve) as node:
            links = Links(asyncio.get_running_loop())
            stream = dial(node, trust(pki.anchor))
            link = Link(links, "node", stream)
            assert await ended(stream) == "ready"
            links.give_back(link)  # before its tickets have been read
            for _ in range(20):
                await asyncio.sleep(0.005)
            assert links.idle("node") == 1
            assert link.alive()
            taken = links.take("node")
            assert taken is link
            stream.write(b"x")
            assert await heard(stream, 1) == b"x"
            links.give_back(link)
            assert link.alive()
            speak.set()
            while links.idle("node"):
                await asyncio.sleep(0.002)
            assert stream.closed

    play(story)


def test_a_link_with_words_or_farewell_waiting_is_not_alive(pki: NodePki) -> None:
    def goodbye(sock: ssl.SSLSocket) -> None:
        sock.sendall(sock.recv(10))
        sock.unwrap()

    def rude(sock: ssl.SSLSocket) -> None:
        sock.sendall(sock.recv(10) + b"unasked")
        sock.recv(1)

    async def story() -> None:
        for serve in (goodbye, rude):
            with Node(serving(pki.good), serve) as node:
                stream = dial(node, trust(pki.anchor))
                link = Link(Links(asyncio.get_running_loop()), "node", stream)
                assert await ended(stream) == "ready"
                stream.write(b"x")
                stream.on_readable = lambda: None
                if serve is goodbye:
                    assert await heard(stream, 1) == b"x"
                stream.stop_reading()
                deadline = asyncio.get_running_loop().time() + 5
                while link.alive():
                    assert asyncio.get_running_loop().time() < deadline
                    await asyncio.sleep(0.002)
                stream.on_closed = lambda: None
                stream.abort()

    play(story)


def test_sessions_of_ended_connections_are_resumed(pki: NodePki, version: ssl.TLSVersion) -> None:
    async def story() -> None:
        tls = trust(pki.anchor)
        with Node(serving(pki.good, version=version), echo) as node:
            for _ in range(3):
                stream = dial(node, tls)
                assert await ended(stream) == "ready"
                stream.write(b"x")
                assert await heard(stream, 1) == b"x"
                stream.on_closed = lambda: None
                stream.abort()
            while len(node.reused) < 3:
                await asyncio.sleep(0.002)
            assert node.reused == [False, True, True]

    play(story)


def test_an_answer_that_came_before_a_reset_is_read_although_writing_fails(pki: NodePki) -> None:
    go, gone = threading.Event(), threading.Event()

    def refuse(sock: ssl.SSLSocket) -> None:
        sock.recv(10)
        sock.sendall(b"413")
        go.wait(10)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
        gone.set()

    async def story() -> None:
        with Node(serving(pki.good), refuse) as node:
            stream = dial(node, trust(pki.anchor))
            assert await ended(stream) == "ready"
            stream.stop_reading()
            stream.write(b"head")
            go.set()
            await asyncio.get_running_loop().run_in_executor(None, gone.wait, 10)

            async def write_until_it_fails() -> None:
                while True:
                    stream.write(b"body" * 100)
                    await asyncio.sleep(0.002)

            with pytest.raises(StreamError):
                await write_until_it_fails()
            assert await heard(stream, 3) == b"413"
            stream.on_closed = lambda: None
            stream.abort()

    play(story)


@contextlib.contextmanager
def updating(pki: NodePki, seconds: float) -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-m", "tests.support.updating_node", str(pki.good), str(pki.good.with_suffix(".key"))]
    with subprocess.Popen([*command, str(seconds)], stdout=subprocess.PIPE, text=True) as node:
        try:
            assert node.stdout is not None
            yield "127.0.0.1", int(node.stdout.readline())
        finally:
            node.kill()


async def until_nothing_more_comes(sock: socket.socket) -> int:
    """Octets that lie in the socket."""
    before, waiting = -1, 0
    while waiting == 0 or waiting != before:
        before = waiting
        await asyncio.sleep(0.2)
        waiting = int.from_bytes(fcntl.ioctl(sock, termios.FIONREAD, bytes(4)), sys.byteorder)
    return waiting


def test_a_read_comes_back_after_each_key_update(pki: NodePki) -> None:
    """Else a node that sends them without end would keep the worker for itself."""

    async def story() -> None:
        with updating(pki, 0.05) as address:
            name = f"{address[0]}:{address[1]}"
            loop = asyncio.get_running_loop()
            stream = NodeStream.dial(loop, address, trust(pki.anchor), name, Complaints("pool"))
            assert await ended(stream) == "ready"
            stream.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await until_nothing_more_comes(stream.sock) > 1000
            before = await until_nothing_more_comes(stream.sock)
            assert stream.recv() is None
            assert 0 <= before - await until_nothing_more_comes(stream.sock) < 1000, "one record"
            assert not stream.still_silent(), "whoever says so much says something"
            stream.abort()

    play(story)
