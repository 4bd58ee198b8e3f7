"""The demo from its first line to its exit code: sets the stage, plays the tour or shows the live view, sums up."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from gateway.demo import script, tour
from gateway.demo.processes import NotReady
from gateway.demo.stage import Stage
from gateway.demo.view import View


def run(*, once: bool, keep: Path | None) -> int:
    console = Console(highlight=False)
    live = not once and sys.stdin.isatty() and console.is_terminal
    try:
        with folder(keep) as path:
            return asyncio.run(_play(path, console, live=live))
    except NotReady as error:
        console.print(Text(f"演示无法开始 the demo cannot start: {error}", style="red"))
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


async def _play(path: Path, console: Console, *, live: bool) -> int:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    console.print(Text("正在准备 starting: PKI, 3 nodes, 3 SNMP agents, gateway ..."))
    async with Stage(path) as stage:
        script.write_commands(path / script.TRY, script.commands_of(stage))
        outcomes: list[tour.Outcome] = []
        if live:
            await View(stage, console).run()
        else:
            _introduce(stage, console)
            outcomes = await tour.play(stage, lambda outcome: console.print(script.lines(outcome), soft_wrap=True))
        account = await stage.finish()
        script.summary(console, outcomes, account, stage.settled_by_node())
    return 0 if account.clean and all(outcome.passed for outcome in outcomes) else 1


def _introduce(stage: Stage, console: Console) -> None:
    console.print(Text(f"配置 configuration: {stage.configuration}\n", style="bold"))
    console.print(Text(stage.configuration.read_text(encoding="utf-8"), style="dim"))
    agent = "snmpd" if stage.actors[0].agent.snmpd else "built-in responder (snmpd 未安装 not installed)"
    token = "SoftHSM2" if stage.keys.token else f"无 none ({stage.keys.token_missing})"
    console.print(Text(f"SNMP: {agent}   令牌 token: {token}"))
    console.print(Text("自己试试 try it by hand while it runs:", style="bold"))
    for command in script.commands_of(stage):
        console.print(Text(f"  # {command.zh} {command.en}\n  {command.line}"), soft_wrap=True)
    console.print()


@contextlib.contextmanager
def folder(keep: Path | None) -> Iterator[Path]:
    """A folder only we can read: it holds keys."""
    if keep is not None:
        keep.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise NotReady(f"{keep} is not empty: an old ledger would be mixed with the new one")
        yield keep.resolve()
        return
    path = Path(tempfile.mkdtemp(prefix="settlegate-demo-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
