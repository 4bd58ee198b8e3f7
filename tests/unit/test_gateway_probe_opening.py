"""How a check's connection begins, met with a real node: header, TLS, or both; and what the check hears of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from certs.config import UpstreamTLSConfig
from certs.upstream import NodeTLS
from gateway.complaints import Complaints
from gateway.probe_opening import NodeOpening
from gateway.proxy_protocol import build_local
from healthcheck.target import OpeningError
from settings.types import Address
from tests.support.node_tls import NodePki, serving

LOCAL = build_local()


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> NodePki:
    return NodePki(tmp_path_factory.mktemp("pki"))


def trust(anchor: Path) -> NodeTLS:
    return NodeTLS.build(UpstreamTLSConfig(anchors=(anchor,)), {str(anchor): anchor.read_bytes()})


class Check(asyncio.Protocol):
    """Says hello and writes down what it hears."""

    def __init__(self) -> None:
        self.made = 0
        self.heard = b""
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.answered = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made += 1
        cast("asyncio.Transport", transport).write(b"hello")

    def data_received(self, data: bytes) -> None:
        self.heard += data
        self.answered.set()

    def connection_lost(self, exc: Exception | None) -> None:
        assert not self.ended.done(), "once"
        self.ended.set_result(exc)


Serve = Callable[[socket.socket], None]


def echo(sock: socket.socket) -> None:
    sock.sendall(sock.recv(100))
    sock.recv(1)


def exactly(sock: socket.socket, size: int) -> bytes:
    """MSG_WAITALL waits for nothing on a socket with a timeout."""
    data = b""
    while len(data) < size:
        data += sock.recv(size - len(data))
    return data


class Met:
    """A check whose connection was made to a node that serves one connection in a thread."""

    def __init__(
        self, opening: Callable[[Address], NodeOpening], serve: Serve, context: ssl.SSLContext | None, elsewhere: bool
    ) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        port = self.server.getsockname()[1]
        self.check = Check()
        self.protocol = opening(Address("127.0.0.1", port)).wrap(self.check, port=port + 1 if elsewhere else port)
        self.serve = serve
        self.context = context
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with contextlib.suppress(OSError), self.server.accept()[0] as raw:
            raw.settimeout(10)
            if self.context is None:
                self.serve(raw)
                return
            with self.context.wrap_socket(raw, server_side=True) as sock:
                self.serve(sock)

    async def __aenter__(self) -> Check:
        self.thread.start()
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_connection(lambda: self.protocol, *self.server.getsockname())
        answered = asyncio.ensure_future(self.check.answered.wait())
        await asyncio.wait([answered, self.check.ended], timeout=10, return_when=asyncio.FIRST_COMPLETED)
        answered.cancel()
        return self.check

    async def __aexit__(self, *_: object) -> None:
        self.transport.abort()
        await asyncio.wait([self.check.ended], timeout=10)
        self.server.close()
        await asyncio.get_running_loop().run_in_executor(None, self.thread.join, 10)


def meet(
    opening: Callable[[Address], NodeOpening],
    serve: Serve = echo,
    *,
    context: ssl.SSLContext | None = None,
    elsewhere: bool = False,
) -> Met:
    return Met(opening, serve, context, elsewhere)


@pytest.mark.parametrize("announces", [False, True])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_in_plain_text_only_the_header_is_added(announces: bool, elsewhere: bool) -> None:
    wanted = (LOCAL if announces and not elsewhere else b"") + b"hello"

    def once(sock: socket.socket) -> None:
        sock.sendall(exactly(sock, len(wanted)))
        sock.recv(1)

    async def story() -> None:
        opening = lambda node: NodeOpening(None, node, Complaints("pool"), announces=announces)  # noqa: E731
        async with meet(opening, once, elsewhere=elsewhere) as check:
            assert check.heard == wanted
        assert check.ended.result() is None

    asyncio.run(story())


def test_the_check_speaks_when_the_node_is_believed(pki: NodePki) -> None:
    async def story() -> None:
        opening = lambda node: NodeOpening(trust(pki.anchor), node, Complaints("pool"))  # noqa: E731
        async with meet(opening, context=serving(pki.good)) as check:
            assert (check.made, check.heard) == (1, b"hello")
        assert check.ended.result() is None

    asyncio.run(story())


def test_the_header_goes_before_tls(pki: NodePki) -> None:
    firsts: list[bytes] = []

    class Announced(ssl.SSLContext):
        def wrap_socket(self, sock: socket.socket, *args: Any, **values: Any) -> ssl.SSLSocket:  # type: ignore[override]
            firsts.append(exactly(sock, len(LOCAL)))
            return super().wrap_socket(sock, *args, **values)

    context = Announced(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.good, pki.good.with_suffix(".key"))

    async def story() -> None:
        opening = lambda node: NodeOpening(trust(pki.anchor), node, Complaints("pool"), announces=True)  # noqa: E731
        async with meet(opening, context=context) as check:
            assert check.heard == b"hello"

    asyncio.run(story())
    assert firsts == [LOCAL]


def test_what_the_node_ends_the_check_hears_of(pki: NodePki) -> None:
    def answer_and_close(sock: socket.socket) -> None:
        sock.sendall(b"whole" + sock.recv(100))

    async def story() -> None:
        opening = lambda node: NodeOpening(trust(pki.anchor), node, Complaints("pool"))  # noqa: E731
        async with meet(opening, answer_and_close, context=serving(pki.good)) as check:
            assert await asyncio.wait_for(check.ended, 10) is None
            assert check.heard == b"wholehello"

    asyncio.run(story())


def test_a_node_that_is_not_believed_hears_nothing(pki: NodePki, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[bytes] = []

    async def story() -> None:
        opening = lambda node: NodeOpening(trust(pki.clients_anchor), node, Complaints("checks of pool"))  # noqa: E731
        async with meet(opening, lambda sock: heard.append(sock.recv(100)), context=serving(pki.good)) as check:
            error = await check.ended
        assert isinstance(error, OpeningError)
        assert (error.untrusted, check.made, check.heard) == (True, 0, b"")

    with caplog.at_level(logging.WARNING, "settlegate.nodes"):
        asyncio.run(story())
    assert not any(heard)
    assert "its certificate is not accepted: unable to get local issuer certificate" in caplog.text


@pytest.mark.parametrize(
    ("words", "why"), [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "TLS handshake: "), (b"", "was broken off by the node")]
)
def test_a_node_that_speaks_no_tls(pki: NodePki, caplog: pytest.LogCaptureFixture, words: bytes, why: str) -> None:
    def plain(sock: socket.socket) -> None:
        sock.recv(4000)
        sock.sendall(words)

    async def story() -> None:
        async with meet(lambda node: NodeOpening(trust(pki.anchor), node, Complaints("pool")), plain) as check:
            error = await check.ended
        assert isinstance(error, OpeningError)
        assert (error.untrusted, check.made) == (False, 0)

    asyncio.run(story())
    assert why in caplog.text


def test_a_check_that_is_given_up_in_the_handshake_is_told_of_once(
    pki: NodePki, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as mute:
            check = Check()
            opening = NodeOpening(trust(pki.anchor), Address(*mute.getsockname()), Complaints("pool"))
            protocol = opening.wrap(check, port=mute.getsockname()[1])
            transport, _ = await loop.create_connection(lambda: protocol, *mute.getsockname())
            transport.abort()
            assert isinstance(await check.ended, OpeningError)

    asyncio.run(story())
    assert caplog.text.count("the TLS handshake did not end in time") == 1


def test_every_check_shakes_hands_in_full(pki: NodePki) -> None:
    """A certificate that has expired meanwhile shows at the next one."""
    context, tls, reused = serving(pki.good), trust(pki.anchor), []

    def note(sock: socket.socket) -> None:
        assert isinstance(sock, ssl.SSLSocket)
        reused.append(sock.session_reused)
        echo(sock)

    async def story() -> None:
        for _ in range(2):
            async with meet(lambda node: NodeOpening(tls, node, Complaints("pool")), note, context=context) as check:
                assert check.heard == b"hello"

    asyncio.run(story())
    assert reused == [False, False]
