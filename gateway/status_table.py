"""Pools and nodes as a table for the terminal. Texts go in as plain text, never as markup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from certs.credential import clean
from monitoring.centre import NodeView, PoolView

_COLOURS: Final[Mapping[str, str]] = {
    "up": "green",
    "checking": "yellow",
    "down": "bold red",
    "ejected": "red",
    "draining": "cyan",
    "maintenance": "blue",
}


def tables(pools: Mapping[str, PoolView]) -> RenderableType:
    """One table for each pool."""
    if not pools:
        return Text("没有配置任何节点池 no pools are configured")
    return Group(*(_pool(name, pool) for name, pool in pools.items()))


def _pool(name: str, pool: PoolView) -> Table:
    nodes = pool["nodes"]
    up = sum(node["state"] == "up" for node in nodes.values())
    title = Text(f"{clean(name)}  {up}/{len(nodes)} 正常 up", style="bold")
    if pool.get("queue"):
        title.append(f"  排队 queued {pool['queue']}")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("节点 Node", no_wrap=True)
    table.add_column("状态 State", no_wrap=True)
    table.add_column("进行中 In flight", justify="right")
    table.add_column("权重 Weight", justify="right")
    table.add_column("原因 Reason", overflow="fold")
    for address, node in nodes.items():
        table.add_row(*_row(address, node))
    return table


def _row(address: str, node: NodeView) -> tuple[Text, ...]:
    state = clean(node["state"])
    limit = node.get("max_requests")
    reason = Text(clean(node["reason_zh"]))
    reason.append(f" {clean(node['reason'])}", style="dim")
    return (
        Text(clean(address) + (" *" if node.get("backup") else "")),
        Text(state, style=_COLOURS.get(state, "magenta")),
        Text(f"{node['requests']}/{limit}" if limit is not None else str(node["requests"])),
        Text(f"{node['weight']:.2f}".rstrip("0").rstrip(".")),
        reason,
    )
