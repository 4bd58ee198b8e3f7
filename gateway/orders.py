"""What the supervisor tells a worker, and how it answers: accept, prepare and commit, adopt and release, reopen.

`prepare` builds the next snapshot beside the one in force and answers `ready` or `not_ready`; nothing of it shows
before `commit`, and a `discard` leaves no trace of it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from typing import TYPE_CHECKING, Final

from gateway import listening
from gateway.channel import Channel, ChannelClosedError, DescriptorsLostError, Message, unpack
from gateway.snapshot import Prepared, SnapshotError, build

if TYPE_CHECKING:
    from gateway.listening import Sockets
    from gateway.worker import Worker

log = logging.getLogger("settlegate.worker")

RESERVE: Final = 32
"""Descriptors kept back, so that clients who use up all others cannot keep a revocation from being taken up."""
PROBLEM_LIMIT: Final = 2000
"""Characters of a problem told to the supervisor."""


class Orders:
    """Listens to the channel from its beginning to its end."""

    def __init__(self, worker: Worker, channel: Channel) -> None:
        self._worker = worker
        self._channel = channel
        self._arrived: Sockets = {}
        """New sockets that came ahead of the configuration they belong to."""
        self._incomplete = False
        """Some of them got lost."""
        self._pending: tuple[int, Prepared, Sockets] | None = None
        self._reserve: list[int] = []

    def listen(self) -> None:
        """Raises ChannelClosedError."""
        self._keep_reserve()
        self._worker.loop.add_reader(self._channel.fileno(), self._message)
        self._channel.send("ready", generation=self._worker.snapshot.generation)

    def _message(self) -> None:
        """What comes with a message needs descriptors; there are some, whatever clients do."""
        self._spend_reserve()
        try:
            received = self._channel.receive()
            if received is not None:
                self._handle(*received)
        except DescriptorsLostError as error:
            log.error("%s", error)
            self._lost(error)
        except ChannelClosedError:
            log.error("the supervisor is gone; draining")
            self._worker.loop.remove_reader(self._channel.fileno())
            self._worker.drain()
        finally:
            self._keep_reserve()

    def _keep_reserve(self) -> None:
        with contextlib.suppress(OSError):  # the next message tries again
            while len(self._reserve) < RESERVE:
                self._reserve.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    def _spend_reserve(self) -> None:
        for fd in self._reserve:
            os.close(fd)
        self._reserve.clear()

    def _handle(self, message: Message, fds: list[int]) -> None:
        kind, worker = message["kind"], self._worker
        if kind == "accept":
            worker.accept()
            self._channel.send("accepting")
        elif kind == "sockets":
            self._take_sockets(message, fds)
        elif kind == "prepare":
            self._prepare(int(message["generation"]), fds[0])
        elif kind == "commit":
            self._commit(int(message["generation"]))
        elif kind == "discard":
            self._discard()
        elif kind == "adopt":
            worker.accepting.adopt(int(message["index"]))
        elif kind == "release":
            worker.accepting.release(int(message["index"]))
        elif kind == "reopen":
            worker.reopen_log()

    def _take_sockets(self, message: Message, fds: list[int]) -> None:
        handles = iter(fds)
        for name, address, count in message["sockets"]:
            self._arrived[name, address] = [socket.socket(fileno=next(handles)) for _ in range(count)]

    def _prepare(self, generation: int, packed: int) -> None:
        opened, self._arrived = self._arrived, {}
        incomplete, self._incomplete = self._incomplete, False
        self._discard()
        worker = self._worker
        try:
            if incomplete:
                raise SnapshotError("too many open files to take new sockets")
            prepared = build(unpack(packed), worker.stock, worker.board, worker.index, worker.snapshot)
        except Exception as error:  # whatever it is, the answer is no and the old one stays in force
            listening.close(opened)
            if not isinstance(error, SnapshotError):
                log.exception("preparing generation %d", generation)
            refuse(self._channel, generation, str(error))
            return
        finally:
            os.close(packed)
        self._pending = (generation, prepared, opened)
        self._channel.send("ready", generation=generation)

    def _lost(self, error: DescriptorsLostError) -> None:
        """Sockets or a configuration did not get here: nothing of it can be taken up."""
        if error.message["kind"] == "prepare":
            self._discard()
            refuse(self._channel, int(error.message["generation"]), str(error))
        elif error.message["kind"] == "sockets":
            self._incomplete = True

    def _discard(self) -> None:
        listening.close(self._arrived)
        self._arrived = {}
        if self._pending is not None:
            listening.close(self._pending[2])
            self._pending = None

    def _commit(self, generation: int) -> None:
        if self._pending is None or self._pending[0] != generation:
            return
        _, prepared, opened = self._pending
        self._pending = None
        self._worker.take_over(prepared, opened)
        self._channel.send("committed", generation=generation)
        self._worker.review_sessions()


def refuse(channel: Channel, generation: int, problem: str) -> None:
    """Say no. Raises ChannelClosedError."""
    channel.send("not_ready", generation=generation, problem=problem[:PROBLEM_LIMIT])
