"""What a node may answer, and what the client is told instead of the rest."""

from __future__ import annotations

import pytest

from tests.conformance.case import ResponseCase
from tests.conformance.judge import judge_response
from tests.conformance.marks import feedings, marked
from tests.conformance.observe import observe_response
from tests.conformance.proxies import Ours
from tests.conformance.responses import TABLES


@feedings
@pytest.mark.parametrize("case", marked(TABLES))
def test_response(ours: Ours, case: ResponseCase, singly: bool) -> None:
    assert judge_response(case, observe_response(ours, case, singly=singly)) == []
