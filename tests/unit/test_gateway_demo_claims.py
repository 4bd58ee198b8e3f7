"""Prices, classes, deductible, ratio and ceiling; and every way a claim can be wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo import claims
from gateway.demo.catalogue import CATALOGUE, PLANS
from gateway.demo.claims import Claim, ClaimError, Item


def document(**changes: Any) -> dict[str, Any]:
    return {
        "claim_id": "C-1",
        "patient": "4103",
        "plan": "employee",
        "items": [{"code": "XA10BA02", "quantity": 2}],
        **changes,
    }


def claim(*items: tuple[str, int], plan: str = "employee", deductible_paid: int = 0, fund_paid: int = 0) -> Claim:
    rows = tuple(Item(code, quantity) for code, quantity in items)
    return Claim("C-1", "4103", plan, rows, deductible_paid, fund_paid)


def test_below_the_deductible_the_patient_pays_all() -> None:
    settled = claims.settle("H", claim(("XA10BA02", 2)))
    assert (settled.total, settled.deductible, settled.fund_pays, settled.patient_pays) == (4320, 4320, 0, 4320)


def test_class_a_whole_b_by_share_c_not_at_all() -> None:
    settled = claims.settle("H", claim(("F210200001", 1), ("TBJ00001", 1), ("F110200001", 1), deductible_paid=50_000))
    assert [line.own for line in settled.lines] == [9_600, 19_800, 0]  # 20 % of 480.00, all of 198.00, nothing
    assert settled.fund_pays == 33_660  # 85 % of 480.00 - 96.00 + 12.00
    assert settled.patient_pays == 48_000 + 19_800 + 1_200 - 33_660


def test_deductible_already_paid_counts_and_the_plan_decides_the_ratio() -> None:
    settled = claims.settle("H", claim(("F110200001", 10), plan="resident", deductible_paid=59_000))
    assert settled.deductible == 1_000
    assert settled.fund_pays == 7_150  # 65 % of 120.00 - 10.00


def test_the_fund_stops_at_its_ceiling() -> None:
    settled = claims.settle("H", claim(("F210200001", 5), deductible_paid=50_000, fund_paid=15_000_000 - 123))
    assert settled.fund_pays == 123
    over = claims.settle("H", claim(("F210200001", 5), deductible_paid=50_000, fund_paid=15_000_001))
    assert over.fund_pays == 0


def test_half_a_fen_is_rounded_up() -> None:
    assert claims.price(CATALOGUE["ZA04BAL0"], 1).own == 83  # 5 % of 16.50 is 0.825


@given(
    st.lists(st.tuples(st.sampled_from(sorted(CATALOGUE)), st.integers(1, 999)), min_size=1, max_size=8),
    st.sampled_from(sorted(PLANS)),
    st.integers(0, 100_000),
    st.integers(0, 16_000_000),
)
def test_nothing_is_lost_or_made_up(items: list[tuple[str, int]], plan: str, deductible: int, fund: int) -> None:
    settled = claims.settle("H", claim(*items, plan=plan, deductible_paid=deductible, fund_paid=fund))
    assert settled.fund_pays + settled.patient_pays == settled.total
    assert settled.total == sum(CATALOGUE[code].price * quantity for code, quantity in items)
    assert 0 <= settled.fund_pays <= max(0, PLANS[plan].ceiling - fund)
    own = sum(line.own for line in settled.lines)
    assert settled.fund_pays <= (settled.total - own) * PLANS[plan].ratio + Decimal("0.5")


def test_the_receipt_depends_on_institution_and_claim_id_alone() -> None:
    first = claims.settle("H", claim(("XA10BA02", 1)))
    assert first.receipt == claims.settle("H", claim(("TBJ00001", 1))).receipt
    assert len({first.receipt, claims.receipt_number("P", "C-1"), claims.receipt_number("H", "C-2")}) == 3
    assert claims.receipt_number("H", "1C-1") != claims.receipt_number("H1", "C-1")


def test_the_answer_spells_money_in_yuan() -> None:
    answer = claims.settle("H", claims.parse(document())).as_document()
    assert answer["status"] == "settled"
    assert (answer["total"], answer["fund_pays"], answer["patient_pays"]) == ("43.20", "0.00", "43.20")
    assert answer["lines"][0] == {
        "code": "XA10BA02",
        "name": "盐酸二甲双胍片 0.5g×30",
        "name_en": "Metformin tablets 0.5 g × 30",
        "class": "A",
        "quantity": 2,
        "amount": "43.20",
        "own_share": "0.00",
        "reimbursable": "43.20",
    }


def test_the_digest_is_of_the_content() -> None:
    assert claims.parse(document()).digest() == claims.parse(document(note="ignored", plan="employee")).digest()
    assert claims.parse(document()).digest() != claims.parse(document(patient="other")).digest()


@pytest.mark.parametrize(
    ("changes", "pointer", "item"),
    [
        ({"claim_id": "with space"}, "/claim_id", None),
        ({"claim_id": 7}, "/claim_id", None),
        ({"patient": ""}, "/patient", None),
        ({"plan": "gold"}, "/plan", None),
        ({"plan": []}, "/plan", None),
        ({"items": []}, "/items", None),
        ({"items": {}}, "/items", None),
        ({"items": [{"code": "F110200001"}] * 201}, "/items", None),
        ({"items": ["F110200001"]}, "/items/0", None),
        ({"items": [{"code": "F110200001"}, {"code": "X"}]}, "/items/1/code", "X"),
        ({"items": [{"code": "\ud800"}]}, "/items/0/code", "?"),
        ({"items": [{}]}, "/items/0/code", None),
        ({"items": [{"code": "F110200001", "quantity": 0}]}, "/items/0/quantity", "F110200001"),
        ({"items": [{"code": "F110200001", "quantity": True}]}, "/items/0/quantity", "F110200001"),
        ({"items": [{"code": "F110200001", "quantity": 1.5}]}, "/items/0/quantity", "F110200001"),
        ({"this_year": {"fund": "1.234"}}, "/this_year/fund", None),
        ({"this_year": {"fund": "-1"}}, "/this_year/fund", None),
        ({"this_year": {"deductible": "NaN"}}, "/this_year/deductible", None),
        ({"this_year": {"deductible": "ten"}}, "/this_year/deductible", None),
        ({"this_year": {"deductible": 10}}, "/this_year/deductible", None),
        ({"this_year": {"deductible": "1e999999999"}}, "/this_year/deductible", None),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], pointer: str, item: str | None) -> None:
    with pytest.raises(ClaimError) as caught:
        claims.parse(document(**changes))
    (problem,) = caught.value.problems
    assert (problem.pointer, problem.item) == (pointer, item)
    assert pointer in str(caught.value)
    assert set(problem.as_document()) == {"pointer", "item", "detail", "detail_zh"}


def test_all_problems_at_once() -> None:
    with pytest.raises(ClaimError) as caught:
        claims.parse({"items": [{"code": "X"}, {"code": "F110200001", "quantity": -1}], "this_year": 1})
    pointers = [problem.pointer for problem in caught.value.problems]
    year = ["/this_year/deductible", "/this_year/fund"]
    assert pointers == ["/claim_id", "/patient", *year, "/items/0/code", "/items/1/quantity"]


@pytest.mark.parametrize("other", [None, [], "claim", 3])
def test_only_objects_are_claims(other: object) -> None:
    with pytest.raises(ClaimError):
        claims.parse(other)


@pytest.mark.parametrize(("text", "amount"), [("0", 0), ("12", 1200), ("12.3", 1230), ("12.34", 1234), ("1e2", 10000)])
def test_money_is_read_exactly(text: str, amount: int) -> None:
    assert claims.fen(text) == amount
