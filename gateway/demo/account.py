"""What became of every claim: the clients' memory held against the nodes' ledger.

The promise that the demo is about: every claim sent is settled exactly once, whatever dies meanwhile, and the
client holds the very receipt that the ledger holds. A client that gets an error sends the same claim again, as
a counter clerk would; the gateway must never do so by itself, so no claim may have reached the nodes more often
than its client sent it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.demo.claims import yuan
from gateway.demo.ledger import Row

Key = tuple[str, str]
"""Institution and claim id."""


@dataclass(slots=True)
class Fate:
    """One claim as its client saw it."""

    institution: str
    claim_id: str
    sends: int = 0
    receipt: str | None = None
    """Given with the settled answer; None while there is none."""
    fund_pays: str | None = None
    troubles: list[str] = field(default_factory=list)
    """What each send but the last came to, in words."""
    given_up: bool = False
    misdirected: bool = False
    """Somebody else's claim came back."""

    @property
    def key(self) -> Key:
        return self.institution, self.claim_id


@dataclass(frozen=True, slots=True)
class Account:
    """The end of a run."""

    sent: int
    settled: int
    resent: int
    """Claims that needed more than one send."""
    lost: tuple[Key, ...]
    """Sent, but never answered as settled; or answered so, but not in the ledger."""
    twice: tuple[Key, ...]
    """In the ledger more than once, or seen by the nodes more often than sent."""
    differing: tuple[Key, ...]
    """The client holds another receipt or amount than the ledger, or was given another claim's answer."""

    @property
    def clean(self) -> bool:
        return not (self.lost or self.twice or self.differing)


class Fates:
    """All claims of a run; counts are kept as they change, for the live view."""

    def __init__(self) -> None:
        self.claims: dict[Key, Fate] = {}
        self.settled = 0
        self.resent = 0
        self.given_up = 0

    def begin(self, institution: str, claim_id: str) -> Fate:
        fate = Fate(institution, claim_id)
        self.claims[fate.key] = fate
        return fate

    def failed(self, fate: Fate, trouble: str) -> None:
        if not fate.troubles:
            self.resent += 1
        fate.troubles.append(trouble)

    def ended(self, fate: Fate, receipt: str, fund_pays: str) -> None:
        fate.receipt, fate.fund_pays = receipt, fund_pays
        self.settled += 1

    def gave_up(self, fate: Fate) -> None:
        fate.given_up = True
        self.given_up += 1

    @property
    def pending(self) -> int:
        return len(self.claims) - self.settled - self.given_up


def balance(fates: Iterable[Fate], rows: Iterable[Row], attempts: Mapping[Key, int]) -> Account:
    """`attempts`: requests per claim that reached a node."""
    entered: dict[Key, list[Row]] = {}
    for row in rows:
        entered.setdefault((row.institution, row.claim_id), []).append(row)
    known = list(fates)
    lost, twice, differing = [], [], []
    for fate in known:
        found = entered.get(fate.key, [])
        if fate.receipt is None or not found:
            lost.append(fate.key)
        elif (fate.receipt, fate.fund_pays) != (found[0].receipt, yuan(found[0].fund_pays)):
            differing.append(fate.key)
        if fate.misdirected:
            differing.append(fate.key)
        if len(found) > 1 or attempts.get(fate.key, 0) > fate.sends:
            twice.append(fate.key)
    return Account(
        sent=len(known),
        settled=sum(1 for fate in known if fate.receipt is not None),
        resent=sum(1 for fate in known if fate.sends > 1),
        lost=tuple(lost),
        twice=tuple(twice),
        differing=tuple(differing),
    )
