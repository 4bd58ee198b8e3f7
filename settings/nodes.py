"""YAML text to a tree that knows where each key and value is written.

Built from parser events rather than by a loader: aliases share one node, so nothing is expanded, and what an
expansion would cost is known before anybody walks it. Everything here is bounded: octets, depth, values.
Files written by others are read here, so every failure is a `Problem`, never an exception of the parser.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from yaml import events

from settings.errors import Problem
from settings.files import UnreadableError, read_secret, read_text
from settings.scalars import plain_scalar
from settings.wording import Step, dotted, show_key

MAX_DEPTH: Final = 32
MAX_VALUES: Final = 500_000


class Mark(NamedTuple):
    file: str
    line: int
    column: int


class Entry(NamedTuple):
    """One key of a mapping: where the key stands, and its value."""

    mark: Mark
    node: Node


@dataclass(slots=True, eq=False)
class Node:
    """A value of the file. `data` is what the models get to see: plain Python, shared with the children."""

    mark: Mark
    data: Any
    text: str | None = None
    """What is written, for a scalar that may be shown again; None for one that may not."""
    quoted: bool = False
    items: list[Node] | None = None
    entries: dict[str, Entry] | None = None
    values: int = 1
    """Itself and everything below, aliases counted each time."""


class Broken:
    """Stands in the data where a problem has been told already."""


BROKEN: Final = Broken()


@dataclass(slots=True)
class Reading:
    """A file's tree and what was wrong on the way. `root` is None if there is no content at all."""

    root: Node | None
    problems: list[Problem] = field(default_factory=list)
    broken: list[tuple[Step, ...]] = field(default_factory=list)
    secrets: list[Path] = field(default_factory=list)
    """Files that `!secret file:` named."""


def read_tree(path: Path, *, base: tuple[Step, ...] = ()) -> Reading:
    """`base` is where the file's content belongs in the whole, for the paths in messages."""
    try:
        return _Builder(path, base).build(read_text(path))
    except UnreadableError as error:
        return Reading(None, [error.problem])


class _Frame:
    """A list or mapping whose end has not been read."""

    __slots__ = ("anchor", "key", "merges", "node")

    def __init__(self, node: Node, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key: tuple[str, Mark, bool] | None = None
        self.merges: list[tuple[Mark, Node]] = []


class _Builder:
    def __init__(self, path: Path, base: tuple[Step, ...]) -> None:
        self._file = str(path)
        self._folder = path.absolute().parent
        self._base = base
        self._stack: list[_Frame] = []
        self._anchors: dict[str, Node | None] = {}
        self._result = Reading(None)
        self._documents = 0

    def build(self, text: str) -> Reading:
        try:
            for event in yaml.parse(text, Loader=yaml.CSafeLoader):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            raise self._syntax(error, text) from None
        except (yaml.YAMLError, ValueError, OverflowError):
            raise UnreadableError(Problem(self._file, 1, 1, "", "not YAML")) from None
        return self._result

    def _take(self, event: Any) -> None:
        kind = type(event)
        if kind is events.ScalarEvent:
            self._scalar(event)
        elif kind is events.MappingStartEvent:
            self._open(event, Node(self._mark(event), {}, entries={}))
        elif kind is events.SequenceStartEvent:
            self._open(event, Node(self._mark(event), [], items=[]))
        elif kind in (events.MappingEndEvent, events.SequenceEndEvent):
            self._close()
        elif kind is events.AliasEvent:
            self._alias(event)
        elif kind is events.DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                raise self._fatal(event, "a second document begins here; a file holds one")

    # --- values ----------------------------------------------------------------------------------------------

    def _scalar(self, event: Any) -> None:
        mark = self._mark(event)
        text: str = event.value
        plain: bool = not event.style
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.node.entries is not None and frame.key is None:
            if event.tag is not None or event.anchor is not None:
                self._tell(mark, "a key is plain text, without tag or anchor")
            frame.key = (text, mark, plain and text == "<<")
            return
        node = Node(mark, plain_scalar(text) if plain else text, quoted=not plain)
        # A value over several lines is often a slip that swallowed the next key, and a secret with it.
        if event.start_mark.line == event.end_mark.line:
            node.text = text
        if event.tag == "!secret":
            node.text = None
            node.data = self._secret(mark, text)
        elif event.tag is not None:
            node.data = self._broken(mark, "unknown tag; the only one is !secret")
        elif node.data is None:
            node.data = self._broken(
                self._key_mark() or mark, "empty; write a value, {} or [] if nothing is meant, or remove the key"
            )
        self._remember(event.anchor, node)
        self._add(node)

    def _secret(self, mark: Mark, text: str) -> Any:
        try:
            secret, path = read_secret(text, self._folder)
        except ValueError as error:
            return self._broken(mark, str(error))
        if path is not None:
            self._result.secrets.append(path)
        return secret

    def _open(self, event: Any, node: Node) -> None:
        mark = node.mark
        if len(self._stack) >= MAX_DEPTH:
            raise self._fatal(event, f"nested deeper than {MAX_DEPTH} levels")
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.node.entries is not None and frame.key is None:
            raise self._fatal(event, "a key is plain text, not a list or mapping")
        if event.tag is not None:
            self._tell(mark, "unknown tag; the only one is !secret, before a text")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._stack.append(_Frame(node, event.anchor))

    def _close(self) -> None:
        frame = self._stack.pop()
        if frame.merges:
            self._merge(frame)
        self._remember(frame.anchor, frame.node)
        self._add(frame.node)

    def _alias(self, event: Any) -> None:
        mark = self._mark(event)
        if self._stack and self._stack[-1].node.entries is not None and self._stack[-1].key is None:
            raise self._fatal(event, "a key is plain text, not an alias")
        if event.anchor not in self._anchors:
            node = Node(mark, self._broken(mark, f"unknown anchor {show_key(event.anchor)}"))
        else:
            known = self._anchors[event.anchor]
            if known is None:
                raise self._fatal(event, f"anchor {show_key(event.anchor)} contains itself")
            node = known
        self._add(node)

    def _add(self, node: Node) -> None:
        """Into the innermost open list or mapping."""
        if not self._stack:
            self._result.root = node
            return
        frame = self._stack[-1]
        parent = frame.node
        parent.values += node.values
        if parent.values > MAX_VALUES:
            raise UnreadableError(Problem(*parent.mark, "", f"more than {MAX_VALUES:,} values, aliases followed"))
        if parent.items is not None:
            parent.items.append(node)
            parent.data.append(node.data)
            return
        if parent.entries is None or frame.key is None:
            raise TypeError("a value outside of lists and mappings")
        key, mark, merges = frame.key
        if merges:
            frame.merges.append((mark, node))
        elif key in parent.entries:
            self._tell(mark, f"written twice; first at line {parent.entries[key].mark.line}")
        else:
            parent.entries[key] = Entry(mark, node)
            parent.data[key] = node.data
        frame.key = None

    def _merge(self, frame: _Frame) -> None:
        """`<<`: what is written here goes first, then the merged mappings in their order."""
        entries, data = frame.node.entries or {}, frame.node.data
        for mark, node in frame.merges:
            for source in [node] if node.items is None else node.items:
                if source.entries is None:
                    self._tell(mark, "<< takes a mapping or a list of mappings")
                    continue
                for key, entry in source.entries.items():
                    if key not in entries:
                        entries[key] = entry
                        data[key] = entry.node.data
        frame.node.entries = entries

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    # --- places and problems ---------------------------------------------------------------------------------

    def _mark(self, event: Any) -> Mark:
        return Mark(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _key_mark(self) -> Mark | None:
        key = self._stack[-1].key if self._stack else None
        return key[1] if key else None

    def _path(self) -> tuple[Step, ...]:
        steps: list[Step] = list(self._base)
        for frame in self._stack:
            if frame.node.items is not None:
                steps.append(len(frame.node.items))
            elif frame.key is not None:
                steps.append(frame.key[0])
        return tuple(steps)

    def _tell(self, mark: Mark, message: str) -> None:
        self._result.problems.append(Problem(*mark, dotted(self._path()), message))

    def _broken(self, mark: Mark, message: str) -> Broken:
        self._tell(mark, message)
        self._result.broken.append(self._path())
        return BROKEN

    def _fatal(self, event: Any, message: str) -> UnreadableError:
        return UnreadableError(Problem(*self._mark(event), dotted(self._path()), message))

    def _syntax(self, error: yaml.MarkedYAMLError, text: str) -> UnreadableError:
        """libyaml's own words never contain the file's text; its marks do, and are not used."""
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        lines = text.split("\n")
        written = lines[line - 1] if line <= len(lines) else ""
        if "\t" in written[: len(written) - len(written.lstrip())]:
            message = "a tab indents this line; YAML takes only spaces"
        else:
            message = "not YAML: " + "; ".join(part for part in (error.problem, error.context) if part)
        return UnreadableError(Problem(self._file, line, column, "", message))
