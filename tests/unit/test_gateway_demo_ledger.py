"""The ledger settles once, whoever asks and from however many processes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gateway.demo.ledger import Entered, Ledger, Row


def enter(ledger: Ledger, claim_id: str = "C", digest: str = "d", node: str = "n1", document: str = "{}") -> Entered:
    return ledger.enter(
        "H", claim_id, digest, receipt=f"R{claim_id}", fund_pays=1, document=document, node=node, request_id=None
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def test_first_settles_then_repeats_then_conflicts(path: Path) -> None:
    ledger = Ledger(path)
    assert enter(ledger, document="first") == ("settled", "first")
    assert enter(ledger, node="n2", document="second") == ("repeated", "first")
    assert enter(ledger, digest="other") == ("conflict", "first")
    assert ledger.rows() == [Row("H", "C", "RC", 1, "n1")]
    assert ledger.attempts() == {("H", "C"): 3}
    assert ledger.settled_by_node() == {"n1": 1}
    assert (ledger.find("H", "C"), ledger.find("P", "C"), ledger.find("H", "D")) == ("first", None, None)
    ledger.close()


def test_writers_at_the_same_time_settle_each_claim_once(path: Path) -> None:
    settled: list[str] = []

    def write(node: str) -> None:
        ledger = Ledger(path)
        names = [f"C{number}" for number in range(50)]
        settled.extend(name for name in names if enter(ledger, name, node=node).outcome == "settled")
        ledger.close()

    Ledger(path).close()
    threads = [threading.Thread(target=write, args=(f"n{at}",)) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(settled) == sorted(f"C{number}" for number in range(50))
    ledger = Ledger(path)
    assert set(ledger.attempts().values()) == {3}
    ledger.close()


def test_a_failed_entry_leaves_no_attempt(path: Path) -> None:
    ledger = Ledger(path)
    with pytest.raises(Exception, match="NOT NULL"):
        enter(ledger, document=None)  # type: ignore[arg-type]
    assert ledger.attempts() == {}
    assert enter(ledger).outcome == "settled"
    ledger.close()
