"""`institutions.*.limits.rate`: when the next request of an institution may begin. Core.

One number per institution is the whole state: the moment its next turn is due if it kept exactly its rate. Each
request moves that on by 1/rate; a request whose turn lies further ahead than the burst allows has come too early
(the generic cell rate algorithm of ATM networks). Each worker writes the number into its own row and reads the
greatest of all rows, so the limit holds over all workers however an institution's connections are dealt out, and
what two workers do in the same microsecond is all that can be counted once instead of twice.
"""

from __future__ import annotations

from typing import Final

BURST: Final = 10
"""Requests that may come at once after a pause, or as many as a second brings if those are more."""


def take(turn: int, now: int, rate: float) -> tuple[int, int]:
    """(the turn after this one, 0), or (unchanged, nanoseconds to wait) if this request comes too early.

    `turn` and `now` in nanoseconds of one clock, `rate` per second.
    """
    step = int(1e9 / rate)
    burst = max(BURST, int(rate))
    # A rate that has just been raised must not be held against what was used under the old one.
    start = max(now, min(turn, now + burst * step))
    early = start - now - (burst - 1) * step
    return (turn, early) if early > 0 else (start + step, 0)
