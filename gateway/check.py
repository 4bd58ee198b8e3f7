"""`settlegate check` and `settlegate show`: everything that can be said of a configuration without running it.

The one thing that is said of this machine, and may be otherwise where the gateway runs, are its limits: notices.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from gateway.check_files import check_files
from gateway.check_machine import Machine, shortages, this_machine
from gateway.config import GatewayConfig, load_document, read_gateway
from gateway.config_rules import oddities
from gateway.not_in_force import not_in_force
from settings.addresses import ip_address
from settings.document import Document
from settings.errors import ConfigError, Problem
from settings.reference import schema_text
from settings.show import MASK, effective


@dataclass(frozen=True, slots=True)
class Report:
    """Each part sorted by place."""

    problems: tuple[Problem, ...]
    """Any of these and the gateway will not start with this file, or not work."""
    notices: tuple[Problem, ...]
    not_in_force: tuple[Problem, ...]


def check(path: Path, *, now: datetime | None = None, machine: Machine | None = None) -> Report:
    """Reads the file and those it names. What one part breaks does not hide what is wrong with another."""
    document = read_gateway(path)
    problems: list[Problem] = []
    notices = list(document.notices)
    try:
        config = load_document(document)
    except ConfigError as error:
        problems += error.problems
    else:
        odd = (*oddities(config), *shortages(config, machine or this_machine()))
        notices += [document.problem(oddity.place, oddity.message) for oddity in odd]
        notices += _masks(document)
        problems += _unknown_hosts(document, config)
    files = check_files(document, now or datetime.now(UTC))
    return Report(
        problems=tuple(sorted({*problems, *files.problems})),
        notices=tuple(sorted({*notices, *files.notices})),
        not_in_force=tuple(not_in_force(document)),
    )


def _unknown_hosts(document: Document, config: GatewayConfig) -> Iterator[Problem]:
    """Host names are looked up when the gateway starts, and one that is unknown stops it."""
    for pool, settings in config.pools.items():
        for number, node in enumerate(settings.nodes):
            if ip_address(node.address.host) is not None:
                continue
            try:
                socket.getaddrinfo(*node.address, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError):
                place = ("pools", pool, "nodes", number, "address")
                yield document.problem(place, f"{node.address}: this host name is not known here")


def _masks(document: Document) -> list[Problem]:
    """Secrets that are the mask itself: somebody runs the output of `show`."""
    return [
        document.problem(place, f"this secret is {MASK}, as `show` prints it; write the real one")
        for place, node in document.walk()
        if node.text == MASK
    ]


def run_check(path: Path, out: TextIO, *, now: datetime | None = None, machine: Machine | None = None) -> int:
    """Prints the report; 0 if the file can be used, 1 if not."""
    report = check(path, now=now, machine=machine)
    lines = [(problem, str(problem)) for problem in report.problems]
    lines += [(notice, str(notice._replace(message=f"notice: {notice.message}"))) for notice in report.notices]
    lines += [(later, str(later)) for later in report.not_in_force]
    for _, line in sorted(lines):
        out.write(line + "\n")
    out.write(_summary(path, report) + "\n")
    return 1 if report.problems else 0


def _summary(path: Path, report: Report) -> str:
    def count(number: int, one: str, many: str) -> str:
        return f"{number} {one if number == 1 else many}"

    state = "有误 not usable" if report.problems else "可用 usable"
    parts = (
        count(len(report.problems), "problem", "problems") + f" / {len(report.problems)} 处错误",
        count(len(report.notices), "notice", "notices") + f" / {len(report.notices)} 处提醒",
        f"{len(report.not_in_force)} accepted, not yet in force / {len(report.not_in_force)} 处已接受、尚未生效",
    )
    return f"{path}: {state}: {'; '.join(parts)}"


def run_show(path: Path, out: TextIO, *, schema: bool = False) -> int:
    """Prints the effective configuration, or the JSON Schema of all configurations; 1 if the file is broken."""
    if schema:
        out.write(schema_text(GatewayConfig))
        return 0
    document = read_gateway(path)
    try:
        config = load_document(document)
    except ConfigError as error:
        out.write(f"{error}\n")
        return 1
    # The files that `institutions_from` names are part of what is printed: naming them again would double them.
    out.write(effective(config, leave_out={"institutions_from"}))
    return 0
