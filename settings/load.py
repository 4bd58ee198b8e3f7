"""A configuration file to its model, with every problem at its place.

A model is validated until nothing new is found: what is broken is taken out and the rest validated again, so that
rules between values are told together with slips inside them. A rule that rests on something broken is not told.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from pydantic import ValidationError

from settings.broken import BrokenPlaces, Place
from settings.document import Document, read_document
from settings.errors import ConfigError, Problem, RuleError, RulesError
from settings.fields import spot
from settings.nodes import BROKEN, Node
from settings.translate import bad_key, bad_value, meant_key, seen_or_default, shown_path, unknown_key, with_seen
from settings.types import Model
from settings.wording import dotted

__all__ = ["Document", "load", "load_file", "read_document"]

M = TypeVar("M", bound=Model)
_ROUNDS = 16
"""Each round takes out something one level higher at least; a configuration is not deeper than this."""


def load_file(path: Path, model: type[M]) -> M:
    """Raises `ConfigError` with every problem of the file."""
    return load(read_document(path), model)


def load(document: Document, model: type[M]) -> M:
    """Raises `ConfigError` with every problem of the document."""
    if document.root is None:
        raise ConfigError(document.problems)
    context = {"folder": document.path.absolute().parent}
    broken = BrokenPlaces(document.broken)
    suspect = BrokenPlaces(document.broken)
    problems = list(document.problems)
    for number in range(_ROUNDS):
        pruned = _Pruned(document, document.root, broken if number else BrokenPlaces())
        try:
            result = model.model_validate(pruned.data, context=context)
        except ValidationError as error:
            findings = [one for one in _findings(error, pruned) if number or not _counts_sound_entries(one, document)]
        else:
            if problems:
                break
            return result
        if not number:
            suspect.add(_misspelt(findings, document, model))
        problems += [
            _problem(finding, document, model)
            for finding in findings
            if _is_news(finding, document, suspect, first=number == 0)
        ]
        gone = [_to_take_out(finding, document, broken) for finding in findings]
        broken.add(gone)
        suspect.add(gone)
        if () in broken:
            break
    raise ConfigError(problems or [Problem(str(document.path), 1, 1, "", "cannot be used")])


class _Finding(NamedTuple):
    """One error of one round, at its place in the document."""

    place: Place
    error: dict[str, Any]
    key: bool = False
    """It is the key that is wrong, not its value."""
    crossed: RuleError | None = None
    uses: tuple[Place, ...] = ()


class _Pruned:
    """The data without what is broken. Entries of lists keep their number in the document."""

    def __init__(self, document: Document, root: Node, broken: BrokenPlaces) -> None:
        self._document = document
        self._broken = broken
        self._numbers: dict[Place, list[int]] = {}
        self.data = self._copy(root, ()) if broken else root.data

    def _copy(self, node: Node, place: Place) -> Any:
        if node.items is not None:
            kept = [number for number in range(len(node.items)) if (*place, number) not in self._broken]
            if len(kept) < len(node.items):
                self._numbers[place] = kept
            return [self._copy(node.items[number], (*place, number)) for number in kept]
        if node.entries is not None:
            return {
                key: self._copy(entry.node, (*place, key))
                for key, entry in node.entries.items()
                if (*place, key) not in self._broken
            }
        return node.data

    def written(self, place: Place) -> Place:
        """Without the number where one value is written in place of a list of one."""
        if place and isinstance(place[-1], int):
            node = self._document.find(place[:-1])
            if node is not None and node.items is None and node.entries is None:
                return place[:-1]
        return place

    def original(self, place: Place) -> Place:
        """Where in the document a place of the pruned data is."""
        result: Place = ()
        for step in place:
            numbers = self._numbers.get(result)
            if isinstance(step, int) and numbers is not None and step < len(numbers):
                step = numbers[step]
            result = (*result, step)
        return result


def _findings(error: ValidationError, pruned: _Pruned) -> Iterator[_Finding]:
    for item in error.errors(include_url=False, include_input=False):
        details = cast("dict[str, Any]", item)
        if item["type"] == "default_factory_not_called":
            continue  # follows from another error of the same section
        key = item["loc"][-1:] == ("[key]",)
        place = pruned.original(item["loc"][:-1] if key else item["loc"])
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, RulesError):
            crossed = cause.problems
        elif isinstance(cause, RuleError):
            crossed = [cause]
        else:
            yield _Finding(pruned.written(place), details, key)
            continue
        for one in crossed:
            # A rule of a list's entries counts in the pruned data, too.
            base = tuple(item["loc"])
            uses = tuple(pruned.original((*base, *use)) for use in one.uses)
            yield _Finding(pruned.written(pruned.original((*base, *one.at))), details, False, one, uses)


def _is_news(finding: _Finding, document: Document, broken: BrokenPlaces, *, first: bool) -> bool:
    if finding.crossed is not None:
        return not any(map(broken.touches, (finding.place, *finding.uses)))
    # Later rounds only repeat what is wrong with single values, or miss what was taken out.
    return first and not broken.encloses(finding.place) and not _told(document, finding)


def _misspelt(findings: list[_Finding], document: Document, model: type[Model]) -> list[Place]:
    """Keys that are there under another name: it is no news that they are missing."""
    return [
        (*finding.place[:-1], meant)
        for finding in findings
        if finding.error["type"] == "extra_forbidden"
        and (meant := meant_key(model, finding.place, document.find(finding.place[:-1]))) is not None
    ]


def _counts_sound_entries(finding: _Finding, document: Document) -> bool:
    """A list of broken entries counts as empty to pydantic; it is not empty."""
    node = document.find(finding.place)
    return (
        finding.error["type"] == "too_short"
        and node is not None
        and len(node.items or node.entries or ()) >= finding.error["ctx"]["min_length"]
    )


def _told(document: Document, finding: _Finding) -> bool:
    """The reader of the file has said already what is wrong here."""
    node = document.find(finding.place)
    return node is not None and node.data is BROKEN


def _to_take_out(finding: _Finding, document: Document, gone: BrokenPlaces) -> Place:
    """What has to go so that the rest can be validated: the value, or else what encloses it."""
    place = finding.place
    while place and (document.find(place) is None or place in gone):
        place = place[:-1]
    return place


def _problem(finding: _Finding, document: Document, model: type[Model]) -> Problem:
    place = finding.place
    shown = shown_path(model, place) if finding.error["type"] == "extra_forbidden" else place
    return Problem(*document.place(place), dotted(shown), _message(finding, document, model))


def _message(finding: _Finding, document: Document, model: type[Model]) -> str:
    node = document.find(finding.place)
    if finding.crossed is not None:
        place = finding.place
        name = str(place[-1]) if place else ""
        return with_seen(seen_or_default(spot(model, place), name, node), str(finding.crossed))
    kind = finding.error["type"]
    if kind == "missing":
        return "missing; this key is required"
    if kind == "extra_forbidden":
        return unknown_key(model, finding.place, document.find(finding.place[:-1]))
    if finding.key:
        return bad_key(model, finding.place, finding.error)
    return bad_value(model, finding.place, node, finding.error)
