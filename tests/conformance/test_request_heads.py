"""Request lines, hosts, targets, field lines: one reading, or none."""

from __future__ import annotations

import pytest

from tests.conformance.case import RequestCase
from tests.conformance.judge import judge_request
from tests.conformance.marks import feedings, marked
from tests.conformance.observe import observe_request
from tests.conformance.proxies import Ours
from tests.conformance.requests import HEADS


@feedings
@pytest.mark.parametrize("case", marked(HEADS))
def test_request(ours: Ours, case: RequestCase, singly: bool) -> None:
    assert judge_request(case, observe_request(ours, case, singly=singly)) == []
