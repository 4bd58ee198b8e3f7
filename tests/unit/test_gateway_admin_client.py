"""The client of the admin API against the real API, and against whatever else may listen on that port."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from gateway.admin_client import AdminClient, ForeignAnswerError, NoAnswerError, RefusedError
from monitoring.centre import ReloadResult, ReloadUnderWayError
from settings.types import Address
from tests.support.fake_admin import AdminServer, FakeCentre, node


@pytest.fixture
def server() -> Iterator[AdminServer]:
    with AdminServer(FakeCentre()) as running:
        yield running


def _client(server: AdminServer) -> AdminClient:
    return AdminClient(Address("127.0.0.1", server.port))


class Stranger:
    """Something on a port that says the same octets to everybody; None: nothing at all."""

    def __init__(self, answer: bytes | None) -> None:
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.address = Address(*self._sock.getsockname()[:2])
        self._answer = answer
        self._thread = threading.Thread(target=self._serve)
        self._ended = threading.Event()

    def _serve(self) -> None:
        peer, _ = self._sock.accept()
        with peer:
            if self._answer is None:
                self._ended.wait(10)
                return
            peer.recv(65536)
            peer.sendall(self._answer)

    def __enter__(self) -> AdminClient:
        self._thread.start()
        return AdminClient(self.address, timeout=0.2 if self._answer is None else 5.0)

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(10)
        self._sock.close()


def _http(body: str, status: str = "200 OK", kind: str = "application/json") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def test_pools_and_version(server: AdminServer) -> None:
    pools = _client(server).pools()
    assert pools["settlement"]["nodes"]["127.0.0.1:18101"] == node()
    assert _client(server).version() == {"settlegate": "0.1.0"}


def test_a_node_is_set(server: AdminServer) -> None:
    assert _client(server).set_admin("settlement", "[::1]:18102", "drain")["state"] == "draining"
    assert server.centre.nodes["settlement"]["[::1]:18102"]["state"] == "draining"


@pytest.mark.parametrize("name", ["../../reload", "a/b", "a?b", "门诊 1", "%2e%2e", "a#b"])
def test_odd_names_reach_the_gateway_as_they_are(server: AdminServer, name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        _client(server).set_admin(name, "127.0.0.1:1", "ready")
    assert caught.value.reason == "unknown_pool"
    assert f'"{name}"' in str(caught.value)


def test_a_reload_and_its_refusals(server: AdminServer) -> None:
    assert _client(server).reload() == (2, ("pool clinic added",))
    server.centre.result = ReloadResult(False, 2, ("gateway.yaml:1:1: wrong",))
    with pytest.raises(RefusedError) as caught:
        _client(server).reload()
    assert (caught.value.status, caught.value.problems) == (422, ("gateway.yaml:1:1: wrong",))
    server.centre.result = ReloadUnderWayError()
    with pytest.raises(RefusedError) as caught:
        _client(server).reload()
    assert (caught.value.status, caught.value.reason) == (409, "reload_under_way")


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        address = Address(*sock.getsockname()[:2])
    with pytest.raises(NoAnswerError, match="Connection refused"):
        AdminClient(address).pools()


def test_somebody_who_never_answers() -> None:
    with Stranger(None) as client, pytest.raises(NoAnswerError, match="does not answer in time"):
        client.pools()


@pytest.mark.parametrize(
    "answer",
    [
        b"220 mail.example ESMTP\r\n",
        b"",
        _http("<html>hello</html>", kind="text/html"),
        _http("[]"),
        _http('{"settlement": 3}'),
        _http('{"settlement": {"nodes": []}}'),
        _http('{"settlement": {"nodes": {"127.0.0.1:1": {"state": "up"}}}}'),
        _http('{"settlement": {"nodes": {"127.0.0.1:1": null}}}'),
        _http('{"error": "not found"}', "404 Not Found"),
    ],
)
def test_somebody_else_is_not_believed(answer: bytes) -> None:
    with Stranger(answer) as client, pytest.raises((ForeignAnswerError, NoAnswerError)):
        client.pools()


@pytest.mark.parametrize("body", ["{}", '{"generation": "2"}', '{"generation": 2, "notices": "x"}'])
def test_a_reload_is_not_taken_for_done_on_a_strange_answer(body: str) -> None:
    with Stranger(_http(body)) as client, pytest.raises(ForeignAnswerError):
        client.reload()
