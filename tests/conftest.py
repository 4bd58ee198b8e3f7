"""Settings for all tests: the same examples each time in CI, new ones elsewhere; and which twins run."""

from __future__ import annotations

import os
import shutil
import signal

import pytest
from hypothesis import settings

from settings import twins

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_report_header() -> str:
    return f"settlegate: {twins.in_use()}"


def pytest_configure() -> None:
    """The same signals however the tests were started, and in CI with what is compiled.

    A shell starts what runs in its background with these signals ignored, and everything below inherits that. And
    where modules can be compiled, a green run must not mean that only their Python was tested.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    asked = os.environ.get("CI") and not os.environ.get("SETTLEGATE_PURE")
    if asked and not twins.COMPILED and (shutil.which("cc") or shutil.which("gcc")):
        raise pytest.UsageError(f"there is a C compiler, but: {twins.in_use()}; to build: make .venv/compiled")
