"""Every input of the corpus keeps the invariants, and so does what a short search finds from there."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

from tests.fuzz.__main__ import CORPUS, command
from tests.fuzz.targets import TARGETS
from tests.support.markdown import ROOT

SECONDS = int(os.environ.get("FUZZ_SECONDS", "10"))
every_target = pytest.mark.parametrize("name", TARGETS)


@every_target
def test_the_corpus_keeps_the_invariant(name: str) -> None:
    files = sorted((CORPUS / name).iterdir())
    assert files
    for file in files:
        TARGETS[name](file.read_bytes())


@every_target
def test_a_short_search_finds_nothing(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not there: it has wheels for x86-64 and Python 3.11 to 3.13 only")
    new = tmp_path / "new"
    new.mkdir()
    arguments = command(name, SECONDS, new, CORPUS / name, findings=tmp_path)
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stderr[-6000:]
    assert "number_of_executed_units" in done.stderr, "nothing was tried"
