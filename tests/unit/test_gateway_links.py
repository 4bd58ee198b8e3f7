"""Connections to nodes: which one is used again, which one never, and that nothing is remembered for too long."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import time
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from gateway import links as module
from gateway.links import Link, Links
from gateway.stream import StreamError

KEY = "node:80"


class Bench:
    """Links to a listener of our own, and the node's ends of them."""

    def __init__(self) -> None:
        self.links = Links(asyncio.get_running_loop())
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = self.server.getsockname()
        self.peers: list[socket.socket] = []

    async def dial(self, key: str = KEY) -> Link:
        link = self.links.dial(key, self.address)
        done = asyncio.get_running_loop().create_future()
        link.stream.on_drained = lambda: done.set_result(None)
        await done
        self.peers.append(self.server.accept()[0])
        return link

    async def kept(self, count: int = 1, key: str = KEY) -> list[Link]:
        made = [await self.dial(key) for _ in range(count)]
        for link in made:
            self.links.give_back(link)
        return made

    def close(self) -> None:
        self.links.close()
        for peer in self.peers:
            peer.close()
        self.server.close()


def play(story: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        bench = Bench()
        try:
            await asyncio.wait_for(story(bench), 10)
        finally:
            bench.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


async def until(true: Callable[[], object]) -> None:
    while not true():
        await asyncio.sleep(0.002)


def test_the_link_used_last_is_used_first() -> None:
    async def story(bench: Bench) -> None:
        first, second = await bench.kept(2)
        assert bench.links.idle(KEY) == 2
        assert bench.links.take(KEY) is second
        assert bench.links.take(KEY) is first
        assert bench.links.take(KEY) is None
        assert bench.links.take("another:80") is None
        assert (first.exchanges, second.exchanges) == (1, 1)
        assert KEY in repr(first)
        bench.links.give_back(first)
        assert bench.links.take(KEY) is first
        assert first.exchanges == 2
        first.let_go()
        second.let_go()

    play(story)


@pytest.mark.parametrize("ending", ["closed", "reset", "spoke"])
def test_a_link_that_its_node_has_ended_is_not_used_even_before_the_loop_knows(ending: str) -> None:
    async def story(bench: Bench) -> None:
        (link,) = await bench.kept()
        (peer,) = bench.peers
        if ending == "spoke":
            peer.sendall(b"HTTP/1.1 200 OK\r\n")
        else:
            if ending == "reset":
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
        deadline = time.monotonic() + 5
        while link.alive():
            assert time.monotonic() < deadline
        assert bench.links.take(KEY) is None
        assert link.stream.closed
        assert bench.links.idle(KEY) == 0

    play(story)


@pytest.mark.parametrize("ending", ["closed", "spoke"])
def test_an_idle_link_that_its_node_ends_is_forgotten(ending: str) -> None:
    async def story(bench: Bench) -> None:
        first, second = await bench.kept(2)
        if ending == "spoke":
            bench.peers[0].sendall(b"unasked")
        else:
            bench.peers[0].close()
        await until(lambda: bench.links.idle(KEY) == 1)
        assert first.stream.closed
        assert bench.links.take(KEY) is second
        second.let_go()

    play(story)


@pytest.mark.parametrize("why", ["too many", "closed", "failed"])
def test_a_link_that_cannot_be_kept_ends_without_telling_its_last_exchange(
    why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has been answered: an error now would cut its client off."""
    monkeypatch.setattr(module, "IDLE_LINKS_PER_NODE", 1)

    async def story(bench: Bench) -> None:
        if why == "too many":
            await bench.kept()
        link = await bench.dial()
        told: list[str] = []
        link.stream.on_closed = link.stream.on_readable = lambda: told.append("exchange")
        if why == "closed":
            link.stream.close()
        elif why == "failed":
            link.stream.error = "reset"
        bench.links.give_back(link)
        assert link.stream.fd == -1
        assert not told
        assert bench.links.idle(KEY) == (1 if why == "too many" else 0)

    play(story)


def test_an_idle_link_keeps_nothing_of_its_last_exchange_alive() -> None:
    """An exchange holds its session, and that the memory of a TLS connection."""

    class Exchange:
        def listen(self) -> None: ...

    async def story(bench: Bench) -> None:
        link = await bench.dial()
        exchange = Exchange()
        stream = link.stream
        stream.on_readable = stream.on_drained = stream.on_closed = exchange.listen
        bench.links.give_back(link)
        gone = weakref.ref(exchange)
        del exchange
        gc.collect()
        assert gone() is None

    play(story)


def test_links_expire_by_age_and_with_their_node() -> None:
    async def story(bench: Bench) -> None:
        old, young = await bench.kept(2)
        (stranger,) = await bench.kept(key="removed:80")
        old.idle_since -= 100
        bench.links.expire(time.monotonic(), {KEY: 50.0})
        assert (old.stream.closed, young.stream.closed, stranger.stream.closed) == (True, False, True)
        assert (bench.links.idle(KEY), bench.links.idle("removed:80")) == (1, 0)
        young.idle_since -= 100
        bench.links.expire(time.monotonic(), {KEY: 50.0})
        assert young.stream.closed
        assert bench.links.take(KEY) is None
        bench.links.discard(young)

    play(story)


def test_links_for_one_client_alone_expire_with_their_kind() -> None:
    async def story(bench: Bench) -> None:
        (one,) = await bench.kept(key=f"{KEY} proxy|192.0.2.7")
        (other,) = await bench.kept(key=f"{KEY} proxy|192.0.2.8")
        assert bench.links.take(f"{KEY} proxy|192.0.2.9") is None
        one.idle_since -= 100
        bench.links.expire(time.monotonic(), {f"{KEY} proxy": 50.0})
        assert (one.stream.closed, other.stream.closed) == (True, False)
        bench.links.expire(time.monotonic(), {KEY: 50.0})
        assert other.stream.closed

    play(story)


def test_closing_ends_every_idle_link() -> None:
    async def story(bench: Bench) -> None:
        made = [*await bench.kept(2), *await bench.kept(key="another:80")]
        bench.links.close()
        assert all(link.stream.closed for link in made)
        assert bench.links.idle(KEY) == 0

    play(story)


def test_letting_go_may_flush_first_and_tells_nobody() -> None:
    async def story(bench: Bench) -> None:
        link = await bench.dial()
        told: list[str] = []
        link.stream.on_closed = lambda: told.append("closed")
        link.stream.write(b"x" * (4 << 20))
        link.let_go(flush=True)
        loop = asyncio.get_running_loop()
        (peer,) = bench.peers
        got = await loop.run_in_executor(None, lambda: len(b"".join(iter(lambda: peer.recv(1 << 20), b""))))
        assert got == 4 << 20
        peer.close()
        await until(lambda: link.stream.fd == -1)
        assert not told

    play(story)


def test_a_node_that_cannot_be_dialled_is_a_stream_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(bench: Bench) -> None:
        def exhausted(*_: object) -> None:
            raise OSError(24, "Too many open files")

        with monkeypatch.context() as patch:
            patch.setattr(socket, "socket", exhausted)
            with pytest.raises(StreamError, match="Too many"):
                bench.links.dial(KEY, bench.address)

    play(story)
