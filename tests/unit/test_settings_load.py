"""From a file to a model, or to every problem it has."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import pytest
from pydantic import Field, model_validator

from settings.errors import ConfigError, RuleError, RulesError
from settings.load import load_file
from settings.types import Duration, Int, Model, Secret, seconds


class Check(Model):
    interval: Duration = seconds(5)
    timeout: Duration = seconds(1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.timeout >= self.interval:
            raise RuleError("timeout must be below interval", "timeout", uses=(("interval",),))
        return self


class Pool(Model):
    size: Int = 1
    checks: tuple[Check, ...] = ()
    password: Secret | None = None


class Root(Model):
    pools: dict[str, Pool] = Field(default_factory=dict)
    routes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _pools_exist(self) -> Self:
        missing = [
            RuleError("no such pool", "routes", index, uses=(("pools", name),))
            for index, name in enumerate(self.routes)
            if name not in self.pools
        ]
        if missing:
            raise RulesError(missing)
        return self


def said(folder: Path, text: str) -> list[str]:
    path = folder / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_file(path, Root)
    assert "hunter2" not in str(caught.value)
    return [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]


def test_a_sound_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("pools: {a: {checks: [{interval: 2s}], password: hunter2}}\nroutes: [a]\n")
    root = load_file(path, Root)
    assert root.pools["a"].checks[0].interval == 2
    assert root.pools["a"].password == Secret("hunter2")


def test_the_form_of_a_message(tmp_path: Path) -> None:
    assert said(tmp_path, "pools:\n  clinic:\n    checks:\n      - interval: 5s\n        timeout: 5s\n") == [
        "5:9: pools.clinic.checks[0].timeout: 5s, but timeout must be below interval"
    ]


def test_rules_are_told_together_with_slips(tmp_path: Path) -> None:
    text = (
        "pools:\n"
        "  a: {size: x, checks: [{timeout: 9s}, {interval: 5, timeout: 9s}, {timeout: 8s}]}\n"
        "  b: 5\n"
        "routes: [a, b, c, hunter]\n"
        "zzz: hunter2\n"
    )
    assert said(tmp_path, text) == [
        "2:7: pools.a.size: x, but a whole number is wanted",
        "2:26: pools.a.checks[0].timeout: 9s, but timeout must be below interval",
        "2:41: pools.a.checks[1].interval: 5, but a duration is a number with its unit: 500ms, 5s, 5m or 1h",
        "2:69: pools.a.checks[2].timeout: 8s, but timeout must be below interval",
        "3:3: pools.b: a mapping is wanted",
        "4:16: routes[2]: c, but no such pool",
        "4:19: routes[3]: hunter, but no such pool",
        "5:1: zzz: unknown key; allowed are pools, routes",
    ]


def test_a_rule_that_rests_on_something_broken_is_not_told(tmp_path: Path) -> None:
    assert said(tmp_path, "pools: {a: {checks: [{interval: 1x, timeout: 6s}]}}\n") == [
        "1:23: pools.a.checks[0].interval: 1x, but a duration is a number with its unit: 500ms, 5s, 5m or 1h"
    ]


def test_a_misspelt_pool_section_does_not_make_every_route_wrong(tmp_path: Path) -> None:
    assert said(tmp_path, "polls: {a: {}}\nroutes: [a]\n") == ['1:1: polls: unknown key; did you mean "pools"?']


def test_the_file_itself_can_be_the_problem(tmp_path: Path) -> None:
    assert said(tmp_path, "") == ["1:1: empty; a mapping of sections is wanted"]
    with pytest.raises(ConfigError, match="missing: no such file"):
        load_file(tmp_path / "missing", Root)


def test_what_the_reader_said_is_not_said_again(tmp_path: Path) -> None:
    assert said(tmp_path, "pools:\n  a:\n    size:\n  b: {size: *x}\nroutes: [a, b]\n") == [
        "3:5: pools.a.size: empty; write a value, {} or [] if nothing is meant, or remove the key",
        "4:13: pools.b.size: unknown anchor x",
    ]


def test_numbers_of_entries_stay_right_when_one_is_broken(tmp_path: Path) -> None:
    text = "pools:\n  a:\n    checks:\n      - 5\n      - {}\n      - {timeout: 7s}\n      - 6\n      - {timeout: 8s}\n"
    assert said(tmp_path, text) == [
        "4:9: pools.a.checks[0]: a mapping is wanted",
        "6:10: pools.a.checks[2].timeout: 7s, but timeout must be below interval",
        "7:9: pools.a.checks[3]: a mapping is wanted",
        "8:10: pools.a.checks[4].timeout: 8s, but timeout must be below interval",
    ]


def test_a_default_that_breaks_a_rule_is_shown(tmp_path: Path) -> None:
    assert said(tmp_path, "pools: {a: {checks: [{interval: 500ms}]}}\n") == [
        "1:22: pools.a.checks[0].timeout: 1s (default), but timeout must be below interval"
    ]
