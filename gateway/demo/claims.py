"""What a claim costs whom: the rules of the demo's settlement, without any I/O.

    total = fund_pays + patient_pays, to the fen, for every claim

Each line is split by its class into what may be reimbursed and the patient's own part. The sum of the first
parts loses what is left of the year's deductible, is multiplied by the plan's ratio, and is cut at what is left
of the year's ceiling. Rounding is half up to the fen, once per line and once for the fund's part.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeGuard

from gateway.demo.catalogue import CATALOGUE, PLANS, Entry

CLAIM_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
MOST_ITEMS = 200
MOST_MONEY = 10_000_000_00


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a claim."""

    pointer: str
    """JSON Pointer (RFC 6901) into the claim."""
    item: str | None
    """Code of the item concerned, as sent."""
    zh: str
    en: str

    def as_document(self) -> dict[str, Any]:
        return {"pointer": self.pointer, "item": self.item, "detail": self.en, "detail_zh": self.zh}


class ClaimError(Exception):
    """The claim cannot be settled as sent; lists everything that is wrong."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{problem.pointer}: {problem.en}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Item:
    code: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Claim:
    claim_id: str
    patient: str
    plan: str
    items: tuple[Item, ...]
    deductible_paid: int = 0
    """Fen of this year's deductible that earlier claims have used up."""
    fund_paid: int = 0
    """Fen the fund has paid this year."""

    def digest(self) -> str:
        """Equal for claims of equal content, whatever the spelling of the JSON was."""
        items = [[item.code, item.quantity] for item in self.items]
        content = [self.claim_id, self.patient, self.plan, items, self.deductible_paid, self.fund_paid]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Line:
    entry: Entry
    quantity: int
    amount: int
    own: int
    """Fen the patient pays whatever the plan: the share of class B, all of class C."""

    def as_document(self) -> dict[str, Any]:
        return {
            "code": self.entry.code,
            "name": self.entry.zh,
            "name_en": self.entry.en,
            "class": self.entry.reimbursement,
            "quantity": self.quantity,
            "amount": yuan(self.amount),
            "own_share": yuan(self.own),
            "reimbursable": yuan(self.amount - self.own),
        }


@dataclass(frozen=True, slots=True)
class Settlement:
    receipt: str
    claim: Claim
    lines: tuple[Line, ...]
    total: int
    deductible: int
    """Fen of the deductible used by this claim."""
    fund_pays: int
    patient_pays: int

    def as_document(self) -> dict[str, Any]:
        """The answer to the client; amounts are strings in yuan."""
        return {
            "status": "settled",
            "claim_id": self.claim.claim_id,
            "receipt": self.receipt,
            "plan": PLANS[self.claim.plan].zh,
            "lines": [line.as_document() for line in self.lines],
            "total": yuan(self.total),
            "deductible": yuan(self.deductible),
            "fund_pays": yuan(self.fund_pays),
            "patient_pays": yuan(self.patient_pays),
        }


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def fen(text: str) -> int:
    """The amount in `text` (yuan, at most two decimals, not negative); ValueError else."""
    try:
        amount = Decimal(text).scaleb(2)
    except ArithmeticError:  # no number, or one beyond Decimal's exponents
        raise ValueError("not an amount of money") from None
    if not amount.is_finite() or amount < 0 or amount > MOST_MONEY or amount != amount.to_integral_value():
        raise ValueError("an amount from 0.00 to 10000000.00 with at most two decimals is expected")
    return int(amount)


def receipt_number(institution: str, claim_id: str) -> str:
    """The same on every node for ever, so that a repeated claim cannot get a second receipt."""
    digest = hashlib.sha256(f"{institution}\0{claim_id}".encode()).digest()
    return "R" + base64.b32encode(digest[:10]).decode()


def price(entry: Entry, quantity: int) -> Line:
    amount = entry.price * quantity
    shares = {"A": Decimal(0), "B": entry.own_share, "C": Decimal(1)}
    return Line(entry, quantity, amount, _rounded(amount * shares[entry.reimbursement]))


def settle(institution: str, claim: Claim) -> Settlement:
    plan = PLANS[claim.plan]
    lines = tuple(price(CATALOGUE[item.code], item.quantity) for item in claim.items)
    total = sum(line.amount for line in lines)
    reimbursable = sum(line.amount - line.own for line in lines)
    deductible = min(reimbursable, max(0, plan.deductible - claim.deductible_paid))
    left = max(0, plan.ceiling - claim.fund_paid)
    fund = min(_rounded((reimbursable - deductible) * plan.ratio), left)
    receipt = receipt_number(institution, claim.claim_id)
    return Settlement(receipt, claim, lines, total, deductible, fund, total - fund)


def parse(document: object) -> Claim:
    """The claim in a decoded JSON document; raises ClaimError naming every problem and its item."""
    if not isinstance(document, dict):
        raise ClaimError((Problem("", None, "应为 JSON 对象", "an object is expected"),))
    found: list[Problem] = []
    claim_id, patient = document.get("claim_id"), document.get("patient")
    if not (isinstance(claim_id, str) and CLAIM_ID.fullmatch(claim_id)):
        found.append(Problem("/claim_id", None, "单据号无效", "1 to 64 of A-Z a-z 0-9 . _ - are expected"))
    if not (isinstance(patient, str) and 0 < len(patient) <= 64):
        found.append(Problem("/patient", None, "缺少参保人", "the insured person's number is expected"))
    plan = document.get("plan", "employee")
    if not (isinstance(plan, str) and plan in PLANS):
        found.append(Problem("/plan", None, "险种未知", f"one of {', '.join(PLANS)} is expected"))
    year = document.get("this_year", {})
    deductible_paid = _money(year, "deductible", found)
    fund_paid = _money(year, "fund", found)
    items = _items(document.get("items"), found)
    if found:
        raise ClaimError(tuple(found))
    return Claim(str(claim_id), str(patient), str(plan), items, deductible_paid, fund_paid)


def _items(given: object, found: list[Problem]) -> tuple[Item, ...]:
    if not isinstance(given, list) or not 0 < len(given) <= MOST_ITEMS:
        found.append(Problem("/items", None, "明细无效", f"a list of 1 to {MOST_ITEMS} items is expected"))
        return ()
    return tuple(item for at, row in enumerate(given) if (item := _item(at, row, found)) is not None)


def _item(at: int, row: object, found: list[Problem]) -> Item | None:
    if not isinstance(row, dict):
        found.append(Problem(f"/items/{at}", None, "应为对象", "an object with code and quantity is expected"))
        return None
    code, quantity = row.get("code"), row.get("quantity", 1)
    name = code[:64].encode(errors="replace").decode() if isinstance(code, str) else None  # lone surrogates
    if not isinstance(code, str) or code not in CATALOGUE:
        found.append(Problem(f"/items/{at}/code", name, "目录中没有该项目", "not in the catalogue"))
        return None
    if not _is_quantity(quantity):
        found.append(Problem(f"/items/{at}/quantity", name, "数量无效", "a whole number from 1 to 999 is expected"))
        return None
    return Item(code, quantity)


def _is_quantity(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 999


def _money(year: object, name: str, found: list[Problem]) -> int:
    value = year.get(name, "0") if isinstance(year, Mapping) else None
    try:
        if not isinstance(value, str):
            raise ValueError('a string such as "120.50" is expected')  # noqa: TRY004 - one kind of problem
        return fen(value)
    except ValueError as error:
        found.append(Problem(f"/this_year/{name}", None, "金额无效", str(error)))
        return 0


def _rounded(amount: Decimal) -> int:
    return int(amount.to_integral_value(ROUND_HALF_UP))
