"""The same octets through nginx and HAProxy. Where they differ from the gateway is for the document, not a failure:
but what both refuse the gateway may not pass on without a reason."""

from __future__ import annotations

import pytest

from tests.conformance.case import Case, RequestCase, ResponseCase
from tests.conformance.page import OTHERS_STRICTER, TABLES, Table, cell, passes
from tests.conformance.proxies import Debian


@pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])
def test_the_gateway_is_never_the_most_lenient(nginx: Debian, haproxy: Debian, table: Table) -> None:
    passed_on = [case for case in table.cases if passes_here(case)]
    both = [case.id for case in passed_on if not passes(cell(nginx, case)) and not passes(cell(haproxy, case))]
    assert [name for name in both if name not in OTHERS_STRICTER] == []


def passes_here(case: Case) -> bool:
    if isinstance(case, RequestCase):
        return bool(case.reached) and max(case.told) < 300
    assert isinstance(case, ResponseCase)
    return not (case.status or case.cut)
