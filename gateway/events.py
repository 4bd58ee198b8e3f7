"""What happens to the supervisor: signals, and messages of its children, one after the other.

Signals are acted upon as they come; messages wait in the inbox, so that whoever asked a child something can pick
out the answer and leave the rest for later. Whoever waits has a deadline.
"""

from __future__ import annotations

import contextlib
import logging
import select
import selectors
import signal
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from gateway.channel import ChannelClosedError, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gateway.children import Child

    class HasFileno(Protocol):
        def fileno(self) -> int: ...


log = logging.getLogger("settlegate.supervisor")

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
SILENT_CHILD: Final = 5.0
"""Seconds a child may live on without its channel; then it is ended, because nobody can tell it anything."""


class Events:
    """The only place where the supervisor waits."""

    def __init__(self, on_signals: Callable[[Collection[int]], None]) -> None:
        self.inbox: deque[tuple[Child, Message]] = deque()
        self.stopping = False
        """The gateway is to end: nobody waits for answers any more."""
        self._on_signals = on_signals
        self._selector = selectors.DefaultSelector()
        self._wakeup, self._handler_end = socket.socketpair()
        self._wakeup.setblocking(False)
        self._handler_end.setblocking(False)
        self._selector.register(self._wakeup, selectors.EVENT_READ, None)
        signal.set_wakeup_fd(self._handler_end.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, _noted)

    def close(self) -> None:
        """In a process just forked: signals back to their defaults, nothing of this is its business."""
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        self._selector.close()
        self._wakeup.close()
        self._handler_end.close()

    def listen_to(self, child: Child) -> None:
        self._selector.register(child.channel, selectors.EVENT_READ, child)

    def bury(self, child: Child) -> None:
        """It has ended: what it said last is kept, its channel closed."""
        child.gone = True
        self._forget(child)
        with contextlib.suppress(ChannelClosedError):
            while received := child.channel.receive():
                self.inbox.append((child, received[0]))
        child.channel.close()

    def collect(self, wait: float) -> None:
        """Wait at most so many seconds for something to happen, and take in whatever has."""
        for key, _ in self._selector.select(wait):
            if key.fileobj is self._wakeup:
                self._signals()
            elif key.data is not None and not key.data.gone:
                self._message(key.data)

    def _signals(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._on_signals(set(self._wakeup.recv(4096)))

    def _message(self, child: Child) -> None:
        try:
            received = child.channel.receive()
        except ChannelClosedError as error:
            # Its death follows, or else it is brought about: meanwhile the dead channel must not keep us busy.
            log.debug("%s: %s", child.name, error)
            self._forget(child)
            child.end_by(time.monotonic() + SILENT_CHILD)
            return
        if received is not None:
            self.inbox.append((child, received[0]))

    def _forget(self, child: Child) -> None:
        if child.channel.fileno() in self._selector.get_map():
            self._selector.unregister(child.channel)

    # ---- waiting for something in particular

    def answer(
        self, waiting: Collection[Child], kinds: Collection[str], deadline: float
    ) -> tuple[Child, Message] | None:
        """The next message of one of these kinds from one of these children.

        None when time is up, when none of them lives any more, or when the gateway is to stop.
        """
        while not self.stopping:
            for position, (child, message) in enumerate(self.inbox):
                if child in waiting and message["kind"] in kinds:
                    del self.inbox[position]
                    return child, message
            left = deadline - time.monotonic()
            if left <= 0 or all(child.gone for child in waiting):
                return None
            self.collect(min(left, 0.5))
        return None

    def wait_for(self, what: HasFileno, deadline: float) -> None:
        """Until it is readable, time is up, or the gateway is to stop."""
        self._selector.register(what, selectors.EVENT_READ)
        poll = select.poll()
        poll.register(what, select.POLLIN)
        try:
            while not self.stopping and not poll.poll(0):
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                self.collect(min(left, 0.5))
        finally:
            self._selector.unregister(what)


def _noted(*_: object) -> None:
    """The wakeup descriptor has the number; what follows is done between two events, not inside one."""
