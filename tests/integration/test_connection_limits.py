"""Limits on connections, on those not admitted yet, per address, and on an institution's rate of new requests."""

from __future__ import annotations

import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.gateway import HOSPITAL, PATIENCE, Gateway, eventually
from tests.support.nodes import RecordingNode

SHARE = 20
HEAD = b"GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n"


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode() as node:
        yield node


@contextmanager
def running(
    folder: Path, node: RecordingNode, limits: dict[str, object], *, workers: int = 1, **sections: object
) -> Iterator[Gateway]:
    listener = {"limits": limits, "timeouts": {"handshake": "60s", "head": "60s", "idle": "60s", "body": "60s"}}
    with Gateway(folder, nodes=[node.address], listener=listener, workers=workers, **sections) as gateway:
        yield gateway


def silent(gateway: Gateway, stack: ExitStack, source: str = "127.0.0.1") -> socket.socket:
    """Somebody who connects and never says a word."""
    where = ("127.0.0.1", gateway.port())
    return stack.enter_context(socket.create_connection(where, PATIENCE, (source, 0)))


def client_from(gateway: Gateway, stack: ExitStack, source: str) -> Client:
    raw = silent(gateway, stack, source)
    context = gateway.context(gateway.world.hospital)
    return stack.enter_context(Client(context.wrap_socket(raw, server_hostname="127.0.0.1")))


def enters(gateway: Gateway) -> bool:
    with gateway.connect() as client:
        return client.get("/").status == 200


def open_ones(strangers: list[socket.socket]) -> list[bool]:
    return [is_open(sock) for sock in strangers]


def is_open(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return bool(sock.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False


def refusals(gateway: Gateway, reason: str = "limit_exceeded") -> int:
    return int(gateway.metric(f'settlegate_refusals_total{{listener="settlement",reason="{reason}"}}'))


def connections(gateway: Gateway) -> int:
    return int(gateway.metric('settlegate_connections{listener="settlement"}'))


# ---- strangers have a share of their own


def test_a_newcomer_takes_the_place_of_whoever_has_been_silent_longest(tmp_path: Path, node: RecordingNode) -> None:
    with running(tmp_path, node, {"handshakes": SHARE}) as gateway, ExitStack() as stack:
        strangers = [silent(gateway, stack) for _ in range(3 * SHARE)]
        eventually(lambda: refusals(gateway) == 2 * SHARE)
        assert open_ones(strangers) == [False] * 2 * SHARE + [True] * SHARE
        with gateway.connect() as client:
            assert client.get("/").status == 200, "let in at the first attempt"
            eventually(lambda: connections(gateway) == SHARE)
            counted = eventually(lambda: gateway.access(reason="limit_exceeded", client=""))
            assert counted[0]["detail"].startswith("handshakes in flight: ")
            assert 2 <= len(gateway.access(reason="limit_exceeded")) <= 6, "a flood fills no disk"


def test_strangers_use_up_nobody_s_connections(tmp_path: Path, node: RecordingNode) -> None:
    with running(tmp_path, node, {"connections": 2, "handshakes": SHARE}) as gateway, ExitStack() as stack:
        for _ in range(2 * SHARE):
            silent(gateway, stack)
        eventually(lambda: connections(gateway) == SHARE)
        with gateway.connect() as first, gateway.connect() as second:
            assert [client.get("/").status for client in (first, second)] == [200, 200]
            with pytest.raises((OSError, ssl.SSLError)):
                gateway.connect()
            second.sock.close()
            eventually(lambda: enters(gateway))


def test_refused_ones_that_say_nothing_have_no_more_right_to_stay(tmp_path: Path, node: RecordingNode) -> None:
    with running(tmp_path, node, {"handshakes": SHARE}) as gateway, ExitStack() as stack:
        nameless = gateway.context()
        refused = [stack.enter_context(gateway.connect(context=nameless)) for _ in range(SHARE)]
        eventually(lambda: refusals(gateway, "certificate_missing") == SHARE)
        newcomer = stack.enter_context(gateway.connect(context=nameless))
        newcomer.send(HEAD)
        assert newcomer.response().problem["reason"] == "certificate_missing"
        assert refused[0].closed(), "the first to come is the first to go"
        refused[-1].send(HEAD)
        assert refused[-1].response().status == 403


def test_a_flood_from_one_address_puts_out_its_own(tmp_path: Path, node: RecordingNode) -> None:
    with running(tmp_path, node, {"handshakes": SHARE}) as gateway, ExitStack() as stack:
        honest = [silent(gateway, stack, "127.0.0.2") for _ in range(2)]  # somebody types a PIN
        eventually(lambda: connections(gateway) == 2)
        for _ in range(3 * SHARE):
            silent(gateway, stack, "127.0.0.3")
        eventually(lambda: refusals(gateway) == 2 * SHARE + 2)
        assert open_ones(honest) == [True, True]


def test_a_rush_of_honest_clients_is_let_in_whole(tmp_path: Path, node: RecordingNode) -> None:
    """Many more than the share at once, all from one address: each speaks, so none is put out before its turn."""
    with running(tmp_path, node, {"handshakes": SHARE}) as gateway, ExitStack() as stack:
        for _ in range(SHARE):
            silent(gateway, stack)
        context = gateway.context(gateway.world.hospital)
        clients = [stack.enter_context(gateway.connect(context=context)) for _ in range(5 * SHARE)]
        for client in clients:
            client.send(HEAD)
        assert Counter(client.response().status for client in clients) == {200: 5 * SHARE}


# ---- per address


def test_handshakes_per_address(tmp_path: Path, node: RecordingNode) -> None:
    with running(tmp_path, node, {"handshakes_per_address": 3}) as gateway, ExitStack() as stack:
        strangers = [silent(gateway, stack) for _ in range(5)]
        eventually(lambda: refusals(gateway) == 2)
        assert open_ones(strangers) == [False, False, True, True, True]
        elsewhere = [silent(gateway, stack, "127.0.0.2") for _ in range(3)]
        eventually(lambda: connections(gateway) == 6)
        assert all(open_ones(elsewhere))
        clients = [client_from(gateway, stack, "127.0.0.1") for _ in range(6)]
        assert [client.get("/").status for client in clients] == [200] * 6, "the admitted do not count"


def test_connections_per_address_hold_over_all_workers(tmp_path: Path, node: RecordingNode) -> None:
    with running(tmp_path, node, {"connections_per_address": 6}, workers=2) as gateway, ExitStack() as stack:
        clients = [client_from(gateway, stack, "127.0.0.1") for _ in range(6)]
        assert [client.get("/").status for client in clients] == [200] * 6
        for _ in range(4):
            with pytest.raises((OSError, ssl.SSLError)):
                client_from(gateway, stack, "127.0.0.1")
        assert refusals(gateway) == 4
        assert client_from(gateway, stack, "127.0.0.2").get("/").status == 200
        clients[0].sock.close()
        eventually(lambda: client_from(gateway, stack, "127.0.0.1").get("/").status == 200)


# ---- an institution's rate


def test_an_institution_s_rate_holds_over_all_workers(tmp_path: Path, node: RecordingNode) -> None:
    institutions = {HOSPITAL: {"limits": {"rate": "20/s"}}, "P410300017": {}}
    with running(tmp_path, node, {}, workers=2, institutions=institutions) as gateway, ExitStack() as stack:
        clients = [stack.enter_context(gateway.connect()) for _ in range(8)]
        start = time.monotonic()
        answers = [client.get("/") for _ in range(25) for client in clients]
        seconds = time.monotonic() - start
        statuses = Counter(answer.status for answer in answers)
        assert set(statuses) == {200, 429}
        assert statuses[200] <= 20 + 20 * seconds + 2
        assert statuses[200] >= min(len(answers), 20 + 20 * seconds) - 4
        last = next(answer for answer in answers if answer.status == 429)
        assert last.problem["reason"] == "limit_exceeded"
        assert int(last.value("retry-after") or 0) == 1
        assert refusals(gateway) == statuses[429]
        with gateway.connect(gateway.world.pharmacy) as other:
            assert other.get("/").status == 200, "the limit is the institution's own"
        eventually(lambda: clients[0].get("/").status == 200, within=5)
