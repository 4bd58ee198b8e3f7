"""A connection to a node that begins with a PROXY header."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from gateway.announcing import AnnouncingStream, say
from gateway.stream import StreamError


def play(story: Callable[[asyncio.AbstractEventLoop, socket.socket], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            await asyncio.wait_for(story(asyncio.get_running_loop(), server), 10)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


async def ended(stream: AnnouncingStream) -> str:
    """How the attempt ended, as its owner is told."""
    told = asyncio.get_running_loop().create_future()
    stream.on_drained = lambda: told.set_result("connected")
    stream.on_closed = lambda: told.set_result(f"closed: {stream.error}")
    return str(await told)


def test_the_header_is_there_before_anything_else() -> None:
    async def story(loop: asyncio.AbstractEventLoop, server: socket.socket) -> None:
        stream = AnnouncingStream.announce(loop, server.getsockname(), b"header")
        assert await ended(stream) == "connected"
        assert stream.write(b" request")
        peer, _ = server.accept()
        peer.settimeout(5)
        assert peer.recv(14, socket.MSG_WAITALL) == b"header request"
        peer.close()
        stream.on_closed = lambda: None
        stream.abort()

    play(story)


def test_a_node_that_refuses_is_told_of_as_by_any_stream() -> None:
    async def story(loop: asyncio.AbstractEventLoop, server: socket.socket) -> None:
        address = server.getsockname()
        server.close()
        assert await ended(AnnouncingStream.announce(loop, address, b"header")) == "closed: Connection refused"

    play(story)


def test_a_header_that_is_not_taken_whole_ends_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(loop: asyncio.AbstractEventLoop, server: socket.socket) -> None:
        monkeypatch.setattr("gateway.announcing.say", lambda *_: "the PROXY header was not taken")
        stream = AnnouncingStream.announce(loop, server.getsockname(), b"header")
        assert await ended(stream) == "closed: the PROXY header was not taken"

    play(story)


def test_what_the_kernel_says_of_a_header() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        assert say(ours, b"header") == ""
        assert theirs.recv(10) == b"header"
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        assert say(ours, b"x" * 1_000_000) in ("the PROXY header was not taken", "Message too long")
        theirs.close()
        assert say(ours, b"header") == "Broken pipe"


def test_out_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(loop: asyncio.AbstractEventLoop, server: socket.socket) -> None:
        def exhausted(*_: object) -> None:
            raise OSError(24, "Too many open files")

        with monkeypatch.context() as patch:
            patch.setattr(socket, "socket", exhausted)
            with pytest.raises(StreamError, match="Too many"):
                AnnouncingStream.announce(loop, server.getsockname(), b"")

    play(story)
