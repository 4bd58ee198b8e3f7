"""The report of `check` and the output of `show`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from gateway.check import check, run_check, run_show
from gateway.check_machine import Machine
from tests.support.operator_files import for_the_example

TEXT = """\
listeners:
  front:
    bind: 127.0.0.1:18443
    certificate: pki/gateway.pem
    key: pki/gateway.key
    trust: {anchors: [pki/institutions-ca.pem]}
institutions: {A: {}}
routes:
  - {name: all, pool: clinic}
pools:
  clinic:
    nodes:
      - {address: 127.0.0.1:18101}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for_the_example(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked(text: str) -> tuple[int, list[str]]:
    Path("gateway.yaml").write_text(text, encoding="utf-8")
    out = io.StringIO()
    code = run_check(Path("gateway.yaml"), out, machine=Machine(None, None))
    return code, out.getvalue().splitlines()


def test_a_sound_file(folder: Path) -> None:
    code, lines = checked(TEXT)
    assert code == 0
    assert lines == [
        "gateway.yaml: 可用 usable: 0 problems / 0 处错误; 0 notices / 0 处提醒; "
        "0 accepted, not yet in force / 0 处已接受、尚未生效"
    ]


def test_everything_at_once_in_the_order_of_the_file(folder: Path) -> None:
    (folder / "pki/gateway.key").chmod(0o644)
    (folder / "pki/institutions-ca.pem").unlink()
    code, lines = checked(TEXT + "    ejection: {}\n    polcy: hunter2\n    min_healthy: 9\n")
    assert code == 1
    assert lines == [
        "gateway.yaml:5:5: listeners.front.key: notice: pki/gateway.key: open to everybody (mode 0644); chmod 600",
        "gateway.yaml:6:23: listeners.front.trust.anchors[0]: pki/institutions-ca.pem: no such file",
        "gateway.yaml:14:5: pools.clinic.ejection: accepted, not yet in force",
        'gateway.yaml:15:5: pools.clinic.polcy: unknown key; did you mean "policy"?',
        "gateway.yaml:16:5: pools.clinic.min_healthy: 9, but that is more than the pool has nodes; "
        "lower it or add nodes",
        "gateway.yaml: 有误 not usable: 3 problems / 3 处错误; 1 notice / 1 处提醒; "
        "1 accepted, not yet in force / 1 处已接受、尚未生效",
    ]


def test_oddities_are_notices(folder: Path) -> None:
    code, lines = checked(TEXT.replace("routes:\n", "routes:\n  - {name: first, pool: clinic}\n"))
    assert code == 0
    assert lines[0] == "gateway.yaml:10:5: routes[1]: notice: never matches: route first before it takes everything"


def test_the_mask_is_no_secret(folder: Path) -> None:
    text = TEXT + "    checks: [{snmp: {community: <secret>}}]\n"
    code, lines = checked(text)
    assert code == 0
    assert "as `show` prints it; write the real one" in lines[0]


def test_a_node_whose_name_nobody_knows(folder: Path) -> None:
    code, lines = checked(TEXT.replace("127.0.0.1:18101", "no-such-node.invalid:80"))
    assert code == 1
    assert "no-such-node.invalid:80: this host name is not known here" in lines[0]
    assert checked(TEXT.replace("127.0.0.1:18101", "localhost:80"))[0] == 0


def test_a_missing_file(folder: Path) -> None:
    report = check(Path("missing.yaml"))
    assert [str(problem) for problem in report.problems] == ["missing.yaml: no such file"]
    assert report.notices == report.not_in_force == ()


def test_a_pattern_without_a_file_is_a_notice(folder: Path) -> None:
    code, lines = checked(TEXT + "institutions_from: institutions/*.yaml\n")
    assert code == 0
    assert lines[0] == "gateway.yaml:14:1: institutions_from: notice: matches no file"


def test_show_merges_institutions_and_can_be_loaded(folder: Path) -> None:
    (folder / "more.yaml").write_text("B: {name: 乙}\n", encoding="utf-8")
    Path("gateway.yaml").write_text(TEXT + "institutions_from: more.yaml\n", encoding="utf-8")
    out = io.StringIO()
    assert run_show(Path("gateway.yaml"), out) == 0
    assert "name: 乙" in out.getvalue()
    assert "institutions_from" not in out.getvalue()
    assert checked(out.getvalue())[0] == 0


def test_show_of_a_broken_file_says_why(folder: Path) -> None:
    Path("gateway.yaml").write_text("bogus: hunter2\n")
    out = io.StringIO()
    assert run_show(Path("gateway.yaml"), out) == 1
    assert "gateway.yaml:1:1: bogus: unknown key" in out.getvalue()
    assert "hunter2" not in out.getvalue()


def test_the_schema_needs_no_file(tmp_path: Path) -> None:
    out = io.StringIO()
    assert run_show(tmp_path / "missing.yaml", out, schema=True) == 0
    assert json.loads(out.getvalue())["title"] == "Settlegate"
