"""What is printed says how it went; the lines to try are whole and quoted for a shell."""

from __future__ import annotations

import io
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from gateway.demo import agents, pki, script, softtoken
from gateway.demo.account import Account
from gateway.demo.stage import Stage
from gateway.demo.tour import ACTS, Outcome


def stage(folder: Path, *, token: bool) -> Stage:
    made = softtoken.Token(Path("/lib/softhsm.so"), folder / "token") if token else None
    pair = pki.Pair(folder / "a b.pem", folder / "a b.key")
    keys = pki.Keys(folder / "ca.pem", pair, pair, pair, made, "")
    agent = agents.Agent(folder, 16100, "/usr/sbin/snmpd", "/usr/bin/snmpset" if token else None)
    fake: Any = SimpleNamespace(url="https://127.0.0.1:1", admin="127.0.0.1:2", keys=keys)
    fake.actors = [SimpleNamespace(agent=agent)]
    fake.token_curl = lambda: ["curl", "--key", made.key_uri if made else ""]
    return cast("Stage", fake)


def printed(outcomes: list[Outcome], account: Account) -> str:
    console = Console(file=io.StringIO(), width=80)
    script.summary(console, outcomes, account, {"127.0.0.1:1": 7})
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


@pytest.mark.parametrize(("token", "count"), [(True, 5), (False, 3)])
def test_a_shell_reads_the_lines_as_meant(tmp_path: Path, token: bool, count: int) -> None:
    commands = script.commands_of(stage(tmp_path, token=token))
    assert len(commands) == count
    words = shlex.split(commands[0].line)
    assert words[0] == "curl"
    assert str(tmp_path / "a b.key") in words
    assert words[-1] == script.CLAIM
    if token:
        assert "pin-value=123456" in shlex.split(commands[1].line)[-3]
    path = tmp_path / script.TRY
    script.write_commands(path, commands)
    subprocess.run(["sh", "-n", str(path)], check=True, timeout=20)
    assert all(command.line in path.read_text() for command in commands)


def test_the_summary_fits_80_columns_and_names_what_went_wrong() -> None:
    outcomes = [Outcome(act, at != 3, "seen", 1.0, 9999) for at, act in enumerate(ACTS)]
    text = printed(outcomes, Account(10, 9, 2, (("H", "C-1"),), (), ()))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert (text.count("✓"), text.count("✗")) == (8, 1)
    for words in ("sent 10", "settled 9", "re-sent 2", "丢失 lost 1: H/C-1", "settled twice 0", "127.0.0.1:1 7"):
        assert words in text
    for act in ACTS:
        assert f"{act.zh} " in text
        assert f"{act.en} " in text


def test_an_outcome_in_two_lines() -> None:
    told = script.lines(Outcome(ACTS[0], False, "not [red]within[/red] 3 s", 3.04, 12)).plain.split("\n")
    assert told[0].startswith("✗ ")
    assert told[0].endswith("3.0 s, 12 claims")
    assert told[1] == "    not [red]within[/red] 3 s"
