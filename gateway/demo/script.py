"""What `settlegate demo --once` prints, and the command lines to try by hand. English and Chinese."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.demo.account import Account, Key
from gateway.demo.stage import Stage
from gateway.demo.tour import Outcome

CLAIM = '{"claim_id":"by-hand-1","patient":"41030000001","items":[{"code":"XC08CA01","quantity":2}]}'


def command_lines(stage: Stage) -> list[str]:
    """Lines for a shell: a claim with the key in a file and with the key in the token, and an overload by SNMP."""
    pair = stage.keys.hospital
    claims = f"{stage.url}/claims/"
    own = ["curl", "--cacert", str(stage.keys.ca), "--cert", str(pair.certificate), "--key", str(pair.key)]
    lines = [shlex.join([*own, claims, "-d", CLAIM])]
    if stage.keys.token is not None:
        variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in stage.keys.token.variables().items())
        lines.append(f"{variables} {shlex.join([*stage.token_curl(), '-d', CLAIM])}")
    lines.append(shlex.join(["curl", "--cacert", str(stage.keys.ca), claims]))
    lines.append(f"curl http://{stage.admin}/api/v1/pools")
    if stage.actors[0].agent.snmpset is not None:
        lines.append(stage.actors[0].agent.set_line(memory=99))
    return lines


def line(outcome: Outcome) -> Text:
    text = Text("✓ " if outcome.passed else "✗ ", style="green" if outcome.passed else "bold red")
    text.append(f"{outcome.act.zh} {outcome.act.en}", style="default")
    text.append(f"  {outcome.seen}  ", style="dim" if outcome.passed else "red")
    text.append(f"({outcome.seconds:.1f} s, {outcome.settled} claims)", style="dim")
    return text


def summary(console: Console, outcomes: Sequence[Outcome], account: Account, by_node: Mapping[str, int]) -> None:
    table = Table(title="小结 Summary", box=box.SIMPLE_HEAD)
    for title in ("", "步骤 act", "用时 s", "结算 claims"):
        table.add_column(title, justify="right" if title.startswith(("用时", "结算")) else "left")
    for outcome in outcomes:
        mark = Text("✓", style="green") if outcome.passed else Text("✗", style="bold red")
        name = f"{outcome.act.zh} {outcome.act.en}"
        table.add_row(mark, name, f"{outcome.seconds:.1f}", str(outcome.settled))
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
