"""TLS to nodes in memory: who is believed, and which sessions may be resumed for how long."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL

from certs import binding
from certs.authority import Issued
from certs.config import UpstreamTLSConfig
from certs.upstream import SESSION_LIFETIME, SESSIONS_PER_NODE, NodeTLS, NodeTLSError, NodeUntrusted, upstream_files
from tests.support.node_tls import NAME, NodePki

NODE = "10.0.0.1:443"
VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> NodePki:
    return NodePki(tmp_path_factory.mktemp("pki"))


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Node:
    """A node of one certificate and one TLS version; its tickets are good for as long as it lives."""

    def __init__(self, issued: Issued, version: str = "1.3", *, tickets: bool = True) -> None:
        self.context = context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(VERSIONS[version])
        context.set_max_proto_version(VERSIONS[version])
        context.set_session_id(b"node")
        if not tickets:
            context.set_options(SSL.OP_NO_TICKET)
            context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.use_certificate(issued.certificate)
        for certificate in issued.chain:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(issued.key)  # type: ignore[arg-type]


def tls(pki: NodePki, clock: Clock | None = None, **settings: Any) -> NodeTLS:
    config = UpstreamTLSConfig(**{"anchors": (pki.anchor,), "server_name": NAME} | settings)
    files = {str(path): path.read_bytes() for path in upstream_files(config)}
    return NodeTLS.build(config, files, clock=clock or Clock())


FAILED: list[SSL.Connection] = []
"""Ours of the handshake under way: to ask what was wrong with it."""


def meet(ours: NodeTLS, node: Node, *, name: str = NODE, host: str = "10.0.0.1") -> tuple[SSL.Connection, bool]:
    """Handshake, one octet of the node's so that its tickets come, and whether it was a resumption."""
    client = ours.connect(name, host, None)
    FAILED[:] = [client]
    server = SSL.Connection(node.context, None)
    server.set_accept_state()
    for _ in range(10):
        for end, other in ((client, server), (server, client)):
            with suppress(SSL.WantReadError):
                end.do_handshake()
            move(end, other)
    ours.finish(client)
    server.send(b"x")
    move(server, client)
    assert client.recv(10) == b"x"
    return client, binding.session_reused(client)


def move(source: SSL.Connection, target: SSL.Connection) -> None:
    while True:
        try:
            target.bio_write(source.bio_read(65_536))
        except SSL.WantReadError:
            return


def good(pki: NodePki, **values: Any) -> Issued:
    return pki.issuing.issue("node", usage="server", **{"san": [NAME, "10.0.0.1"]} | values)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_offered_to_its_own_node_alone(pki: NodePki, version: str) -> None:
    ours, node = tls(pki), Node(good(pki), version)
    connection, reused = meet(ours, node)
    assert not reused
    assert connection.get_servername() == NAME.encode()
    ours.remember(connection)
    assert not meet(ours, node, name="10.0.0.2:443")[1]
    connection, reused = meet(ours, node)
    assert reused
    ours.remember(connection)
    assert meet(ours, node)[1]


def test_a_ticket_of_tls_1_3_is_used_once_and_one_of_1_2_again(pki: NodePki) -> None:
    for version, again in (("1.3", False), ("1.2", True)):
        ours, node = tls(pki), Node(good(pki), version)
        ours.remember(meet(ours, node)[0])
        connection, reused = meet(ours, node)
        assert reused
        assert meet(ours, node)[1] is again
        assert connection.get_state_string()  # still there: one that ends badly before its first octet takes it along


def test_no_more_sessions_are_kept_than_will_be_used(pki: NodePki) -> None:
    ours, node = tls(pki), Node(good(pki))
    made = [meet(ours, node)[0] for _ in range(SESSIONS_PER_NODE + 2)]
    for connection in made:
        ours.remember(connection)
    resumed = [meet(ours, node)[1] for _ in made]
    assert resumed == [True] * SESSIONS_PER_NODE + [False] * 2


def test_nodes_that_are_gone_leave_no_session(pki: NodePki) -> None:
    ours, node = tls(pki), Node(good(pki))
    ours.remember(meet(ours, node)[0])
    ours.retain({"another:443"})
    assert not meet(ours, node)[1]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_ends_with_its_hour_however_often_it_was_resumed(pki: NodePki, version: str) -> None:
    clock = Clock()
    ours, node = tls(pki, clock), Node(good(pki), version)
    ours.remember(meet(ours, node)[0])
    for _ in range(3):
        clock.now += SESSION_LIFETIME / 4
        connection, reused = meet(ours, node)
        assert reused
        ours.remember(connection)
    clock.now += SESSION_LIFETIME / 4 + 1
    assert not meet(ours, node)[1]


def test_a_clock_that_goes_back_trusts_nothing(pki: NodePki) -> None:
    clock = Clock()
    ours, node = tls(pki, clock), Node(good(pki))
    ours.remember(meet(ours, node)[0])
    clock.now -= 10
    assert not meet(ours, node)[1]


def test_a_node_that_does_not_want_its_session_gets_no_second_offer(pki: NodePki) -> None:
    ours, issued = tls(pki), good(pki)
    ours.remember(meet(ours, Node(issued, "1.2"))[0])
    restarted = Node(issued, "1.2")
    connection, reused = meet(ours, restarted)
    assert not reused
    ours.remember(connection)
    assert meet(ours, restarted)[1]


def test_a_node_without_sessions_is_met_anew_each_time(pki: NodePki) -> None:
    for version in VERSIONS:
        ours, node = tls(pki), Node(good(pki), version, tickets=False)
        for _ in range(2):
            connection, reused = meet(ours, node)
            assert not reused
            ours.remember(connection)


def test_a_revoked_node_is_not_believed_nor_its_session(pki: NodePki) -> None:
    issued = good(pki)
    lists = {"crls": (pki.crl, pki.root_crl)}
    before = tls(pki, **lists)
    meet(before, Node(issued))
    pki.revoke(issued)
    after = tls(pki, **lists)
    assert after != before
    with pytest.raises(NodeUntrusted, match="certificate_revoked"):
        meet(after, Node(issued))
    pki.revoke()


def test_a_list_that_becomes_stale_ends_its_sessions(pki: NodePki) -> None:
    clock = Clock()
    ours, node = tls(pki, clock, crls=(pki.crl, pki.root_crl)), Node(good(pki))
    ours.remember(meet(ours, node)[0])
    clock.now += 8 * 86_400
    with pytest.raises(NodeUntrusted, match="crl_stale"):
        meet(ours, node)
    assert meet(tls(pki, clock, crls=(pki.crl, pki.root_crl), stale_crl="warn"), node)


@pytest.mark.parametrize(
    ("san", "server_name", "host", "words"),
    [
        ([NAME], NAME, "10.0.0.1", ""),
        (["*.claims.internal"], "a.claims.internal", "10.0.0.1", ""),
        (["*.claims.internal"], "a.b.claims.internal", "10.0.0.1", "hostname mismatch"),
        (["10.0.0.1"], None, "10.0.0.1", ""),
        (["fd00::1"], None, "fd00::1", ""),
        (["fd00::1"], "fd00:0::1", "10.0.0.1", ""),
        ([NAME], None, NAME, ""),
        ([NAME], "NODE.internal", "10.0.0.1", ""),
        ([NAME], None, "10.0.0.1", "IP address mismatch"),
        (["10.0.0.1"], NAME, "10.0.0.1", "hostname mismatch"),
        (["10.0.0.2"], None, "10.0.0.1", "IP address mismatch"),
        (["n*.internal"], NAME, "10.0.0.1", "hostname mismatch"),
        (["*"], NAME, "10.0.0.1", "hostname mismatch"),
        (["x." + NAME], NAME, "10.0.0.1", "hostname mismatch"),
        ([], NAME, "10.0.0.1", "hostname mismatch"),
    ],
)
def test_names(pki: NodePki, san: list[str], server_name: str | None, host: str, words: str) -> None:
    ours = tls(pki, server_name=server_name)
    node = Node(pki.issuing.issue(NAME, usage="server", san=san))  # the CN says the name every time
    if not words:
        connection, _ = meet(ours, node, host=host)
        assert connection.get_servername() is None or b":" not in (connection.get_servername() or b"")
        return
    with pytest.raises(SSL.Error, match="certificate verify failed"):
        meet(ours, node, host=host)
    binding.forget_errors()
    assert ours.reason(FAILED[0], "") == f"its certificate is not accepted: {words}"


def test_the_reason_is_told_in_full(pki: NodePki) -> None:
    ours = tls(pki)
    client = ours.connect(NODE, "10.0.0.1", None)
    assert ours.reason(client, "") == "TLS handshake: cut off"
    assert ours.reason(client, "unexpected message") == "TLS handshake: unexpected message"


def test_a_connection_of_somebody_else_is_not_believed(pki: NodePki) -> None:
    ours = tls(pki)
    stranger = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    with pytest.raises(NodeUntrusted):
        ours.finish(stranger)
    ours.remember(stranger)
    ours.remember(ours.connect(NODE, "10.0.0.1", None))
    assert not meet(ours, Node(good(pki)))[1]


def test_identity_is_that_of_every_octet(pki: NodePki, tmp_path: Path) -> None:
    pair = {"certificate": pki.gateway, "key": pki.gateway.with_suffix(".key")}
    one = tls(pki)
    assert one == tls(pki)
    assert hash(one) == hash(tls(pki))
    others = [
        tls(pki, server_name="x.internal"),
        tls(pki, stale_crl="warn"),
        tls(pki, **pair),
        tls(pki, crls=(pki.crl,)),
    ]
    assert len({one, *others}) == 5
    assert NAME in repr(one)
    assert "(the host)" in repr(tls(pki, server_name=None))


def test_checks_have_their_own_pair_or_the_pool_s(pki: NodePki) -> None:
    pair = {"certificate": pki.gateway, "key": pki.gateway.with_suffix(".key")}
    own = {"check_certificate": pki.check, "check_key": pki.check.with_suffix(".key")}
    both = UpstreamTLSConfig(anchors=(pki.anchor,), **pair, **own)
    assert upstream_files(both) == (pki.anchor, *pair.values())
    assert upstream_files(both, for_checks=True) == (pki.anchor, *own.values())
    assert upstream_files(UpstreamTLSConfig(anchors=(pki.anchor,), **pair), for_checks=True)[1:] == (*pair.values(),)
    files = {str(path): path.read_bytes() for path in (pki.anchor, *own.values())}
    NodeTLS.build(both, files, for_checks=True)
    with pytest.raises(NodeTLSError):
        NodeTLS.build(both, files)


@pytest.mark.parametrize("bad", ["another key", "no certificate", "no key"])
def test_what_cannot_be_used_is_said(pki: NodePki, tmp_path: Path, bad: str) -> None:
    nonsense = tmp_path / "nonsense"
    nonsense.write_bytes(b"nonsense")
    certificate, key = pki.gateway, pki.gateway.with_suffix(".key")
    if bad == "another key":
        key = pki.check.with_suffix(".key")
    elif bad == "no certificate":
        certificate = nonsense
    else:
        key = nonsense
    with pytest.raises(NodeTLSError, match="cannot be used"):
        tls(pki, certificate=certificate, key=key)


def test_anchors_that_are_none_are_said(pki: NodePki, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="nonsense"):
        tls(pki, anchors=(nonsense,))
