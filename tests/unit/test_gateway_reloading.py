"""Which slots a configuration gets; how it is taken up is tested on the running gateway."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.board_layout import Capacity
from gateway.reloading import _assign
from gateway.scoreboard import Scoreboard
from gateway.slots import CapacityExceededError, Slots


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    made = Scoreboard.create(1, Capacity(listeners=2, pools=2, nodes=2, institutions=3))
    yield made
    made.close()


def config(*nodes: str) -> Any:
    pool = SimpleNamespace(nodes=[SimpleNamespace(address=node) for node in nodes])
    return SimpleNamespace(listeners={"front": 0}, pools={"claims": pool}, institutions={"H1": 0})


def nodes(slots: Slots) -> dict[str, int]:
    return {address: slot for (_, address), slot in slots.nodes.items()}


def test_a_removed_nodes_slot_is_given_away_once_nobody_uses_it(board: Scoreboard) -> None:
    first = _assign(None, config("a", "b"), board, ())
    second = _assign(first, config("b"), board, ())
    board.rows[0].node_active[0] = 1  # a request to the removed one is under way
    with pytest.raises(CapacityExceededError):
        _assign(second, config("b", "c"), board, ())
    board.rows[0].node_active[0] = 0
    assert nodes(_assign(second, config("b", "c"), board, ())) == {"b": 1, "c": 0}


def test_not_while_a_worker_that_is_leaving_knows_its_old_holder(board: Scoreboard) -> None:
    """It may yet begin an exchange on it, though nothing is in flight at the moment."""
    first = _assign(None, config("a", "b"), board, ())
    second = _assign(first, config("b"), board, ())
    with pytest.raises(CapacityExceededError):
        _assign(second, config("b", "c"), board, [first])
    assert nodes(_assign(second, config("b", "c"), board, [second])) == {"b": 1, "c": 0}


def test_what_no_configuration_ever_had_is_free_for_all(board: Scoreboard) -> None:
    first = _assign(None, config("a"), board, ())
    assert nodes(_assign(first, config("a", "b"), board, [first])) == {"a": 0, "b": 1}
