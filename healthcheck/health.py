"""Is a check's verdict on a node up or down, by rise and fall; and what several checks say together.

Owns no clock and no reason: a value in, a value out. Core: no asyncio, sockets, files or clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

State = Literal["checking", "up", "down"]


@dataclass(frozen=True, slots=True)
class Health:
    """What one check holds of one node; `up` is None until the first decision."""

    up: bool | None = None
    streak: int = 0
    """Probes in a row that say otherwise than `up`."""

    @property
    def state(self) -> State:
        if self.up is None:
            return "checking"
        return "up" if self.up else "down"

    @property
    def in_doubt(self) -> bool:
        """The next verdict may change the state, or there is none yet."""
        return self.up is None or self.streak > 0

    def observe(self, passed: bool | None, *, rise: int, fall: int) -> Health:
        """`None` is no evidence: the streak stays as it is, neither confirmed nor broken.

        At the start one pass is enough: nothing speaks against the node, and waiting `rise` probes would keep
        a whole pool shut after every start. Failures need `fall` from there too.
        """
        if passed is None:
            return self
        if passed and self.up is None:
            return Health(up=True)
        if passed == self.up:
            return replace(self, streak=0) if self.streak else self
        streak = self.streak + 1
        if streak < (rise if passed else fall):
            return replace(self, streak=streak)
        return Health(up=passed)


UNDECIDED = Health()


def together(healths: Iterable[Health]) -> State:
    """All must be up. One that is down decides, even before the others have ended their first probe."""
    states = {health.state for health in healths}
    if "down" in states:
        return "down"
    return "checking" if "checking" in states else "up"
