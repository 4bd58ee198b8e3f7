"""Which modules run compiled, and which as the Python they are written in.

Two kinds are built at installation where there is a C compiler. Modules of COMPILED_SOURCES are the same source twice:
plain Python, and that source compiled with the types that the `.pxd` beside it adds. Those of HAND_WRITTEN are
Cython, each with a pure-Python twin of the same interface, named in its docstring.

All of them run compiled, or none: their types fit together as they were built. None where `SETTLEGATE_PURE=1` is in
the environment (to measure, to test, or to rule them out), where one is missing, and in a checkout where one is older
than its source, so that an edit is never without effect.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

COMPILED_SOURCES: Final = (
    "balancer.pool",
    "gateway.bodies",
    "gateway.counting",
    "gateway.exchange",
    "gateway.links",
    "gateway.outbox",
    "gateway.placement",
    "gateway.runtime",
    "gateway.session",
    "gateway.stream",
    "gateway.tls_stream",
    "monitoring.access_log",
)
HAND_WRITTEN: Final = ("balancer._pick", "gateway._wire", "gateway.http1._scan", "monitoring._line")

_ROOT: Final = Path(__file__).parent.parent


class _PureFinder:
    """Finds every twin as what it is in Python."""

    @staticmethod
    def find_spec(
        name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """`sys.meta_path`'s protocol: None leaves a module to the other finders."""
        if name in COMPILED_SOURCES:
            return importlib.util.spec_from_file_location(name, source(name))
        if name in HAND_WRITTEN:
            raise ModuleNotFoundError(f"{name}: its pure-Python twin is to be used", name=name)
        return None


def choose() -> None:
    """To be called before any other module of the package is imported; a second call changes nothing."""
    if not COMPILED and not any(isinstance(finder, _PureFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _PureFinder())


def source(name: str) -> Path:
    """The file that a module of either kind is compiled from."""
    return _ROOT.joinpath(*name.split(".")).with_suffix(".pyx" if name in HAND_WRITTEN else ".py")


def in_use() -> str:
    """Which twins this process runs, and why; for people."""
    if not COMPILED:
        return "pure Python (SETTLEGATE_PURE)" if _ruled_out() else "pure Python (not compiled)"
    names = (*COMPILED_SOURCES, *HAND_WRITTEN)
    built = sum(isinstance(_loader(name), importlib.machinery.ExtensionFileLoader) for name in names)
    return f"compiled: {built} of {len(names)} modules"


def _loader(name: str) -> object:
    found = importlib.util.find_spec(name)
    return found.loader if found else None


def _ruled_out() -> bool:
    return os.environ.get("SETTLEGATE_PURE", "") not in ("", "0")


def _usable() -> bool:
    if _ruled_out():
        return False
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    checkout = (_ROOT / "pyproject.toml").exists()
    for name in (*COMPILED_SOURCES, *HAND_WRITTEN):
        written = source(name)
        built = written.with_suffix(suffix)
        if not built.exists():
            return False
        if checkout:
            made_of = [path for path in (written, written.with_suffix(".pxd")) if path.exists()]
            if max(path.stat().st_mtime for path in made_of) > built.stat().st_mtime:
                return False
    return True


COMPILED: Final = _usable()
"""Whether this process runs the compiled twins."""
