"""Does one side of a transfer keep its minimum rate? Core: octets and seconds in, a yes or no out.

A leaky bucket of seconds. Whoever keeps the rate never loses any; whoever is slower may fall behind by GRACE, and
whoever was faster before has saved for a pause. Only time in which the client was the one to move is charged.
"""

from __future__ import annotations

from typing import Final

GRACE: Final = 5.0
"""Seconds a transfer may be behind from its first octet on."""


class Pace:
    """One direction of one transfer."""

    __slots__ = ("_octets", "_owed", "_seen", "left")

    def __init__(self, now: float, octets: int) -> None:
        """`octets`: where the count stands from which `look` goes on."""
        self.left = GRACE
        """Seconds for which the client may still stand still."""
        self._seen = now
        self._octets = octets
        self._owed = False

    def __repr__(self) -> str:
        return f"<Pace {self.left:.1f} s left, {self._octets} octets>"

    def look(self, now: float, octets: int, *, rate: int, most: float, owed: bool) -> bool:
        """Whether the transfer keeps `rate`. `owed`: the client has to move now, nobody else.

        A stretch between two looks is charged only if the client had to move at both ends of it. `most` is how many
        seconds can be saved: without it a client that begins fast could stay for hours.
        """
        charged = now - self._seen if owed and self._owed else 0.0
        self.left = min(most, self.left + (octets - self._octets) / rate - charged)
        self._seen, self._octets, self._owed = now, octets, owed
        return self.left >= 0
