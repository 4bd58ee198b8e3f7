"""The table for the terminal."""

from __future__ import annotations

import io
from typing import cast

from rich.console import Console

from gateway.status_table import tables
from monitoring.centre import NodeView, PoolView


def _printed(pools: dict[str, PoolView], width: int = 160) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(tables(pools))
    return out.getvalue()


def _node(**more: object) -> NodeView:
    view = {"state": "up", "reason": "all checks pass", "reason_zh": "检查全部通过", "requests": 3, "weight": 2.0}
    return cast("NodeView", view | more)


def test_everything_about_a_node_is_shown() -> None:
    nodes = {
        "127.0.0.1:18101": _node(),
        "127.0.0.1:18102": _node(state="down", weight=0.625, max_requests=200, backup=True),
    }
    text = _printed({"settlement": {"nodes": nodes, "queue": 4}})
    assert "settlement  1/2 正常 up  排队 queued 4" in text
    assert "检查全部通过 all checks pass" in text
    assert "127.0.0.1:18102 *" in text
    assert "3/200" in text
    assert "0.62" in text
    assert " 2 " in text


def test_foreign_text_is_neither_markup_nor_control() -> None:
    text = _printed({"[red]p": {"nodes": {"a": _node(reason="[bold]x[/bold]\x1b[2J", reason_zh="\r\n")}}})
    assert "[red]p" in text
    assert "[bold]x[/bold]\\x1b[2J" in text
    assert "\x1b" not in text


def test_no_pools() -> None:
    assert "no pools are configured" in _printed({})
