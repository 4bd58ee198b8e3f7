"""Which node gets a request: least connections by weight over all workers, backups, drain, limits, health checks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psutil
import pytest

from tests.support.answers import ok
from tests.support.client import Client
from tests.support.faults import all_returned
from tests.support.gateway import Gateway, eventually
from tests.support.nodes import Call, Recorded, RecordingNode

INTERVAL, TIMEOUT, FALL, RISE = 0.2, 0.1, 3, 2
SLACK = 0.7
CHECK = {"http": {"path": "/healthz"}, "interval": "200ms", "timeout": "100ms", "fall": FALL, "rise": RISE}


class Node:
    """Answers with its name, when it is allowed to, and is as healthy as it is told to be."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.healthy = True
        self.open = threading.Event()
        self.open.set()
        self.recording = RecordingNode(self._answer)

    def _answer(self, call: Call) -> bytes:
        if call.request.target == b"/healthz":
            return ok(status=200 if self.healthy else 500)
        self.open.wait(20)
        return ok(self.name.encode())

    @property
    def address(self) -> str:
        return self.recording.address

    @property
    def requests(self) -> list[Recorded]:
        return [request for request in self.recording.requests if request.target != b"/healthz"]


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Node, Node]]:
    one, other = Node("one"), Node("other")
    with one.recording, other.recording:
        yield one, other


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, pair: tuple[Node, Node]) -> Iterator[Gateway]:
    one, other = (node.address for node in pair)
    pools: dict[str, dict[str, Any]] = {
        "weighted": {"nodes": [{"address": one, "weight": 2}, {"address": other}]},
        "fair": {"nodes": [{"address": one}, {"address": other}]},
        "drained": {"nodes": [{"address": one}, {"address": other}]},
        "limited": {"nodes": [{"address": one, "max_requests": 2}, {"address": other, "max_requests": 1}]},
        "backed": {"nodes": [{"address": one}, {"address": other, "backup": True}], "checks": [CHECK]},
        "checked": {"nodes": [{"address": one}, {"address": other}], "checks": [CHECK]},
    }
    with Gateway(
        tmp_path_factory.mktemp("balancing"),
        workers=2,
        routes=[{"name": name, "path": f"/{name}/", "pool": name} for name in pools],
        pools={name: pool | {"slow_start": "0s"} for name, pool in pools.items()},
    ) as gateway:
        yield gateway


@pytest.fixture
def gateway(running: Gateway, pair: tuple[Node, Node]) -> Iterator[Gateway]:
    for node in pair:
        node.recording.requests.clear()
    yield running
    for node in pair:
        node.open.set()
        node.healthy = True
    all_returned(running)


@pytest.fixture
def one(pair: tuple[Node, Node]) -> Node:
    return pair[0]


@pytest.fixture
def other(pair: tuple[Node, Node]) -> Node:
    return pair[1]


def ask(client: Client, pool: str) -> None:
    client.send(f"GET /{pool}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())


@contextmanager
def crowd(gateway: Gateway, size: int) -> Iterator[list[Client]]:
    """Clients whose connections the kernel has spread over both workers."""
    with ExitStack() as stack:
        clients = [stack.enter_context(gateway.connect()) for _ in range(size)]
        port = gateway.port()

        def connections(pid: int) -> int:
            found = psutil.Process(pid).net_connections("tcp4")
            return sum(entry.laddr.port == port and entry.status == psutil.CONN_ESTABLISHED for entry in found)

        assert all(connections(pid) for pid in gateway.workers()), "one in a million, or SO_REUSEPORT is gone"
        yield clients


def in_flight(gateway: Gateway, pool: str, *nodes: Node) -> list[int]:
    view = gateway.get("/api/v1/pools")[pool]["nodes"]
    return [view[node.address]["requests"] for node in nodes]


def test_slow_answers_are_shared_by_weight_over_all_workers(gateway: Gateway, one: Node, other: Node) -> None:
    one.open.clear()
    other.open.clear()
    with crowd(gateway, 24) as clients:
        for client in clients:
            ask(client, "weighted")
        eventually(lambda: sum(in_flight(gateway, "weighted", one, other)) == 24)
        heavy, light = in_flight(gateway, "weighted", one, other)
        assert heavy + light == 24
        assert 15 <= heavy <= 17, "each worker sees the others' leases: off by no more than workers - 1"
        one.open.set()
        other.open.set()
        assert {client.response().status for client in clients} == {200}


def test_whoever_is_slow_gets_less(gateway: Gateway, one: Node, other: Node) -> None:
    one.open.clear()
    other.open.clear()
    with crowd(gateway, 20) as clients:
        for client in clients[:8]:
            ask(client, "fair")
        eventually(lambda: sum(in_flight(gateway, "fair", one, other)) == 8)
        other.open.set()
        eventually(lambda: in_flight(gateway, "fair", other) == [0])
        assert in_flight(gateway, "fair", one)[0] >= 3
        for client in clients[8:]:
            assert client.get("/fair/").body == b"other"
        one.open.set()


@pytest.mark.parametrize(("pool", "share"), [("fair", 20), ("weighted", 40)])
def test_idle_nodes_take_turns_by_weight(gateway: Gateway, one: Node, other: Node, pool: str, share: int) -> None:
    """Nothing is in flight when a request comes, so that only the turn decides, in each worker for itself."""
    total = 40 if pool == "fair" else 60
    with crowd(gateway, 10) as clients:
        for number in range(total):
            ask(clients[number % len(clients)], pool)
            assert clients[number % len(clients)].response().status == 200
    assert abs(len(one.requests) - share) <= 4
    assert len(one.requests) + len(other.requests) == total


def test_a_backup_serves_only_while_no_primary_is_up(gateway: Gateway, one: Node, other: Node) -> None:
    with gateway.connect() as client:
        for _ in range(6):
            assert client.get("/backed/").body == b"one"
        one.healthy = False
        eventually(lambda: gateway.node(one.address, "backed")["state"] == "down")
        eventually(lambda: client.get("/backed/").body == b"other", within=1)
        for _ in range(6):
            assert client.get("/backed/").body == b"other"
        one.healthy = True
        eventually(lambda: gateway.node(one.address, "backed")["state"] == "up")
        eventually(lambda: client.get("/backed/").body == b"one", within=1)
        for _ in range(6):
            assert client.get("/backed/").body == b"one"


def test_a_drained_node_finishes_what_it_has_and_gets_nothing_new(gateway: Gateway, one: Node, other: Node) -> None:
    one.open.clear()
    with crowd(gateway, 8) as clients:
        for client in clients[:4]:
            ask(client, "drained")
        eventually(lambda: len(one.requests) + len(other.requests) == 4)
        running = in_flight(gateway, "drained", one)[0]
        assert running == len(one.requests) > 0
        status, view = gateway.post(f"/api/v1/pools/drained/nodes/{one.address}/drain")
        assert (status, view["state"]) == (200, "draining")
        eventually(lambda: gateway.node(one.address, "drained")["state"] == "draining")
        before = len(one.requests)
        for client in clients[4:] * 4:
            assert client.get("/drained/").body == b"other"
        assert len(one.requests) == before
        assert in_flight(gateway, "drained", one)[0] == running, "what runs is not cut"
        one.open.set()
        assert {client.response().status for client in clients[:4]} == {200}
        eventually(lambda: in_flight(gateway, "drained", one)[0] == 0)
        assert gateway.post(f"/api/v1/pools/drained/nodes/{one.address}/ready")[0] == 200
        eventually(lambda: clients[0].get("/drained/").body == b"one")


def test_with_every_node_drained_clients_are_asked_to_come_back(gateway: Gateway, one: Node, other: Node) -> None:
    for node in (one, other):
        gateway.post(f"/api/v1/pools/drained/nodes/{node.address}/maintenance")
    with gateway.connect() as client:
        eventually(lambda: client.get("/drained/").status == 503)
        answer = client.get("/drained/")
        assert answer.problem["reason"] == "no_node"
        assert answer.problem["cause"] == "drained: 0 of 2 (2 maintenance)"
        assert answer.value("retry-after")
        for node in (one, other):
            gateway.post(f"/api/v1/pools/drained/nodes/{node.address}/ready")
        eventually(lambda: client.get("/drained/").status == 200)


def test_no_node_gets_more_than_its_max_requests(gateway: Gateway, one: Node, other: Node) -> None:
    one.open.clear()
    other.open.clear()
    with ExitStack() as stack:
        clients = [stack.enter_context(gateway.connect()) for _ in range(4)]
        for number, client in enumerate(clients[:3], 1):
            ask(client, "limited")
            eventually(lambda: sum(in_flight(gateway, "limited", one, other)) == number)  # noqa: B023
        assert in_flight(gateway, "limited", one, other) == [2, 1]
        answer = clients[3].get("/limited/")
        assert (answer.status, answer.problem["reason"]) == (503, "queue_full")
        assert answer.value("retry-after")
        assert "all at max_requests" in answer.problem["cause"]
        one.open.set()
        other.open.set()
        assert {client.response().status for client in clients[:3]} == {200}
        eventually(lambda: sum(in_flight(gateway, "limited", one, other)) == 0)
        assert clients[3].get("/limited/").status == 200


def test_a_failing_node_leaves_in_time_and_returns_and_no_client_notices(
    gateway: Gateway, one: Node, other: Node
) -> None:
    answers: list[tuple[int, bytes]] = []
    stop = threading.Event()

    def claims() -> None:
        with gateway.connect() as client:
            while not stop.wait(0.005):
                answer = client.post("/checked/", b"claim")
                answers.append((answer.status, answer.body))

    threads = [threading.Thread(target=claims) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: {body for _, body in answers} == {b"one", b"other"})
        one.healthy = False
        start = time.monotonic()
        eventually(lambda: gateway.node(one.address, "checked")["state"] == "down")
        assert time.monotonic() - start <= FALL * INTERVAL + TIMEOUT + SLACK
        reason = gateway.node(one.address, "checked")["reason"]
        assert "500" in reason
        mark = len(answers) + len(threads)
        eventually(lambda: len(answers) > mark + 20)
        assert {body for _, body in answers[mark:]} == {b"other"}
        one.healthy = True
        start = time.monotonic()
        eventually(lambda: gateway.node(one.address, "checked")["state"] == "up")
        assert time.monotonic() - start <= RISE * INTERVAL + TIMEOUT + SLACK
        mark = len(answers)
        eventually(lambda: b"one" in {body for _, body in answers[mark:]})
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert {status for status, _ in answers} == {200}


def test_a_node_that_is_shut_down_and_started_again_costs_no_request(gateway: Gateway, one: Node, other: Node) -> None:
    with gateway.connect() as client:
        for _ in range(6):
            assert client.post("/checked/", b"claim").status == 200
        one.recording.stop()
        for _ in range(20):
            assert client.post("/checked/", b"claim").body == b"other"
        eventually(lambda: gateway.node(one.address, "checked")["state"] == "down")
        one.recording.start()
        eventually(lambda: gateway.node(one.address, "checked")["state"] == "up")
        eventually(lambda: client.post("/checked/", b"claim").body == b"one")
