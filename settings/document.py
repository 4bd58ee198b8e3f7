"""One configuration as it is written: values, their places, and the files they come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from settings.errors import Problem
from settings.nodes import Mark, Node, Reading, read_tree
from settings.wording import Step, dotted


@dataclass(slots=True)
class Document:
    """`root` is None if there is nothing to validate; `problems` then says why."""

    path: Path
    root: Node | None
    problems: list[Problem] = field(default_factory=list)
    """What made parts of it unusable already."""
    notices: list[Problem] = field(default_factory=list)
    """What is worth saying and stops nothing."""
    broken: list[tuple[Step, ...]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    """Every file read, the first one included; a change of any is a change of the configuration."""
    secrets: list[Path] = field(default_factory=list)
    """Files that hold one secret each."""

    def find(self, path: tuple[Step, ...]) -> Node | None:
        """The value written at `path`; None if it is not written."""
        node = self.root
        for step in path:
            if node is None:
                return None
            node = _child(node, step)
        return node

    def place(self, path: tuple[Step, ...]) -> Mark:
        """Where `path` is written: its key if it has one. For what is not written, the nearest that encloses it."""
        mark = Mark(str(self.path), 1, 1)
        node = self.root
        for step in path:
            if node is None:
                break
            if node.entries is not None and isinstance(step, str) and step in node.entries:
                mark = node.entries[step].mark
                node = node.entries[step].node
            else:
                node = _child(node, step)
                mark = mark if node is None else node.mark
        return mark

    def problem(self, path: tuple[Step, ...], text: str) -> Problem:
        """`text` about the value at `path`."""
        return Problem(*self.place(path), dotted(path), text)

    def walk(self) -> Iterator[tuple[tuple[Step, ...], Node]]:
        """Every value with its path, outer before inner."""
        waiting: list[tuple[tuple[Step, ...], Node]] = [((), self.root)] if self.root is not None else []
        while waiting:
            path, node = waiting.pop()
            yield path, node
            waiting += [((*path, key), entry.node) for key, entry in (node.entries or {}).items()]
            waiting += [((*path, number), item) for number, item in enumerate(node.items or ())]

    def take_in(self, reading: Reading) -> None:
        """The side results of one more file."""
        self.problems += reading.problems
        self.broken += reading.broken
        self.secrets += reading.secrets


def _child(node: Node, step: Step) -> Node | None:
    if node.entries is not None and isinstance(step, str):
        entry = node.entries.get(step)
        return entry.node if entry else None
    if node.items is not None and isinstance(step, int) and step < len(node.items):
        return node.items[step]
    return None


def read_document(path: Path) -> Document:
    """Raises nothing for what is in the file or missing: see `problems`."""
    reading = read_tree(path)
    document = Document(path, reading.root, files=[path])
    document.take_in(reading)
    if reading.root is None and not reading.problems:
        document.problems.append(Problem(str(path), 1, 1, "", "empty; a mapping of sections is wanted"))
    elif reading.root is not None and reading.root.entries is None:
        if not reading.problems:
            document.problems.append(Problem(*reading.root.mark, "", "a mapping of sections is wanted"))
        document.root = None
    return document
