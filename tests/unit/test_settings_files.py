"""Text and secrets from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from settings.files import MAX_OCTETS, UnreadableError, read_secret, read_text


def refusal(path: Path) -> str:
    with pytest.raises(UnreadableError) as caught:
        read_text(path)
    return str(caught.value.problem).removeprefix(str(path))


def test_a_mark_is_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: \xe6\xb4\x9b")
    assert read_text(path) == "name: 洛"


def test_files_that_are_none(tmp_path: Path) -> None:
    assert refusal(tmp_path) == ": is a directory; a file is wanted"
    assert refusal(tmp_path / "missing") == ": no such file"
    assert refusal(Path("/dev/null")) == "/dev/null: is not a regular file".removeprefix("/dev/null")
    path = tmp_path / "file"
    path.write_text("x")
    assert refusal(path / "below") == ": no such file"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("x")

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert refusal(path) == ": cannot be read: permission denied"


def test_what_is_not_utf8_is_placed(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("a: 1\nb: 洛\xff".encode("latin-1", "ignore") + b"\xff")
    assert refusal(path).startswith(":2:")
    path.write_bytes("a: 洛".encode("utf-16"))
    assert refusal(path) == ":1:1: UTF-16; save it as UTF-8"
    path.write_bytes(b"a: 1\n  b: \x07")
    assert refusal(path) == ":2:6: control character U+0007"


def test_a_file_of_any_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with path.open("wb") as file:
        file.truncate(MAX_OCTETS + 1)
    assert refusal(path) == ": larger than 8 MiB"


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "community").write_text("hunter2\n")
    secret, path = read_secret("file:community", tmp_path)
    assert secret.get_secret_value() == "hunter2"
    assert path == tmp_path / "community"
    assert read_secret(f"file:{tmp_path}/community", Path("/"))[0] == secret


def test_a_secret_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETTLEGATE_TEST", "hunter2")
    secret, path = read_secret("env:SETTLEGATE_TEST", tmp_path)
    assert (secret.get_secret_value(), path) == ("hunter2", None)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * 65_537])
def test_files_without_a_secret(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "community").write_bytes(content)
    with pytest.raises(ValueError, match="the file of this !secret is") as caught:
        read_secret("file:community", tmp_path)
    assert "community" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["hunter2", "hunter2:x", "file:", "env:", "", "file:hunter2", "file:.", "file:a\0b", "env:hunter2"]
)
def test_nothing_of_the_tag_is_repeated(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("hunter2", raising=False)
    with pytest.raises(ValueError, match="!secret") as caught:
        read_secret(text, tmp_path)
    assert "hunter2" not in str(caught.value)


def test_an_empty_variable_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETTLEGATE_TEST", "")
    with pytest.raises(ValueError, match="is empty"):
        read_secret("env:SETTLEGATE_TEST", tmp_path)
