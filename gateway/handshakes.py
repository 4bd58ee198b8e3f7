"""Handshakes take turns, so that a rush of newcomers does not make those who are in already wait.

One step of a handshake costs as much as many requests. What arrives in one turn of the loop may be hundreds of them:
a few milliseconds' worth is done at once, the rest waits for the next turns, oldest first, and between two turns
everybody else is served. Nothing is lost by it: the loop does not rest while somebody waits.
"""

from __future__ import annotations

import logging
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

    from gateway.outbox import Outbox
    from gateway.session import Session

log = logging.getLogger("settlegate.handshakes")

BUDGET: Final = 0.004
"""Seconds of handshakes in one turn of the loop."""


class Handshakes:
    """One worker's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, outbox: Outbox) -> None:
        self._loop = loop
        self._outbox = outbox
        self._waiting: deque[Session] = deque()
        self._spent = 0.0
        self._awake = False
        """The next turn has been asked for."""

    def __repr__(self) -> str:
        return f"<Handshakes {len(self._waiting)} waiting>"

    def step(self, session: Session) -> None:
        """The client has sent something: go on with its handshake, now or in one of the next turns."""
        if self._spent >= BUDGET or self._waiting:
            session.stream.stop_reading()
            self._waiting.append(session)
        else:
            self._take(session)
        self._wake()

    def _take(self, session: Session) -> None:
        self._outbox.flush()  # claims do not wait for newcomers
        began = monotonic()
        session.shake()
        self._spent += monotonic() - began

    def _wake(self) -> None:
        if not self._awake:
            self._awake = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._awake = False
        self._spent = 0.0
        while self._waiting and self._spent < BUDGET:
            session = self._waiting.popleft()
            if session.stream.closed:
                continue
            try:
                session.stream.start_reading()
                self._take(session)
            except Exception:
                log.exception("closing %r after an unexpected error", session)
                session.abort()
        if self._waiting:
            self._wake()
