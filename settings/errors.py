"""What is wrong with a configuration: every problem of its files at once, each with its place and its fix.

Messages are made of what the operator may see. The value of a secret or of an unknown key never gets here:
that is the duty of whoever makes a `Problem`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing wrong, or worth saying, at one place. Sorts by file, then line, then column."""

    file: str
    line: int
    """From 1; 0 where the file as a whole is meant, for example because it does not exist."""
    column: int
    """In characters, from 1."""
    path: str
    """As `pools.clinic.checks[0].timeout`; empty for the whole file."""
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ConfigError(Exception):
    """The configuration cannot be used. `problems` is never empty and is sorted."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class RuleError(ValueError):
    """Values that are fine alone and wrong together.

    `at` is where to point, relative to the model that raises, as attribute names and indexes. `uses` are further
    places whose value the verdict rests on: if one of them is broken itself, this is no news and is left out.
    """

    def __init__(self, message: str, *at: str | int, uses: tuple[tuple[str | int, ...], ...] = ()) -> None:
        super().__init__(message)
        self.at = at
        self.uses = uses


class RulesError(ValueError):
    """Several `RuleError` of one model at once."""

    def __init__(self, problems: list[RuleError]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems
