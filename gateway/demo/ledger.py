"""The book all demo nodes write into: one SQLite file, so that a claim settled twice would show.

`settled` holds each claim once (the key forbids more). `attempts` holds every request that reached a node,
repeated ones too: the tour compares them with what the clients sent, and a request the gateway had replayed
on its own would be one too many.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

Outcome = Literal["settled", "repeated", "conflict"]

_TABLES = """
CREATE TABLE IF NOT EXISTS settled (
    institution TEXT NOT NULL, claim_id TEXT NOT NULL, digest TEXT NOT NULL, receipt TEXT NOT NULL,
    fund_pays INTEGER NOT NULL, document TEXT NOT NULL, node TEXT NOT NULL, UNIQUE (institution, claim_id)
) STRICT;
CREATE TABLE IF NOT EXISTS attempts (
    institution TEXT NOT NULL, claim_id TEXT NOT NULL, outcome TEXT NOT NULL, node TEXT NOT NULL, request_id TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS attempts_by_claim ON attempts (institution, claim_id);
"""


class Entered(NamedTuple):
    outcome: Outcome
    document: str
    """What was answered when the claim was settled first."""


class Row(NamedTuple):
    institution: str
    claim_id: str
    receipt: str
    fund_pays: int
    """Fen."""
    node: str


class Ledger:
    """One process's connection to the book. Not for several threads."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=10, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")  # survives kill -9 of a node, which is all the demo does
        self._db.executescript(_TABLES)

    def close(self) -> None:
        self._db.close()

    def enter(
        self,
        institution: str,
        claim_id: str,
        digest: str,
        *,
        receipt: str,
        fund_pays: int,
        document: str,
        node: str,
        request_id: str | None,
    ) -> Entered:
        """Settle the claim unless it is settled, and note the attempt; both or neither."""
        with self._transaction():
            known = self._db.execute(
                "SELECT digest, document FROM settled WHERE institution = ? AND claim_id = ?", (institution, claim_id)
            ).fetchone()
            outcome: Outcome = "settled" if known is None else "repeated" if known[0] == digest else "conflict"
            if known is None:
                row = (institution, claim_id, digest, receipt, fund_pays, document, node)
                self._db.execute("INSERT INTO settled VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            attempt = (institution, claim_id, outcome, node, request_id)
            self._db.execute("INSERT INTO attempts VALUES (?, ?, ?, ?, ?)", attempt)
        return Entered(outcome, document if known is None else known[1])

    def find(self, institution: str, claim_id: str) -> str | None:
        """The answer given to a settled claim."""
        row = self._db.execute(
            "SELECT document FROM settled WHERE institution = ? AND claim_id = ?", (institution, claim_id)
        ).fetchone()
        return None if row is None else str(row[0])

    def rows(self) -> list[Row]:
        query = "SELECT institution, claim_id, receipt, fund_pays, node FROM settled"
        return [Row(*row) for row in self._db.execute(query)]

    def attempts(self) -> dict[tuple[str, str], int]:
        """How many requests for each (institution, claim) reached a node, whatever came of them."""
        query = "SELECT institution, claim_id, count(*) FROM attempts GROUP BY institution, claim_id"
        return {(institution, claim): count for institution, claim, count in self._db.execute(query)}

    def settled_by_node(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT node, count(*) FROM settled GROUP BY node"))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")  # takes the write lock first: no upgrade, hence no SQLITE_BUSY half way
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
