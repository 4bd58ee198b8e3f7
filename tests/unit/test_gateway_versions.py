"""Versions: of what is really used."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from OpenSSL import SSL

from gateway import versions
from settings import twins


def test_everything_has_a_value() -> None:
    told = versions.everything()
    assert list(told)[:2] == ["settlegate", "python"]
    assert all(told.values())
    assert told["twins"] == twins.in_use()


def test_openssl_is_the_one_of_pyopenssl() -> None:
    assert versions.openssl() in SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode()


def test_a_source_tree_that_is_not_installed_knows_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    project = tomllib.loads((Path(versions.__file__).parent.parent / "pyproject.toml").read_text())
    assert versions.settlegate() == project["project"]["version"]
    assert versions.everything()["uvloop"] == "not installed"
