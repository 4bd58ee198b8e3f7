"""Run every case through the gateway, nginx and HAProxy: `python -m tests.conformance --write` writes the document."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.conformance.page import PAGE, TABLES, Row, cell, compose, worst_cell
from tests.conformance.proxies import Debian, Ours, echo, found, version
from tests.support.desk import Desk


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--write"]):
        print("usage: python -m tests.conformance [--write]", file=sys.stderr)
        return 2
    missing = [program for program in ("nginx", "haproxy") if found(program) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}; see tests/debian-packages.sh", file=sys.stderr)
        return 1
    text = run()
    if arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    sys.stdout.write(text)
    return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text else 1


def run() -> str:
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Desk(echo) as desk,
        Ours(desk, Path(folder)) as ours,
        Debian("nginx", desk) as nginx,
        Debian("haproxy", desk) as haproxy,
    ):
        for table in TABLES:
            rows += [
                Row(case, cell(ours, case), worst_cell(nginx, case), worst_cell(haproxy, case)) for case in table.cases
            ]
    return compose(rows, {program: version(program) for program in ("nginx", "haproxy")})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
