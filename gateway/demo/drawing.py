"""What the live view looks like: a scene in, something rich can print out. No terminal, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich import box
from rich.cells import chop_cells
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

STATES = {
    "checking": ("检查中", "yellow"),
    "up": ("正常", "green"),
    "down": ("故障", "red"),
    "ejected": ("已摘除", "magenta"),
    "draining": ("排空中", "yellow"),
    "maintenance": ("维护", "blue"),
}
KEYS = (
    ("1-3", "停/启节点", "kill, start a node"),
    ("o", "1号内存", "fill memory of 1"),
    ("l", "3号CPU", "load CPU of 3"),
    ("r", "重载", "reload"),
    ("w", "杀进程", "kill a worker"),
    ("t", "巡演", "tour"),
    ("c", "命令", "curl lines"),
    ("y", "配置", "YAML"),
    ("q", "退出", "quit"),
)
NARROW = 110
"""Columns below which the view says things once and shorter."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    number: int
    address: str
    state: str
    reason: str
    weight: float
    requests: int
    settled: int
    memory: float | None
    """Share in use, by SNMP; None: not known."""
    cpu: float | None


@dataclass(frozen=True, slots=True)
class Scene:
    url: str
    uptime: float
    nodes: Sequence[NodeRow]
    workers: int
    sent: int
    settled: int
    pending: int
    resent: int
    lost: int
    rate: float
    """Claims settled a second, of late."""
    events: Sequence[str] = ()
    """Oldest first."""
    commands: Sequence[str] = field(default=())
    page: str = ""
    """A page of text in place of nodes and events."""
    title: str = ""


def draw(scene: Scene, width: int, height: int) -> RenderableType:
    """Fills the screen and no more."""
    keys = _keys(width)
    if scene.page:
        page = Panel(Text(scene.page, no_wrap=True), title=scene.title, box=box.ROUNDED, height=height - 2)
        return Group(page, keys)
    wide = width >= NARROW
    reasons = 0 if wide else len(scene.nodes)
    fixed = 1 + (len(scene.nodes) + 5 + reasons) + 3 + 1  # title, table, claims, keys
    commands = _commands(scene.commands, width)
    room = height - fixed - 2
    show_commands = commands is not None and room - commands[1] >= 5
    parts: list[RenderableType] = [_title(scene, width), _nodes(scene.nodes, wide=wide), _claims(scene, wide=wide)]
    if commands is not None and show_commands:
        parts.append(commands[0])
        room -= commands[1]
    parts += [_events(scene.events, max(1, room)), keys]
    return Group(*parts)


def _title(scene: Scene, width: int) -> Text:
    minutes, seconds = divmod(int(scene.uptime), 60)
    left = f" Settlegate 演示 demo  {scene.url}"
    right = f"工作进程 workers {scene.workers}  {minutes:02d}:{seconds:02d} "
    text = Text(left, style="bold", no_wrap=True)
    text.append(" " * max(1, width - text.cell_len - Text(right).cell_len))
    text.append(right)
    text.stylize("reverse")
    return text


def _nodes(rows: Sequence[NodeRow], *, wide: bool) -> RenderableType:
    """Narrow screens get the reasons below the table, one line each."""
    table = Table(box=box.ROUNDED, expand=True)
    table.add_column("节点\nnode", no_wrap=True)
    table.add_column("状态\nstate", no_wrap=True, ratio=None if wide else 1)
    for title in ("权重\nweight", "在途\nrequests", "结算\nsettled", "内存\nmemory", "\nCPU"):
        table.add_column(title, justify="right", no_wrap=True)
    if wide:
        table.add_column("原因\nreason", ratio=1, no_wrap=True, overflow="ellipsis")
    for row in rows:
        zh, colour = STATES.get(row.state, (row.state, "white"))
        cells: list[RenderableType] = [
            f"{row.number} {row.address}" if wide else f"{row.number} :{row.address.rpartition(':')[2]}",
            Text(f"● {zh} {row.state}", style=colour),
            f"{row.weight:.2f}",
            str(row.requests),
            str(row.settled),
            _share(row.memory),
            _share(row.cpu),
        ]
        table.add_row(*cells, *([Text(row.reason)] if wide else []))
    if wide:
        return table
    reasons = [Text(f" {row.number} {row.reason}", "dim", no_wrap=True, overflow="ellipsis") for row in rows]
    return Group(table, *reasons)


def _share(value: float | None) -> Text:
    if value is None:
        return Text("?", style="dim")
    return Text(f"{value:.0%}", style="red" if value >= 0.9 else "yellow" if value >= 0.6 else "")


def _claims(scene: Scene, *, wide: bool) -> Panel:
    text = Text(no_wrap=True, overflow="ellipsis")
    counts = (
        ("发出", "sent", scene.sent, ""),
        ("已结算", "settled", scene.settled, "green"),
        ("在途", "pending", scene.pending, ""),
        ("重发", "re-sent", scene.resent, "yellow" if scene.resent else ""),
        ("丢失", "lost", scene.lost, "bold red" if scene.lost else "bold green"),
    )
    for zh, en, value, style in counts:
        text.append(f"{zh} {en} " if wide else f"{zh} ")
        text.append(f"{value}  ", style=style)
    text.append(f"{scene.rate:.0f}/s")
    names = "" if wide else ": " + ", ".join(en for _, en, _, _ in counts)
    return Panel(text, title=f"单据 claims{names}", title_align="left", box=box.ROUNDED)


def _commands(commands: Sequence[str], width: int) -> tuple[Panel, int] | None:
    """The panel and its height."""
    if not commands:
        return None
    pieces = [piece for line in commands for piece in chop_cells(line, width - 4)]
    text = Text("\n".join(pieces), no_wrap=True)
    return Panel(text, title="自己试试 try it", title_align="left", box=box.ROUNDED), len(pieces) + 2


def _events(events: Sequence[str], room: int) -> Panel:
    text = Text("\n".join(events[-room:] if room else ()), no_wrap=True, overflow="ellipsis")
    return Panel(text, title="经过 events", title_align="left", box=box.ROUNDED, height=room + 2)


def _keys(width: int) -> Text:
    text = Text(" ", no_wrap=True, overflow="ellipsis")
    for key, zh, en in KEYS:
        text.append(key, style="bold cyan")
        text.append(f" {zh} {en}   " if width >= 160 else f" {zh}  " if width >= NARROW else f" {zh} ")
    return text
