"""What the documentation names must exist: files, links, commands, reasons, metrics; and nobody's machine is in it."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from gateway import cli, errors
from gateway.board_layout import REFUSAL_REASONS
from gateway.config import load_gateway
from gateway.not_in_force import NOT_IN_FORCE
from gateway.texts import TEXTS
from tests.support.markdown import ROOT, blocks

NAMES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
PAGES = [*(ROOT / name for name in NAMES), *sorted((ROOT / "docs").glob("*.md"))]
LIFE = ROOT / "docs/life-of-a-request.md"
FOLDERS = "settings|balancer|healthcheck|certs|monitoring|gateway|tests|deploy|docs|bench"
LOG_ONLY = {"client_gone"}
"""Reasons of the access log that no client ever sees."""

every_page = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])


def reasons_of_errors() -> dict[str, int]:
    """Reason → status, over the whole tree."""
    todo: list[type[errors.GatewayError]] = [errors.GatewayError]
    found: dict[str, int] = {}
    while todo:
        error = todo.pop()
        found[error.reason] = error.status
        todo += error.__subclasses__()
    return found


def code_of(page: Path) -> str:
    """Code spans and blocks of a page, each on lines of its own; without comments, continued lines joined."""
    text = page.read_text(encoding="utf-8")
    fenced = [block.text for block in blocks(page)]
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    return re.sub(r"(?:^|\s)#.*", "", "\n".join([*spans, *fenced]), flags=re.MULTILINE).replace("\\\n", " ")


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target.partition("#")[0]).exists(), target


@every_page
def test_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(rf"(?<![\w/])(?:{FOLDERS})/[\w./-]*\w/?", text):
        assert (ROOT / name).exists(), name


@every_page
def test_no_absolute_path_of_anybodys_machine(page: Path) -> None:
    found = re.findall(r"(?<![\w~$}.])/(?:work|root|home|opt|tmp|srv|mnt|Users)\b\S*", page.read_text(encoding="utf-8"))
    assert not found


@every_page
def test_commands_that_are_named_exist(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in re.findall(r"\bsettlegate ([a-z]+[^\n|>#&;]*)", code_of(page)):
        command, *rest = shlex.split(words)
        path = [command, rest[0]] if command == "certs" else [command]
        with pytest.raises(SystemExit) as ended:
            cli.main([*path, "--help"])
        assert ended.value.code == 0, words
        help_text = capsys.readouterr().out
        for option in (word for word in rest if word.startswith("-")):
            assert option in help_text, words


@every_page
def test_make_targets_that_are_named_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z]+)", code_of(page)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@every_page
def test_metrics_that_are_named_exist(page: Path) -> None:
    source = (ROOT / "monitoring/metrics.py").read_text(encoding="utf-8")
    for name in re.findall(r"\bsettlegate_[a-z_]+", page.read_text(encoding="utf-8")):
        assert f'"{name}"' in source, name


def test_the_readmes_configuration_has_ten_lines_and_loads(tmp_path: Path) -> None:
    (text,) = [block.text for block in blocks(ROOT / "README.md") if block.kind == "yaml"]
    assert len(text.splitlines()) == 10
    path = tmp_path / "gateway.yaml"
    path.write_text(text, encoding="utf-8")
    config = load_gateway(path)
    assert config.listeners["settlement"].certificate == tmp_path / "demo/pki/gateway.pem"


def test_the_readme_says_all_that_is_not_in_force() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [later.path for later in NOT_IN_FORCE if f"`{later.path}`" not in text] == []
    in_force = {word for later in NOT_IN_FORCE for word in later.unless}
    assert all(f"`{word}`" in text for word in in_force)


def test_the_life_of_a_request_ends_with_reasons_that_exist() -> None:
    statuses = reasons_of_errors()
    text = LIFE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)`[^|]*\| ([^|]+) \|", text, re.MULTILINE)
    assert len(rows) > 20
    for reason, status in rows:
        assert reason in {*TEXTS, *statuses, *REFUSAL_REASONS, *LOG_ONLY}, reason
        if reason in statuses and reason not in REFUSAL_REASONS:
            assert status == str(statuses[reason]), reason


def test_the_life_of_a_request_leaves_no_reason_out() -> None:
    text = LIFE.read_text(encoding="utf-8")
    everything = {*TEXTS, *reasons_of_errors(), *REFUSAL_REASONS, *LOG_ONLY}
    assert sorted(reason for reason in everything if f"`{reason}`" not in text) == []


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    missing = [page.name for page in PAGES if page.parent.name == "docs" and f"({page.name})" not in index]
    assert missing == ["README.md"]


def test_the_changelog_has_the_headings_of_keep_a_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "\n## [Unreleased]\n" in text
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= kinds


def test_the_lock_file_pins_every_dependency_and_no_place() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+!-]+(; [a-z0-9_'. =<]+)?", line) for line in lines)
    pinned = {normal(line.partition("==")[0]) for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {*project["dependencies"], *project["optional-dependencies"]["test"]}
    assert {normal(re.split(r"[<>=~!\[; ]", entry)[0]) for entry in wanted} <= pinned


def normal(name: str) -> str:
    """PEP 503: how an index compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()
