"""The search for a node: on to the next one while nothing has been sent, never afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from types import SimpleNamespace
from typing import Any, cast

import pytest

from balancer.node import Node, NodeState
from balancer.pool import NoNodeReady
from gateway.errors import GatewayError, NodeUnreachable, NoNode, QueueFull
from gateway.stream import StreamError
from tests.support import pure

Placement = pure.load("gateway.placement").Placement


class FakeStream:
    def __init__(self) -> None:
        self.on_drained: Callable[[], None] = lambda: None
        self.on_closed: Callable[[], None] = lambda: None
        self.error = ""


class FakeLink:
    def __init__(self, key: str, exchanges: int = 0) -> None:
        self.key = key
        self.exchanges = exchanges
        self.stream = FakeStream()
        self.gone = False

    def let_go(self) -> None:
        self.gone = True


class FakeLease:
    def __init__(self, node: Node) -> None:
        self.node = node
        self.ends: list[bool] = []

    def release(self, *, failed: bool = False) -> None:
        self.ends.append(failed)


class World:
    """Three nodes, in turn; what is counted; and the search under test."""

    def __init__(self, *, retries: int = 2, nodes: int = 3, full: bool = False) -> None:
        self.nodes = [Node(f"n{number}:80", number) for number in range(nodes)]
        self.full = full
        self.leases: list[FakeLease] = []
        self.idle: dict[str, list[FakeLink]] = {}
        self.dialled: list[FakeLink] = []
        self.undiallable: set[str] = set()
        self.retried = 0
        self.failures: Counter[int] = Counter()
        self.sent: list[FakeLink] = []
        self.unsendable: list[FakeLink] = []
        self.given_up: list[GatewayError] = []
        pool = SimpleNamespace(
            name="pool",
            slot=0,
            balancer=self,
            endpoints={node.address: ("127.0.0.1", 80) for node in self.nodes},
            retries=retries,
            connect_timeout=3.0,
            preamble=None,
        )
        worker = SimpleNamespace(links=self, count=self)
        self.search = Placement(cast("Any", worker), cast("Any", pool), self._send, self.given_up.append)

    # the balancer's part

    def lease(self, exclude: Collection[str]) -> FakeLease:
        for node in self.nodes:
            if node.address not in exclude:
                self.leases.append(FakeLease(node))
                return self.leases[-1]
        raise NoNodeReady("pool", Counter({NodeState.UP: len(self.nodes)}), tried=len(exclude), full=self.full)

    # the links' part

    def take(self, key: str) -> FakeLink | None:
        return self.idle.get(key, []).pop() if self.idle.get(key) else None

    def dial(self, key: str, _address: object) -> FakeLink:
        if key in self.undiallable:
            raise StreamError("Too many open files")
        self.dialled.append(FakeLink(key))
        return self.dialled[-1]

    # the counters' part

    def retry(self, _slot: int) -> None:
        self.retried += 1

    def node_failed(self, slot: int) -> None:
        self.failures[slot] += 1

    def _send(self, link: Any) -> None:
        if link in self.unsendable:
            self.search.again("Broken pipe")
        else:
            self.sent.append(link)

    # what the loop would tell

    def refuse(self) -> None:
        self.dialled[-1].stream.error = "Connection refused"
        self.dialled[-1].stream.on_closed()

    def connect(self) -> None:
        self.dialled[-1].stream.on_drained()

    @property
    def held(self) -> list[FakeLease]:
        return [lease for lease in self.leases if not lease.ends]


def test_a_kept_link_is_used_at_once() -> None:
    world = World()
    link = FakeLink("n0:80", exchanges=3)
    world.idle["n0:80"] = [link]
    world.search.start()
    assert world.sent == [link]
    assert not world.dialled
    assert (world.search.deadline, world.search.attempts, world.search.node) == (0.0, 1, "n0:80")
    assert world.search.slot == 0
    world.search.release()
    world.search.release()
    assert world.leases[0].ends == [False]
    assert world.search.slot == -1


def test_a_new_link_is_used_when_it_stands_and_has_a_deadline_until_then() -> None:
    world = World()
    world.search.start()
    assert world.search.deadline > 0
    assert not world.sent
    assert "n0:80" in repr(world.search)
    world.connect()
    assert world.sent == world.dialled
    assert world.search.deadline == 0
    assert len(world.held) == 1


@pytest.mark.parametrize("how", ["refused", "timed out", "not even begun", "broken before the first octet"])
def test_what_fails_before_the_first_octet_goes_to_the_next_node(how: str) -> None:
    world = World()
    if how == "not even begun":
        world.undiallable = {"n0:80"}
    world.search.start()
    if how == "refused":
        world.refuse()
    elif how == "timed out":
        world.search.expire()
    elif how.startswith("broken"):
        world.unsendable = world.dialled[:]
        world.connect()
    world.connect()
    assert [link.key for link in world.sent] == ["n1:80"]
    assert (world.search.attempts, world.retried, world.failures) == (2, 1, Counter({0: 1}))
    assert world.leases[0].ends == [True]
    assert len(world.held) == 1
    if how != "not even begun":
        assert world.dialled[0].gone


def test_a_stale_link_says_nothing_about_its_node() -> None:
    """All of them may be stale, after an hour: the node is asked by a new connection before another is."""
    world = World(retries=0)
    world.unsendable = [FakeLink("n0:80", exchanges=1), FakeLink("n0:80", exchanges=2)]
    world.idle["n0:80"] = world.unsendable[:]
    world.search.start()
    assert all(link.gone for link in world.unsendable)
    world.connect()
    assert [link.key for link in world.sent] == ["n0:80"]
    assert world.search.attempts == 3
    assert not world.failures
    assert len(world.held) == 1


@pytest.mark.parametrize(("retries", "tried"), [(0, 1), (1, 2), (2, 3), (9, 3)])
def test_the_search_ends_with_the_last_failure(retries: int, tried: int) -> None:
    world = World(retries=retries)
    world.search.start()
    while not world.given_up:
        world.refuse()
    (error,) = world.given_up
    assert isinstance(error, NodeUnreachable)
    assert error.detail == f"n{tried - 1}:80: Connection refused"
    assert (world.search.attempts, world.retried, sum(world.failures.values())) == (tried, tried - 1, tried)
    assert not world.held
    assert world.search.link is None
    assert world.search.deadline == 0


def test_a_timeout_says_how_long_was_waited() -> None:
    world = World(nodes=1)
    world.search.start()
    world.search.expire()
    assert world.given_up[0].detail == "n0:80: no connection within 3 s"


@pytest.mark.parametrize(("full", "error"), [(False, NoNode), (True, QueueFull)])
def test_without_a_node_to_begin_with_the_pool_s_words_are_told(full: bool, error: type[GatewayError]) -> None:
    world = World(nodes=0, full=full)
    with pytest.raises(error) as caught:
        world.search.start()
    assert type(caught.value) is error
    assert caught.value.detail.startswith("pool: 0 of 0")
    assert not world.given_up


def test_a_late_word_of_a_link_that_was_let_go_changes_nothing() -> None:
    world = World()
    world.search.start()
    world.refuse()
    world.connect()
    world.search.link = None  # the exchange has ended meanwhile
    world.dialled[1].stream.on_drained()
    assert len(world.sent) == 1


def test_a_pool_s_preamble_decides_which_link_serves_whom() -> None:
    world = World()
    client = cast("Any", object())
    asked: list[tuple[str, object]] = []

    def key(node: str, session: object) -> str:
        asked.append((node, session))
        return f"{node} tls|{id(session)}"

    def dial(links: World, node: str, address: object, session: object) -> FakeLink:
        assert session is client
        return links.dial(node, address)

    world.search.pool.preamble = SimpleNamespace(key=key, dial=dial)  # type: ignore[misc]
    world.search = Placement(
        cast("Any", SimpleNamespace(links=world, count=world)),
        world.search.pool,
        world._send,
        world.given_up.append,
        client,
    )
    world.search.start()
    world.refuse()
    world.connect()
    assert [link.key for link in world.sent] == ["n1:80"]
    assert asked == [("n0:80", client), ("n1:80", client)]
    world.search.release()
    kept = FakeLink("n0:80", exchanges=1)
    world.idle[key("n0:80", client)] = [kept]
    again = Placement(
        cast("Any", SimpleNamespace(links=world, count=world)),
        world.search.pool,
        world._send,
        world.given_up.append,
        client,
    )
    again.start()
    assert world.sent[-1] is kept
