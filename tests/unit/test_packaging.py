"""What the packages take along and how they are compiled, and what the set-up scripts say."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from settings import twins
from tests.support.markdown import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["importlinter"]["root_packages"]
EXTENSIONS = PROJECT["tool"]["setuptools"]["ext-modules"]
NAMES = (*twins.COMPILED_SOURCES, *twins.HAND_WRITTEN)


def files_of(package: str) -> list[Path]:
    return [path for path in (ROOT / package).rglob("*") if path.is_file() and path.suffix != ".pyc"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_a_package_gets_into_the_wheel(package: str) -> None:
    compiled_of_or_to = {path for name in NAMES for path in of_module(name)}
    files = [path for path in files_of(package) if path not in compiled_of_or_to]
    assert [path for path in files if path.suffix != ".py"] == [], "data files are left out of the wheel"
    assert [path for path in files if not (path.parent / "__init__.py").exists()] == [], "no package: left out"


def of_module(name: str) -> list[Path]:
    """What its compiler reads and writes, beside the `.py`."""
    stem = ROOT.joinpath(*name.split("."))
    return [*(stem.with_suffix(end) for end in (".pyx", ".pxd", ".c")), *stem.parent.glob(f"{stem.name}.*.so")]


def test_every_module_that_has_types_is_listed() -> None:
    sources = [path for package in PACKAGES for path in files_of(package) if path.suffix in {".pyx", ".pxd"}]
    assert {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sources} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_module_is_compiled_from_its_source_and_types_and_may_fail_to(name: str) -> None:
    """An entry without `optional` would make an installation without a C compiler fail."""
    (entry,) = (entry for entry in EXTENSIONS if entry["name"] == name)
    written = twins.source(name)
    types = written.with_suffix(".pxd")
    wanted = {
        "name": name,
        "sources": [str(written.relative_to(ROOT))],
        "extra-compile-args": ["-O2", "-g0"],
        "optional": True,
    }
    if types.exists():
        wanted["depends"] = [str(types.relative_to(ROOT))]  # so that the source distribution holds it
    assert entry == wanted


def test_nothing_else_is_compiled() -> None:
    assert sorted(entry["name"] for entry in EXTENSIONS) == sorted(NAMES)


@pytest.mark.skipif(not shutil.which("make"), reason="no make")
@pytest.mark.parametrize("target", ["demo", "test"])
def test_an_edit_of_what_is_compiled_is_compiled_before_use(target: str, tmp_path: Path) -> None:
    """An older module beside a newer source would switch all of them off."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    for name in ("bin/python", "installed", "installed-for-tests", "compiled"):
        (venv / name).touch()

    def steps(*more: str) -> str:
        command = ["make", "--dry-run", f"VENV={venv}", *more, target]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "build_ext" not in steps()
    for entry in EXTENSIONS:
        for path in (*entry["sources"], *entry.get("depends", ())):
            assert "build_ext" in steps(f"--what-if={path}"), path


def test_what_is_generated_is_not_under_version_control() -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    kept = subprocess.run([git, "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [name for name in kept.splitlines() if name.endswith((".c", ".so"))] == []


def test_the_wheel_takes_our_packages_and_no_others() -> None:
    found = PROJECT["tool"]["setuptools"]["packages"]["find"]
    assert found["namespaces"] is False
    top = [path.parent.name for path in ROOT.glob("*/__init__.py")]
    assert sorted(name for name in top if any(fnmatch(name, entry) for entry in found["include"])) == sorted(PACKAGES)


def test_scripts_are_shell_that_parses() -> None:
    for script in (
        "deploy/make-venv.sh",
        "tests/debian-packages.sh",
        "tests/fuzz/again",
        "bench/debian-packages.sh",
        ".ci/run",
    ):
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
