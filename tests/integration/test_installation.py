"""Installed from a source distribution: compiled where there is a C compiler, in pure Python where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from gateway.versions import settlegate
from settings import twins
from tests.support.markdown import ROOT

NAMES = (*twins.COMPILED_SOURCES, *twins.HAND_WRITTEN)
PACKAGES = sorted({name.partition(".")[0] for name in NAMES} | {"settings", "healthcheck", "certs"})
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")

pytestmark = pytest.mark.timeout(900)
with_compiler = pytest.mark.skipif(not shutil.which("gcc"), reason="no C compiler")


def run(*command: object, **options: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made of a copy: a build writes beside its sources."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    dist = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-W", "ignore", "-c", "import setuptools; setuptools.setup()", "sdist", "-d", dist, cwd=folder)
    (made,) = dist.iterdir()
    return made


def build(sdist: Path, folder: Path, **environment: str) -> Path:
    """The wheel that pip makes of it, and installs."""
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation")
    run(*pip, "--disable-pip-version-check", "--wheel-dir", folder, sdist, env={**os.environ, **environment})
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def compiled(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(sdist, tmp_path_factory.mktemp("compiled"))


@pytest.fixture(scope="session")
def pure(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without gcc in sight."""
    empty = tmp_path_factory.mktemp("empty")
    return build(sdist, tmp_path_factory.mktemp("pure"), PATH=str(empty), CC="gcc")


def install(wheel: Path, venv: Path) -> Path:
    """Into a fresh environment, beside dependencies that are here already; its command."""
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    python = venv / "bin/python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--quiet", wheel)
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    packages.joinpath("dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return venv / "bin/settlegate"


def version(command: Path, **environment: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in {"SETTLEGATE_PURE", "PYTHONPATH"}}
    lines = run(command, "version", cwd=command.parent, env={**inherited, **environment}).splitlines()
    return dict(line.split(" ", 1) for line in lines)


def test_the_source_distribution_holds_all_that_is_compiled_and_nothing_generated(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    for name in NAMES:
        for path in (twins.source(name), twins.source(name).with_suffix(".pxd")):
            assert not path.exists() or str(path.relative_to(ROOT)) in files
    assert [name for name in files if name.endswith((".c", ".so"))] == []


@with_compiler
def test_with_a_compiler_every_module_is_compiled(compiled: Path, tmp_path: Path) -> None:
    files = set(zipfile.ZipFile(compiled).namelist())
    for name in NAMES:
        assert name.replace(".", "/") + SUFFIX in files
    assert [name for name in files if name.endswith((".c", ".pyx", ".pxd"))] == []
    command = install(compiled, tmp_path / "venv")
    told = version(command)
    assert told["settlegate"] == settlegate()
    assert told["twins"] == f"compiled: {len(NAMES)} of {len(NAMES)} modules"
    assert version(command, SETTLEGATE_PURE="1")["twins"] == "pure Python (SETTLEGATE_PURE)"


def test_without_a_compiler_it_is_installed_all_the_same_and_says_so(pure: Path, tmp_path: Path) -> None:
    assert [name for name in zipfile.ZipFile(pure).namelist() if name.endswith(".so")] == []
    told = version(install(pure, tmp_path / "venv"))
    assert told["settlegate"] == settlegate()
    assert told["twins"] == "pure Python (not compiled)"


@pytest.mark.parametrize("kind", [pytest.param("compiled", marks=with_compiler), "pure"])
def test_what_was_installed_settles_claims(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    command = install(request.getfixturevalue(kind), tmp_path / "venv")
    told = run(command, "demo", "--once", cwd=tmp_path)
    assert "丢失 lost 0" in told
    assert "✗" not in told


@with_compiler
def test_one_missing_module_means_pure_python(compiled: Path, tmp_path: Path) -> None:
    """All or none: their types fit together as they were built."""
    command = install(compiled, tmp_path / "venv")
    (one,) = (tmp_path / "venv").rglob(f"links{SUFFIX}")
    one.unlink()
    assert version(command)["twins"] == "pure Python (not compiled)"
