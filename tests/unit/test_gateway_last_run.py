"""What is remembered of the last run, and how little of it is believed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import last_run


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "state"
    monkeypatch.setenv("SETTLEGATE_STATE", str(place))
    return place


def test_what_was_remembered_is_recalled(state: Path, tmp_path: Path) -> None:
    assert last_run.recall() is None
    assert last_run.remember(tmp_path / "gateway.yaml", "127.0.0.1:19901", os.getpid())
    run = last_run.recall()
    assert run is not None
    assert (run.config, run.admin, run.pid) == (tmp_path / "gateway.yaml", "127.0.0.1:19901", os.getpid())
    assert run.running()
    [file] = state.iterdir()  # nothing is left over from writing aside
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_last_run_replaces_the_one_before(state: Path, tmp_path: Path) -> None:
    last_run.remember(tmp_path / "a.yaml", "127.0.0.1:1", 1)
    last_run.remember(tmp_path / "b.yaml", "127.0.0.1:2", 2)
    run = last_run.recall()
    assert run is not None
    assert run.admin == "127.0.0.1:2"
    assert len(list(state.iterdir())) == 1


def test_a_process_that_ended_is_not_running_and_neither_is_one_with_its_number(state: Path, tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    last_run.remember(tmp_path / "a.yaml", "127.0.0.1:1", child.pid)
    run = last_run.recall()
    assert run is not None
    assert run.running()
    assert not last_run.LastRun(run.config, run.admin, os.getpid(), run.started + 1).running()
    child.communicate(b"\n")
    assert not run.running()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "3", '{"config": 1}', '{"config":"a","admin":"b","pid":"x","started":1}']
)
def test_a_damaged_file_is_as_good_as_none(state: Path, text: str) -> None:
    state.mkdir()
    (state / "last-run.json").write_text(text)
    assert last_run.recall() is None


def test_nowhere_to_write_is_no_error(state: Path, tmp_path: Path) -> None:
    state.write_text("a file where the folder should be")
    assert not last_run.remember(tmp_path / "a.yaml", "127.0.0.1:1", 1)
    assert last_run.recall() is None


def test_a_disk_that_is_full_leaves_the_old_run(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last_run.remember(tmp_path / "a.yaml", "127.0.0.1:1", 1)

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert not last_run.remember(tmp_path / "b.yaml", "127.0.0.1:2", 2)
    run = last_run.recall()
    assert run is not None
    assert run.admin == "127.0.0.1:1"
    assert len(list(state.iterdir())) == 1


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SETTLEGATE_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert last_run.folder() == Path("/x/settlegate")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/operator")
    assert last_run.folder() == Path("/home/operator/.local/state/settlegate")
