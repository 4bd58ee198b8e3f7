"""The folder of a run: private, removed unless it was asked for, never mixed with an older one's."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.demo import main, show
from gateway.demo.processes import NotReady


def test_a_temporary_folder_is_private_and_goes() -> None:
    with show.folder(None) as path:
        assert path.stat().st_mode & 0o077 == 0
        (path / "key").touch()
    assert not path.exists()


def test_a_kept_folder_stays_and_must_be_new(tmp_path: Path) -> None:
    kept = tmp_path / "a" / "b"
    with show.folder(kept) as path:
        assert path == kept
        assert path.stat().st_mode & 0o077 == 0
        (path / "ledger").touch()
    assert kept.exists()
    with pytest.raises(NotReady, match="not empty"), show.folder(kept):
        pytest.fail("an old ledger was accepted")


def test_the_reason_for_not_starting_is_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old").touch()
    assert main(once=True, keep=tmp_path) == 1
    assert "the demo cannot start" in capsys.readouterr().out
