"""How tables become parameters of tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import pytest

from tests.conformance.case import Case

feedings = pytest.mark.parametrize("singly", [False, True], ids=["whole", "octets"])
"""In one piece, and octet by octet."""


class Table(Protocol):
    @property
    def cases(self) -> Sequence[Case]: ...


def marked(tables: Iterable[Table]) -> list[Any]:
    """A case that today's gateway fails is expected to fail: when it no longer does, its `fault` has to go."""
    return [
        pytest.param(case, id=case.id, marks=[pytest.mark.xfail(strict=True, reason=case.fault)] if case.fault else [])
        for table in tables
        for case in table.cases
    ]
