"""Modules that may run compiled, read as the Python they are written in.

A compiled class takes no stand-in for what its methods declare. Unit tests stand fakes in, so they test the source in
Python; the integration tests run the same source as it was built.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from settings import twins


def load(name: str) -> ModuleType:
    """A module of COMPILED_SOURCES from its `.py`, whatever has been built; the same one for all who ask."""
    if name not in twins.COMPILED_SOURCES:
        raise ValueError(f"{name} is never compiled: import it")
    mine = f"{name} in Python"
    if mine not in sys.modules:
        source = twins.source(name)
        spec = importlib.util.spec_from_file_location(mine, source)
        if spec is None or spec.loader is None:
            raise ImportError(f"{source} cannot be read", name=name)
        module = importlib.util.module_from_spec(spec)
        sys.modules[mine] = module  # dataclasses look themselves up here
        spec.loader.exec_module(module)
    return sys.modules[mine]
