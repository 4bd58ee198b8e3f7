"""What a wheel takes along (Python files of our packages, nothing else), and what the set-up scripts say."""

from __future__ import annotations

import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.support.markdown import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["importlinter"]["root_packages"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_a_package_gets_into_the_wheel(package: str) -> None:
    files = [path for path in (ROOT / package).rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert [path for path in files if path.suffix != ".py"] == [], "data files are left out of the wheel"
    assert [path for path in files if not (path.parent / "__init__.py").exists()] == [], "no package: left out"


def test_the_wheel_takes_our_packages_and_no_others() -> None:
    found = PROJECT["tool"]["setuptools"]["packages"]["find"]
    assert found["namespaces"] is False
    top = [path.parent.name for path in ROOT.glob("*/__init__.py")]
    assert sorted(name for name in top if any(fnmatch(name, entry) for entry in found["include"])) == sorted(PACKAGES)


def test_scripts_are_shell_that_parses() -> None:
    for script in ("deploy/make-venv.sh", "tests/debian-packages.sh", "bench/debian-packages.sh", ".ci/run"):
        path = ROOT / script
        assert path.stat().st_mode & 0o111, script
        subprocess.run(["sh", "-n", str(path)], check=True)


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run("deploy/make-venv.sh", str(tmp_path / "venv"), PATH="/usr/bin:/bin", PYTHON="no-such-python")
    assert done.returncode == 1
    assert "no-such-python is not there" in done.stderr
    assert "apt-get install" in done.stderr


def test_without_root_the_missing_module_is_one_line_to_type(tmp_path: Path) -> None:
    program(tmp_path / "id", "echo 1000")
    program(tmp_path / "python3", 'case "$*" in *ensurepip*) exit 1 ;; *python%d*) echo python3.11-venv ;; esac')
    done = run("deploy/make-venv.sh", str(tmp_path / "venv"), PATH=f"{tmp_path}:/usr/bin:/bin")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "  sudo apt-get install --yes python3.11-venv"
    assert not (tmp_path / "venv").exists()


def test_without_root_missing_packages_are_named_with_their_tests(tmp_path: Path) -> None:
    program(tmp_path / "id", "echo 1000")
    program(tmp_path / "apt-get", "echo must not be called; exit 1")
    done = run("tests/debian-packages.sh", PATH=str(tmp_path))
    assert done.returncode == 0
    assert "  softhsm2: keys on a hardware token" in done.stdout.splitlines()
    assert "must not be called" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("to have them: sudo apt-get install ")


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", str(ROOT / script), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
