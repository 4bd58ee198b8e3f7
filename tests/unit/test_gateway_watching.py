"""A changed file is told of once, when the change has stood still."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.watching import FileWatch, stamp


def watch(*paths: Path) -> FileWatch:
    files = FileWatch()
    files.follow({str(path): stamp(path) for path in paths})
    return files


def test_nothing_is_told_while_nothing_changes(tmp_path: Path) -> None:
    file = tmp_path / "ca.crl"
    file.write_bytes(b"one")
    files = watch(file, tmp_path / "absent")
    assert [files.look() for _ in range(3)] == [False, False, False]


def test_a_change_is_told_once_when_it_has_stood_still(tmp_path: Path) -> None:
    file = tmp_path / "ca.crl"
    file.write_bytes(b"one")
    files = watch(file)
    file.write_bytes(b"half of tw")
    assert not files.look()
    file.write_bytes(b"the whole of two")
    assert not files.look(), "still being written"
    assert files.look()
    assert not files.look()


def test_a_file_put_in_its_place_is_a_change_even_at_the_same_time_and_size(tmp_path: Path) -> None:
    file, other = tmp_path / "gateway.pem", tmp_path / "new"
    for path, text in ((file, "one"), (other, "two")):
        path.write_text(text)
        os.utime(path, (1, 1))
    files = watch(file)
    other.replace(file)
    assert [files.look(), files.look()] == [False, True]


def test_a_file_that_comes_or_goes_is_a_change(tmp_path: Path) -> None:
    file = tmp_path / "ca.crl"
    files = watch(file)
    file.touch()
    assert [files.look(), files.look()] == [False, True]
    file.unlink()
    assert [files.look(), files.look()] == [False, True]


def test_what_is_back_as_it_was_is_nothing_new(tmp_path: Path) -> None:
    file, away = tmp_path / "ca.crl", tmp_path / "away"
    file.write_bytes(b"one")
    files = watch(file)
    file.rename(away)
    assert not files.look()
    away.rename(file)
    assert [files.look(), files.look()] == [False, False]


def test_a_change_between_reading_and_following_is_seen(tmp_path: Path) -> None:
    """The stamp is from before the file was read: what came after it has not been read."""
    file = tmp_path / "ca.crl"
    file.write_bytes(b"one")
    before = stamp(file)
    file.write_bytes(b"longer")
    files = FileWatch()
    files.follow({str(file): before})
    assert [files.look(), files.look()] == [False, True]
