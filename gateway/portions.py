"""The same to be done to many sessions, without a stop for all others: a few milliseconds' worth in each turn of the
loop. Two thousand connections whose deadlines pass together are ended in a fifth of a second, and between two
portions everybody else is served."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio


class Mortal(Protocol):
    """A session, or what becomes one."""

    def abort(self) -> None: ...


T = TypeVar("T", bound=Mortal)

log = logging.getLogger("settlegate.worker")

PORTION: Final = 0.004
"""Seconds in one turn of the loop."""


def in_portions(loop: asyncio.AbstractEventLoop, work: Callable[[T], object], sessions: Iterable[T]) -> None:
    """`sessions` is gone through once, some of it only after this has returned: `work` looks whether it still holds.

    An error ends that session and no other.
    """
    rest = iter(sessions)
    end = monotonic() + PORTION
    for session in rest:
        try:
            work(session)
        except Exception:
            log.exception("closing %r after an unexpected error", session)
            session.abort()
        if monotonic() >= end:
            loop.call_soon(in_portions, loop, work, rest)
            return
