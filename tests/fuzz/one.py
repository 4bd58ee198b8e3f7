"""One target in libFuzzer: `python -m tests.fuzz.one --target=NAME [libFuzzer's options] [folders]`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["gateway.http1", "gateway.proxy_protocol", "gateway.bodies", "tests.fuzz.targets"]
):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    # libFuzzer ignores options with two hyphens, and passes them on to the children it merges in.
    (name,) = (option.partition("=")[2] for option in sys.argv if option.startswith("--target="))
    os.environ["PYTHON"] = sys.executable
    atheris.Setup([str(Path(__file__).with_name("again")), *sys.argv[1:]], TARGETS[name])
    atheris.Fuzz()
