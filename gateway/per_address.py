"""How many connections one address has, over all workers: an approximate table that never counts too few.

Each worker counts in its own row of the scoreboard, in two cells per address that a hash chooses; an address has
what the lesser of the two says, summed over the rows (a count-min sketch). Two addresses that share both cells are
counted together: with 20,000 addresses connected that is one in five, mostly by a single connection.

An IPv6 client owns its /64, so a /64 counts as one address.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final, Literal

from gateway.board_layout import ADDRESS_CELLS

if TYPE_CHECKING:
    from gateway.scoreboard import Scoreboard

What = Literal["address_connections", "address_strangers"]
_HALF: Final = ADDRESS_CELLS // 2


def origin_of(address: str) -> str:
    """What counts as one client: the address, or its /64."""
    if ":" not in address:
        return address
    return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:8].hex()


class PerAddress:
    """The table, as one worker uses it."""

    def __init__(self, board: Scoreboard) -> None:
        self._board = board

    def count(self, what: What, origin: str) -> int:
        return min(self._board.total(what, cell) for cell in _cells(origin))

    def change(self, what: What, origin: str, by: int) -> None:
        row = getattr(self._board.mine, what)
        for cell in _cells(origin):
            row[cell] += by


def _cells(origin: str) -> tuple[int, int]:
    # Python's own hash is keyed anew at each start, so nobody can aim at another's cells; workers are forked from
    # the supervisor and share the key.
    value = hash(origin)
    return value % _HALF, _HALF + (value >> 24) % _HALF
