"""The example, word for word, is a configuration that `check` and an editor accept."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

import pytest
import yaml

from gateway.check import check, run_check, run_show
from gateway.check_machine import Machine
from gateway.config import load_gateway
from tests.support.operator_files import for_the_example

DEPLOY = Path(__file__).parents[2] / "deploy"
DESIGN = Path(__file__).parents[3] / "shared" / "design" / "gateway.example.yaml"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    for_the_example(tmp_path)
    return Path(shutil.copy(DEPLOY / "gateway.example.yaml", tmp_path))


@pytest.mark.skipif(not DESIGN.exists(), reason="the design folder is not beside this project")
def test_it_is_the_design_word_for_word() -> None:
    first, _, rest = (DEPLOY / "gateway.example.yaml").read_text(encoding="utf-8").partition("\n")
    assert first == "# yaml-language-server: $schema=gateway.schema.json"
    assert rest == DESIGN.read_text(encoding="utf-8")


def test_it_loads(example: Path) -> None:
    config = load_gateway(example)
    assert config.workers == 2
    assert list(config.listeners) == ["settlement"]
    listener = config.listeners["settlement"]
    assert [str(address) for address in listener.bind] == ["127.0.0.1:18443"]
    assert listener.certificate == example.parent / "pki/gateway.pem"
    assert listener.limits.head == 32 * 1024
    assert config.institutions["H410300001"].name == "洛阳市中心医院"
    assert config.institutions["P410300017"].routes is None
    assert not config.institutions["H410300002"].enabled
    first, second = config.pools["settlement"].checks
    assert first.http is not None
    assert (first.interval, first.timeout) == (5, 1)
    assert second.snmp is not None
    assert second.interval == 10
    assert second.snmp.metrics["memory"].eject_above == 0.98
    assert config.alerts.channels["duty"].email is not None


def test_check_finds_it_usable_and_names_what_is_not_in_force(example: Path) -> None:
    out = io.StringIO()
    assert run_check(example, out, machine=Machine(None, None)) == 0
    lines = out.getvalue().splitlines()
    assert [re.sub(r"^.*?:\d+:\d+: ", "", line) for line in lines[:-1]] == [
        "pools.settlement.ejection: accepted, not yet in force",
        "pools.settlement.queue: accepted, not yet in force",
        "pools.settlement.retries.budget: accepted, not yet in force",
        "alerts: accepted, not yet in force: nobody is told of anything",
    ]
    assert "可用 usable: 0 problems" in lines[-1]


def test_each_missing_file_is_told(example: Path) -> None:
    shutil.rmtree(example.parent / "pki")
    report = check(example)
    assert [problem.path for problem in report.problems] == [
        "listeners.settlement.certificate",
        "listeners.settlement.key",
        "listeners.settlement.trust.anchors[0]",
        "listeners.settlement.trust.crls[0]",
        "pools.catalogue.upstream_tls.anchors[0]",
    ]
    assert {problem.message.rpartition(": ")[2] for problem in report.problems} == {"no such file"}


def test_show_prints_what_can_be_loaded_again(example: Path) -> None:
    out = io.StringIO()
    assert run_show(example, out) == 0
    assert "community: <secret>" in out.getvalue()
    assert "洛阳市中心医院" in out.getvalue()
    shown = example.with_name("shown.yaml")
    shown.write_text(out.getvalue(), encoding="utf-8")
    once, twice = load_gateway(example), load_gateway(shown)
    first, second = once.model_dump(mode="json"), twice.model_dump(mode="json")
    assert first == second
    assert twice.model_copy(update={"pools": {}}) == once.model_copy(update={"pools": {}})
    assert yaml.safe_load(out.getvalue())["pools"]["settlement"]["timeouts"]["connect"] == "3s"
