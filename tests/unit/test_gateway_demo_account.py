"""Lost, settled twice, given the wrong answer: each is seen, and a clean run is called clean."""

from __future__ import annotations

from gateway.demo.account import Fate, Fates, balance
from gateway.demo.ledger import Row

KEY = ("H", "C")


def fate(sends: int = 1, receipt: str | None = "R", fund_pays: str | None = "1.05") -> Fate:
    return Fate("H", "C", sends, receipt, fund_pays)


def row(receipt: str = "R", fund_pays: int = 105) -> Row:
    return Row("H", "C", receipt, fund_pays, "n1")


def test_a_clean_run() -> None:
    account = balance([fate()], [row()], {KEY: 1})
    assert account.clean
    assert (account.sent, account.settled, account.resent) == (1, 1, 0)


def test_a_client_may_send_again() -> None:
    account = balance([fate(sends=3)], [row()], {KEY: 2})
    assert account.clean
    assert account.resent == 1


def test_unanswered_is_lost_even_if_settled() -> None:
    assert balance([fate(receipt=None)], [row()], {KEY: 1}).lost == (KEY,)


def test_answered_but_not_in_the_ledger_is_lost() -> None:
    assert balance([fate()], [], {}).lost == (KEY,)


def test_more_attempts_than_sends_is_twice() -> None:
    account = balance([fate(sends=1)], [row()], {KEY: 2})
    assert account.twice == (KEY,)
    assert not account.clean


def test_two_rows_are_twice() -> None:
    assert balance([fate(sends=2)], [row(), row()], {KEY: 2}).twice == (KEY,)


def test_other_receipt_or_amount_differs() -> None:
    assert balance([fate()], [row(receipt="S")], {KEY: 1}).differing == (KEY,)
    assert balance([fate()], [row(fund_pays=106)], {KEY: 1}).differing == (KEY,)


def test_somebody_elses_answer_differs() -> None:
    mixed = fate(sends=2)
    mixed.misdirected = True
    assert balance([mixed], [row()], {KEY: 1}).differing == (KEY,)


def test_counts_follow_the_claims() -> None:
    fates = Fates()
    first, second, third = (fates.begin("H", name) for name in "abc")
    fates.failed(first, "503")
    fates.failed(first, "503")
    fates.ended(first, "R", "1.00")
    fates.gave_up(second)
    assert (fates.settled, fates.resent, fates.given_up, fates.pending) == (1, 1, 1, 1)
    assert not third.given_up
    assert first.troubles == ["503", "503"]
