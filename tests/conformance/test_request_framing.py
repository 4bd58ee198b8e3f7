"""Where the gateway sees a request end, and that nobody behind it can see another end."""

from __future__ import annotations

import pytest

from tests.conformance.case import RequestCase
from tests.conformance.judge import judge_request
from tests.conformance.marks import feedings, marked
from tests.conformance.observe import observe_request
from tests.conformance.proxies import Ours
from tests.conformance.requests import FRAMING


@feedings
@pytest.mark.parametrize("case", marked(FRAMING))
def test_request(ours: Ours, case: RequestCase, singly: bool) -> None:
    assert judge_request(case, observe_request(ours, case, singly=singly)) == []
