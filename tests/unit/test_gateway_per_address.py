"""Connections per address, over all workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.board_layout import Capacity
from gateway.per_address import PerAddress, origin_of
from gateway.scoreboard import Scoreboard


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    made = Scoreboard.create(2, Capacity(listeners=1, pools=1, nodes=1, institutions=1))
    made.own(0)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:0:1::", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%lo", "fe80::2", True),
    ],
)
def test_an_ipv6_network_of_64_bits_is_one_client(one: str, other: str, same: bool) -> None:
    assert (origin_of(one) == origin_of(other)) is same


def test_it_goes_up_and_down(board: Scoreboard) -> None:
    table = PerAddress(board)
    for change, count in ((1, 1), (1, 2), (-1, 1), (-1, 0)):
        table.change("address_strangers", "192.0.2.1", change)
        assert table.count("address_strangers", "192.0.2.1") == count
        assert table.count("address_connections", "192.0.2.1") == 0


def test_never_too_few_and_seldom_too_many(board: Scoreboard) -> None:
    table = PerAddress(board)
    addresses = [f"10.{a}.{b}.1" for a in range(40) for b in range(250)]
    for address in addresses:
        table.change("address_connections", address, 3)
    counts = [table.count("address_connections", address) for address in addresses]
    assert min(counts) == 3
    assert sum(count > 3 for count in counts) < len(counts) / 4
    assert max(counts) <= 15


def test_a_worker_that_dies_takes_its_counts_with_it() -> None:
    supervisor = Scoreboard.create(1, Capacity(listeners=1, pools=1, nodes=1, institutions=1))
    supervisor.rows[0].address_connections[7] = 5
    supervisor.clear_gauges(0)
    assert supervisor.rows[0].address_connections[7] == 0
    supervisor.close()
