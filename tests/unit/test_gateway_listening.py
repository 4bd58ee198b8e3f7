"""Listening sockets: one per worker and address, all or none, and never shared with a stranger."""

from __future__ import annotations

import gc
import logging
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import listening
from gateway.listening import ListenError, Sockets
from settings.types import Address
from tests.support.operations import own_descriptors


def config(workers: int = 2, **listeners: list[Address]) -> Any:
    """As much of a configuration as is looked at."""
    return SimpleNamespace(
        workers=workers, listeners={name: SimpleNamespace(bind=tuple(bind)) for name, bind in listeners.items()}
    )


ANY = Address("127.0.0.1", 0)


@pytest.fixture
def opened() -> Iterator[Sockets]:
    sockets = listening.open_missing(config(one=[ANY]), {})
    yield sockets
    listening.close(sockets)


def port(sockets: Sockets, name: str = "one") -> int:
    return int(next(several for key, several in sockets.items() if key[0] == name)[0].getsockname()[1])


def test_each_worker_has_a_socket_and_all_have_the_same_port(opened: Sockets) -> None:
    (several,) = opened.values()
    assert len(several) == 2
    assert len({sock.getsockname() for sock in several}) == 1
    assert all(not sock.getblocking() and not sock.get_inheritable() for sock in several)
    socket.create_connection(several[0].getsockname(), timeout=5).close()


def test_only_what_is_missing_is_opened(opened: Sockets) -> None:
    assert listening.open_missing(config(one=[ANY]), opened) == {}
    more = listening.open_missing(config(one=[ANY, Address("127.0.0.2", 0)]), opened)
    assert list(more) == [("one", "127.0.0.2:0")]
    listening.close(more)


def test_ipv6_is_ipv6_alone() -> None:
    try:
        opened = listening.open_missing(config(six=[Address("::1", 0)]), {})
    except ListenError:
        pytest.skip("no IPv6 on this host")
    (several,) = opened.values()
    assert several[0].getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    assert listening.local_address(several[0]) == f"[::1]:{several[0].getsockname()[1]}"
    listening.close(opened)


def test_all_or_none_are_opened() -> None:
    gc.collect()  # what earlier tests have left behind must not go meanwhile
    before = own_descriptors()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(ListenError, match=rf"^{address}: Address already in use$"):
            listening.open_missing(config(first=[ANY], second=[ANY, address]), {})
    assert own_descriptors() == before


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(ListenError, match=r"^192\.0\.2\.1:0: Cannot assign"):
        listening.open_missing(config(one=[Address("192.0.2.1", 0)]), {})


def test_a_port_that_another_process_would_share_is_refused(opened: Sockets) -> None:
    """The sockets of our own workers allow it: another gateway must not take a part of our clients."""
    with pytest.raises(ListenError, match="Address already in use"):
        listening.open_missing(config(other=[Address("127.0.0.1", port(opened))]), {})


def test_an_address_may_move_from_one_of_our_listeners_to_another(opened: Sockets) -> None:
    moved = listening.open_missing(config(two=[Address("127.0.0.1", port(opened))]), opened)
    assert port(moved, "two") == port(opened)
    listening.close(moved)


def test_the_admin_address_is_ours_alone() -> None:
    first = listening.open_admin(ANY)
    with pytest.raises(ListenError):
        listening.open_admin(Address("127.0.0.1", first.getsockname()[1]))
    first.close()


def test_wanted_are_those_that_the_configuration_names(opened: Sockets) -> None:
    assert listening.wanted(config(one=[ANY]), opened) == opened
    assert listening.wanted(config(two=[ANY]), opened) == {}
    assert listening.wanted(config(one=[Address("127.0.0.2", 0)]), opened) == {}


def test_closed_sockets_refuse_and_may_be_closed_again(opened: Sockets) -> None:
    address = ("127.0.0.1", port(opened))
    listening.close(opened)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)
    listening.close(opened)


def test_what_a_free_port_has_become_is_announced(opened: Sockets, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "settlegate.supervisor"):
        listening.announce(opened)
    assert caplog.messages == [f"listening: one on 127.0.0.1:{port(opened)}, 2 workers"]
