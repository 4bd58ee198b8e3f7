"""What `settlegate demo --once` prints, and the command lines to try by hand. English and Chinese."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.demo.account import Account, Key
from gateway.demo.stage import Stage
from gateway.demo.tour import Outcome

CLAIM = '{"claim_id":"by-hand-1","patient":"41030000001","items":[{"code":"XC08CA01","quantity":2}]}'
TRY = "try.sh"


class Command(NamedTuple):
    """One line for a shell."""

    zh: str
    en: str
    line: str


def commands_of(stage: Stage) -> list[Command]:
    """A claim with the key in a file and with the key in the token, a stranger, the state, an overload by SNMP."""
    pair = stage.keys.hospital
    claims = f"{stage.url}/claims/"
    own = ["curl", "--cacert", str(stage.keys.ca), "--cert", str(pair.certificate), "--key", str(pair.key)]
    found = [Command("医院, 密钥在文件中", "hospital, key in a file", shlex.join([*own, claims, "-d", CLAIM]))]
    if stage.keys.token is not None:
        variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in stage.keys.token.variables().items())
        line = f"{variables} {shlex.join([*stage.token_curl(), '-d', CLAIM])}"
        found.append(Command("药房, 密钥在令牌中", "pharmacy, key in a token", line))
    stranger = shlex.join(["curl", "--cacert", str(stage.keys.ca), claims])
    found.append(Command("没有证书", "without a certificate", stranger))
    found.append(Command("节点状态", "state of the nodes", f"curl http://{stage.admin}/api/v1/pools"))
    agent = stage.actors[0].agent
    if agent.snmpset is not None:
        found.append(Command("1 号节点内存占满", "fill the memory of node 1", agent.set_line(memory=99)))
    return found


def write_commands(path: Path, commands: Sequence[Command]) -> None:
    """A file to copy from: a terminal breaks long lines."""
    text = "\n".join(f"# {command.zh} {command.en}\n{command.line}\necho\n" for command in commands)
    path.write_text(f"#!/bin/sh\n{text}", encoding="utf-8")


def lines(outcome: Outcome) -> Text:
    """What happened, and below it what was seen."""
    text = Text("✓ " if outcome.passed else "✗ ", style="green" if outcome.passed else "bold red")
    text.append(f"{outcome.act.zh} {outcome.act.en}", style="default")
    text.append(f"  {outcome.seconds:.1f} s, {outcome.settled} claims\n", style="dim")
    text.append(f"    {outcome.seen}", style="dim" if outcome.passed else "red")
    return text


def summary(console: Console, outcomes: Sequence[Outcome], account: Account, by_node: Mapping[str, int]) -> None:
    console.print(Text("\n小结 Summary", style="bold"))
    if outcomes:
        table = Table(box=box.SIMPLE_HEAD)
        for title in ("", "步骤", "act"):
            table.add_column(title, no_wrap=True)
        for title in ("s", "claims"):
            table.add_column(title, justify="right", no_wrap=True)
        for outcome in outcomes:
            mark = Text("✓", style="green") if outcome.passed else Text("✗", style="bold red")
            table.add_row(mark, outcome.act.zh, outcome.act.en, f"{outcome.seconds:.1f}", str(outcome.settled))
        console.print(table)
    console.print(Text(f"  发出 sent {account.sent}  已结算 settled {account.settled}  重发 re-sent {account.resent}"))
    shares = ", ".join(f"{address} {count}" for address, count in sorted(by_node.items()))
    console.print(Text(f"  各节点 by node: {shares}"))
    for label, keys in (
        ("丢失 lost", account.lost),
        ("重复结算 settled twice", account.twice),
        ("结果不符 differing", account.differing),
    ):
        console.print(Text(f"  {label} {len(keys)}{_named(keys)}", style="bold red" if keys else "green"))


def _named(keys: Sequence[Key]) -> str:
    return ": " + ", ".join("/".join(key) for key in keys[:5]) if keys else ""
