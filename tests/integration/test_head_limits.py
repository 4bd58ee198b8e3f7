"""Limits of heads, as the configuration sets them: one below and at the limit pass, one above is refused by name."""

from __future__ import annotations

import copy
import socket
from collections.abc import Callable, Iterator

import pytest

from gateway.config import ListenerLimits
from tests.support.answers import ok
from tests.support.client import Client, Response
from tests.support.gateway import Gateway
from tests.support.lockstep import in_pieces
from tests.support.nodes import RecordingNode

LISTENERS = {
    "settlement": {"head": "32KiB", "fields": 128, "target": 8192},
    "narrow": {"head": "2KiB", "fields": 10, "target": 300},
    "wide": {"head": "64KiB", "fields": 1000, "target": "16KiB"},
}
SIZES = {
    "settlement": (32_768, 128, 8192),
    "narrow": (2048, 10, 300),
    "wide": (65_536, 1000, 16_384),
}
HOST = b"Host: gateway.test\r\n"


@pytest.fixture(scope="module")
def node() -> Iterator[RecordingNode]:
    with RecordingNode(ok(b"settled")) as node:
        yield node


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, node: RecordingNode) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("limits"), nodes=[node.address])
    listener = gateway.config["listeners"]["settlement"]
    gateway.config["listeners"] = {
        name: copy.deepcopy(listener) | {"limits": limits} for name, limits in LISTENERS.items()
    }
    with gateway:
        yield gateway


@pytest.fixture
def gateway(running: Gateway, node: RecordingNode) -> Gateway:
    node.requests.clear()
    return running


def head_of(size: int) -> bytes:
    """A GET with `size` octets before the empty line that ends its head, in one field."""
    start = b"GET /claims/ HTTP/1.1\r\n" + HOST + b"X-Fill: "
    return start + b"a" * (size - len(start)) + b"\r\n\r\n"


def fields_of(count: int) -> bytes:
    return b"GET /claims/ HTTP/1.1\r\n" + HOST + b"X: 1\r\n" * (count - 1) + b"\r\n"


def target_of(size: int) -> bytes:
    return b"GET /%b HTTP/1.1\r\n%b\r\n" % (b"a" * (size - 1), HOST)


def ask(gateway: Gateway, listener: str, data: bytes, *, singly: bool) -> Response:
    """The answer; behind a refusal the connection must be closed, behind an answer it must go on."""
    raw = socket.create_connection(("127.0.0.1", gateway.port(listener)), timeout=20)
    context = gateway.context(gateway.world.hospital)
    with Client(context.wrap_socket(raw, server_hostname="127.0.0.1")) as client:
        for piece in in_pieces(data) if singly else [data]:
            client.send(piece)
        answer = client.response()
        if answer.status == 200:
            assert client.get("/next").status == 200
        else:
            assert answer.value("connection") == "close"
            assert client.closed()
        return answer


LIMITS = [
    pytest.param(head_of, 0, 431, "head_too_large", id="head"),
    pytest.param(fields_of, 1, 431, "head_too_large", id="fields"),
    pytest.param(target_of, 2, 414, "target_too_long", id="target"),
]


@pytest.mark.parametrize("singly", [False, True], ids=["whole", "octets"])
@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize(("request_of", "which", "status", "reason"), LIMITS)
def test_the_limit_of_the_configuration_holds_to_the_octet(
    gateway: Gateway,
    node: RecordingNode,
    request_of: Callable[[int], bytes],
    which: int,
    status: int,
    reason: str,
    listener: str,
    singly: bool,
) -> None:
    limit = SIZES[listener][which]
    for size in (limit - 1, limit):
        assert ask(gateway, listener, request_of(size), singly=singly).status == 200
    assert len(node.requests) == 4, "two requests, and one behind each"
    answer = ask(gateway, listener, request_of(limit + 1), singly=singly)
    assert (answer.status, answer.problem["reason"]) == (status, reason)
    assert len(node.requests) == 4


def test_what_is_at_its_limit_reaches_the_node_whole(gateway: Gateway, node: RecordingNode) -> None:
    for listener, (head, fields, target) in SIZES.items():
        node.requests.clear()
        for data in (head_of(head), fields_of(fields), target_of(target)):
            ask(gateway, listener, data, singly=False)
        whole = [request for request in node.requests if request.target != b"/next"]
        assert len(whole[0].value(b"x-fill") or b"") == head - len(head_of(0)) + 4
        assert len(whole[1].values(b"x")) == fields - 1
        assert len(whole[2].target) == target


def test_the_defaults_are_the_first_of_these() -> None:
    assert ListenerLimits().model_dump(include={"head", "fields", "target"}) == dict(
        zip(("head", "fields", "target"), SIZES["settlement"], strict=True)
    )
