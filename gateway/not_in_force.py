"""What the configuration accepts and the gateway does not do yet. Take a line out when its part is built.

Only what a file writes is told: a default promises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from settings.document import Document
from settings.errors import Problem
from settings.nodes import Node
from settings.wording import Step


class Later(NamedTuple):
    """One key; `*` stands for every name or number."""

    path: str
    consequence: str = ""
    unless: tuple[str, ...] = ()
    """Values that are in force."""


ACCEPTED: Final = "accepted, not yet in force"

NOT_IN_FORCE: Final = (
    Later("pools.*.policy", unless=("round_robin", "least_connections")),
    Later("pools.*.ejection"),
    Later("pools.*.queue"),
    Later("pools.*.retries.budget"),
    Later("alerts", "nobody is told of anything"),
    Later("admin.tls", "the admin API is plain HTTP on loopback"),
    Later("admin.trust"),
)


def not_in_force(document: Document) -> list[Problem]:
    """Every written key of the table, in the order of the file."""
    told = [
        document.problem(place, f"{ACCEPTED}: {later.consequence}" if later.consequence else ACCEPTED)
        for later in NOT_IN_FORCE
        for place, node in written(document, later.path)
        if node.text not in later.unless
    ]
    return sorted(told)


def written(document: Document, pattern: str) -> Iterator[tuple[tuple[Step, ...], Node]]:
    """Every place of the document that `pattern` names, and what is written there."""
    if document.root is not None:
        yield from _below(document.root, (), pattern.split("."))


def _below(node: Node, place: tuple[Step, ...], steps: list[str]) -> Iterator[tuple[tuple[Step, ...], Node]]:
    if not steps:
        yield place, node
        return
    step, *rest = steps
    for key, entry in (node.entries or {}).items():
        if step in ("*", key):
            yield from _below(entry.node, (*place, key), rest)
    for number, item in enumerate(node.items or ()):
        if step == "*":
            yield from _below(item, (*place, number), rest)
