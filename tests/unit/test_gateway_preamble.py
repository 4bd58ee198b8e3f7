"""What a pool's connections begin with, and which kept ones may serve whom."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from certs.config import UpstreamTLSConfig
from certs.upstream import NodeTLS
from gateway.preamble import IDLE_FOR_ONE, Preamble, ends_of
from gateway.proxy_protocol import Ends
from tests.support.node_tls import NodePki

NODE = "10.0.0.1:443"
ONE = Ends(("192.0.2.7", 1111), ("198.51.100.1", 443))


def session(ends: Ends | None = None, sock: Any = None, client: str = "192.0.2.7") -> Any:
    return cast("Any", SimpleNamespace(ends=ends, client=client, stream=SimpleNamespace(sock=sock)))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> NodeTLS:
    pki = NodePki(tmp_path_factory.mktemp("pki"))
    return NodeTLS.build(UpstreamTLSConfig(anchors=(pki.anchor,)), {str(pki.anchor): pki.anchor.read_bytes()})


def test_connections_of_different_beginnings_have_different_keys(tls: NodeTLS) -> None:
    kinds = [
        NODE,
        Preamble("p", tls, announces=False).kind(NODE),
        Preamble("p", tls, announces=True).kind(NODE),
        Preamble("p", None, announces=True).kind(NODE),
    ]
    assert len(set(kinds)) == 4
    assert not any("|" in kind for kind in kinds)


def test_without_an_announcement_a_connection_serves_everybody(tls: NodeTLS) -> None:
    preamble = Preamble("p", tls, announces=False)
    assert preamble.key(NODE, session(ONE)) == preamble.kind(NODE)
    assert preamble.idle(300.0) == 300.0
    assert "announces=False" in repr(preamble)


def test_with_one_it_serves_one_client_at_one_address_of_ours() -> None:
    preamble = Preamble("p", None, announces=True)
    key = preamble.key(NODE, session(ONE))
    assert key.partition("|")[0] == preamble.kind(NODE)
    assert preamble.key(NODE, session(ONE._replace(source=("192.0.2.7", 2222)))) == key, "whatever its port"
    others = [
        ONE._replace(source=("192.0.2.8", 1111)),
        ONE._replace(destination=("198.51.100.2", 443)),
        ONE._replace(destination=("198.51.100.1", 444)),
    ]
    assert len({key, *(preamble.key(NODE, session(ends)) for ends in others)}) == 4
    assert (preamble.idle(300.0), preamble.idle(5.0)) == (IDLE_FOR_ONE, 5.0)


def test_what_stays_the_same_over_a_reload(tls: NodeTLS) -> None:
    before = Preamble("p", tls, announces=True)
    assert before.like(Preamble("p", tls, announces=True))
    assert not before.like(Preamble("p", tls, announces=False))
    assert not before.like(Preamble("p", None, announces=True))
    after = Preamble("p", None, announces=True, previous=before)
    assert after.complaints is before.complaints


def test_both_ends_are_asked_of_the_socket_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        ours, _ = server.accept()
        with ours:
            asked = session(sock=ours)
            assert ends_of(asked) == Ends(client.getsockname(), server.getsockname())
        assert ends_of(asked) == Ends(client.getsockname(), server.getsockname())


@pytest.mark.parametrize(("client", "here"), [("192.0.2.7", "0.0.0.0"), ("2001:db8::7", "::")])
def test_a_client_that_has_gone_has_its_address_still(client: str, here: str) -> None:
    gone = socket.socket()
    gone.close()
    assert ends_of(session(sock=gone, client=client)) == Ends((client, 0), (here, 0))


def test_what_was_announced_is_not_asked_of_the_socket(tmp_path: Path) -> None:
    assert ends_of(session(ONE)) is ONE
