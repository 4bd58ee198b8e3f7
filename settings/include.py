"""Entries of one section that live in files of their own."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from settings.document import Document
from settings.errors import Problem
from settings.nodes import Entry, Node, read_tree
from settings.wording import dotted


def include(document: Document, pattern_key: str, section: str) -> None:
    """Adds the entries of every file that the pattern at `pattern_key` matches to `section`.

    Patterns are relative to the document. An entry written twice, wherever, is a problem that names both places.
    """
    pattern = document.find((pattern_key,))
    root = document.root
    if pattern is None or root is None or root.entries is None or not isinstance(pattern.data, str):
        return
    into = root.entries.get(section)
    if into is None:
        mark = root.entries[pattern_key].mark
        into = root.entries[section] = Entry(mark, Node(mark, {}, entries={}))
        root.data[section] = into.node.data
    if into.node.entries is None:
        return
    for path in _matches(document, pattern.data, pattern_key):
        _add_file(document, path, section, into.node)


def _matches(document: Document, pattern: str, pattern_key: str) -> list[Path]:
    folder = document.path.parent
    if "\0" in pattern:
        return []
    names = sorted(glob.glob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207 absolute patterns are allowed
    paths = [folder / name for name in names if not (folder / name).is_dir()]
    if not paths:
        if glob.has_magic(pattern):
            document.notices.append(document.problem((pattern_key,), "matches no file"))
        else:
            document.problems.append(document.problem((pattern_key,), "no such file"))
    this = os.path.realpath(document.path)
    own = [path for path in paths if os.path.realpath(path) == this]
    if own:
        document.problems.append(document.problem((pattern_key,), "matches this very file; give the files a folder"))
    return [path for path in paths if path not in own]


def _add_file(document: Document, path: Path, section: str, into: Node) -> None:
    reading = read_tree(path, base=(section,))
    document.files.append(path)
    document.take_in(reading)
    if reading.root is None:
        if not reading.problems:
            document.notices.append(Problem(str(path), 1, 1, section, "this file is empty"))
        return
    if reading.root.entries is None:
        document.problems.append(Problem(*reading.root.mark, section, "a mapping of entries is wanted"))
        return
    entries = into.entries if into.entries is not None else {}
    for key, entry in reading.root.entries.items():
        first = entries.get(key)
        if first is None:
            entries[key] = entry
            into.data[key] = entry.node.data
            continue
        seen = f"{first.mark.file}:{first.mark.line}:{first.mark.column}"
        document.problems.append(Problem(*entry.mark, dotted((section, key)), f"written twice; first at {seen}"))
