# cython: language_level=3, annotation_typing=False
"""What is written in one turn of the loop leaves at its end, together: requests to nodes, then answers to clients.

Each write wakes the process that reads it. A node that is woken for one request has served it and sleeps again before
the next one has been made ready; woken for ten, it serves ten. On a busy worker that is a fifth of all it costs to
relay a claim (docs/performance.md). Nothing waits longer than the turn it was written in, or until FULL are waiting.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.session import Session

log = logging.getLogger("settlegate.outbox")

FULL: Final = 64
"""Of either kind: a turn that serves a thousand connections must not make the first of them wait for the last."""


class Outbox:
    """One worker's."""

    __slots__ = ("_answers", "_asked", "_loop", "_requests")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._requests: list[Exchange] = []
        self._answers: list[Session] = []
        self._asked = False
        """The end of the turn has been asked for."""

    def __repr__(self) -> str:
        return f"<Outbox {len(self._requests)} requests, {len(self._answers)} answers>"

    def add_request(self, exchange: Exchange) -> None:
        """`leave` of it will be called."""
        self._requests.append(exchange)
        if len(self._requests) >= FULL:
            self.flush()
        elif not self._asked:
            self._ask()

    def add_answer(self, session: Session) -> None:
        """`leave` of it will be called."""
        self._answers.append(session)
        if len(self._answers) >= FULL:
            self.flush()
        elif not self._asked:
            self._ask()

    def _ask(self) -> None:
        self._asked = True
        self._loop.call_soon(self._turn_ends)

    def _turn_ends(self) -> None:
        self._asked = False
        self.flush()

    def flush(self) -> None:
        """Now, because something slow comes next. What its callees write meanwhile leaves with it or in a turn of its
        own."""
        if self._requests:
            requests, self._requests = self._requests, []
            for exchange in requests:
                try:
                    exchange.leave()
                except Exception:  # as in `Stream._call`: it ends this connection and no other
                    log.exception("closing %r after an unexpected error", exchange)
                    exchange.session.abort()
        if self._answers:
            answers, self._answers = self._answers, []
            for session in answers:
                try:
                    session.leave()
                except Exception:
                    log.exception("closing %r after an unexpected error", session)
                    session.abort()
