"""The node table: what the four inputs make of a node, and what is remembered of it by the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from balancer.node import Admin, NodeState
from gateway.board_layout import Capacity
from gateway.config import GatewayConfig, load_gateway
from gateway.node_table import NodeTable
from gateway.scoreboard import Scoreboard
from gateway.slots import Slots
from healthcheck import words
from healthcheck.target import Report
from tests.support.gateway import Gateway

CAPACITY = Capacity(listeners=1, pools=1, nodes=6, institutions=1)
KEY = ("settlement", "127.0.0.1:1")
OTHER = ("settlement", "127.0.0.1:2")
SLOTS = Slots(pools={"settlement": 0}, nodes={KEY: 0, OTHER: 1})
CHECKED = {"checks": [{"tcp": {}}], "slow_start": "0s", "min_healthy": 0}


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    shared = Scoreboard.create(1, CAPACITY)
    board = Scoreboard.attach(shared.for_control(), CAPACITY, 1)
    yield board
    board.close()
    shared.close()


def config(folder: Path, *nodes: str, **pool: Any) -> GatewayConfig:
    gateway = Gateway(folder, nodes=[{"address": node} for node in nodes] or [KEY[1], OTHER[1]], pool=CHECKED | pool)
    gateway.write()
    return load_gateway(gateway.path)


def report(active: str = "up", *, eject: bool = False, factor: float = 1.0) -> Report:
    return Report(
        "settlement 127.0.0.1:1",
        active,  # type: ignore[arg-type]
        words.CHECKS_PASS,
        eject,
        words.CHECKS_PASS,
        factor,
        {"cpu": 0.5},
    )


def table(board: Scoreboard, folder: Path, **pool: Any) -> NodeTable:
    made = NodeTable(board)
    assert made.configure(config(folder, **pool), SLOTS, 1, 100.0) == {}
    return made


def state(board: Scoreboard, slot: int = 0) -> NodeState:
    return NodeState(int(board.page.node_state[slot]))


def test_a_node_is_checked_before_it_is_up(board: Scoreboard, tmp_path: Path) -> None:
    nodes = table(board, tmp_path)
    assert (state(board), nodes.undecided()) == (NodeState.CHECKING, 2)
    nodes.report(KEY, report())
    nodes.evaluate(101.0)
    assert (state(board), nodes.undecided()) == (NodeState.UP, 1)
    assert nodes.state(KEY) == ("up", 1.0)


def test_without_checks_it_is_up_at_once(board: Scoreboard, tmp_path: Path) -> None:
    nodes = table(board, tmp_path, checks=[])
    assert (state(board), nodes.undecided()) == (NodeState.UP, 0)


def test_snmp_weighs_and_ejects(board: Scoreboard, tmp_path: Path) -> None:
    nodes = table(board, tmp_path)
    for key in (KEY, OTHER):
        nodes.report(key, report())
    nodes.report(KEY, report(factor=0.25))
    nodes.evaluate(101.0)
    assert (state(board), float(board.page.node_weight[0])) == (NodeState.UP, 0.25)
    nodes.report(KEY, report(eject=True))
    nodes.evaluate(102.0)
    assert state(board) is NodeState.EJECTED
    view = nodes.view(KEY)
    assert (view["state"], view["since"], view["readings"]) == ("ejected", 102.0, {"cpu": 0.5})


def test_the_operator_comes_first_and_the_rest_is_not_forgotten(board: Scoreboard, tmp_path: Path) -> None:
    nodes = table(board, tmp_path)
    nodes.report(KEY, report("down"))
    nodes.set_admin(KEY, Admin.DRAIN)
    nodes.evaluate(101.0)
    assert state(board) is NodeState.DRAINING
    nodes.set_admin(KEY, Admin.READY)
    nodes.evaluate(102.0)
    assert state(board) is NodeState.DOWN
    with pytest.raises(KeyError):
        nodes.set_admin(("settlement", "127.0.0.1:9"), Admin.DRAIN)


def test_a_reload_keeps_what_is_known_and_forgets_whom_it_removes(board: Scoreboard, tmp_path: Path) -> None:
    nodes = table(board, tmp_path)
    nodes.report(KEY, report())
    nodes.report(OTHER, report())
    nodes.evaluate(101.0)
    epoch = int(board.page.epoch[0])
    assert nodes.configure(config(tmp_path, KEY[1]), Slots(nodes={KEY: 0}), 2, 102.0) == {}
    assert (state(board, 0), state(board, 1)) == (NodeState.UP, NodeState.CHECKING)
    assert nodes.view(KEY)["since"] == 101.0
    assert list(nodes.views()["settlement"]["nodes"]) == [KEY[1]]
    assert int(board.page.generation[0]) == 2
    assert int(board.page.epoch[0]) > epoch
    nodes.report(OTHER, report())  # a probe that was under way: nobody is meant by it any more
    nodes.evaluate(103.0)
    assert state(board, 1) is NodeState.CHECKING


def test_checks_that_come_or_go_with_a_reload(board: Scoreboard, tmp_path: Path) -> None:
    nodes = table(board, tmp_path, checks=[])
    nodes.configure(config(tmp_path), SLOTS, 2, 102.0)
    assert state(board) is NodeState.CHECKING
    nodes.configure(config(tmp_path, checks=[]), SLOTS, 3, 103.0)
    assert state(board) is NodeState.UP


# ---- a table that begins where another one has died


def test_the_page_is_the_memory_of_one_that_died(board: Scoreboard, tmp_path: Path) -> None:
    dead = table(board, tmp_path)
    dead.report(KEY, report())
    dead.report(OTHER, report("down"))
    dead.set_admin(KEY, Admin.MAINTENANCE)
    dead.evaluate(101.0)
    nodes = NodeTable(board)
    assert nodes.configure(config(tmp_path), SLOTS, 1, 200.0) == {KEY: None, OTHER: False}
    assert (state(board, 0), state(board, 1)) == (NodeState.MAINTENANCE, NodeState.DOWN)
    assert nodes.view(OTHER)["since"] == 101.0
    nodes.set_admin(KEY, Admin.READY)
    nodes.report(KEY, report())
    nodes.evaluate(201.0)
    assert state(board) is NodeState.UP


def test_nonsense_on_the_page_is_no_wish_and_no_health(board: Scoreboard, tmp_path: Path) -> None:
    dead = table(board, tmp_path)
    dead.report(KEY, report())
    dead.evaluate(101.0)
    board.page.node_admin[0] = 77
    board.page.node_state[0] = 99
    nodes = NodeTable(board)
    assert nodes.configure(config(tmp_path), SLOTS, 1, 200.0)[KEY] is False
    assert state(board) is NodeState.DOWN


def test_what_was_removed_while_nobody_looked_keeps_no_slot(board: Scoreboard, tmp_path: Path) -> None:
    """Else the supervisor could never give it away: somebody still seemed to speak of its holder."""
    dead = table(board, tmp_path)
    for key in (KEY, OTHER):
        dead.report(key, report())
    dead.evaluate(101.0)
    nodes = NodeTable(board)
    nodes.configure(config(tmp_path, KEY[1]), Slots(nodes={KEY: 0}), 2, 200.0)
    assert (state(board, 0), state(board, 1)) == (NodeState.UP, NodeState.CHECKING)
    assert board.is_idle("node", 1)
