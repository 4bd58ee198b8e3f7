"""All workers or none: asks every one whether it could run something, then tells them all to, or to forget it.

Whoever does not answer is replaced: a worker that hangs must not keep a revocation from the others.
"""

from __future__ import annotations

import logging
import signal
import time
from itertools import islice
from typing import TYPE_CHECKING, Final

from gateway.channel import DESCRIPTORS, pack
from gateway.crew import READY_WITHIN
from gateway.in_force import Sealed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from gateway.children import Child
    from gateway.crew import Crew
    from gateway.events import Events
    from gateway.listening import Sockets
    from gateway.snapshot import Bundle

log = logging.getLogger("settlegate.supervisor")

COMMIT_WITHIN: Final = 10.0
"""Seconds a worker may take to swap in what it has prepared."""


def ask(crew: Crew, events: Events, bundle: Bundle, opened: Sockets) -> list[str]:
    """What speaks against it. One that is just being started answers as well, once it is ready."""
    told = _tell(crew, bundle, opened)
    waiting = set(told)
    problems: list[str] = []
    deadline = time.monotonic() + READY_WITHIN
    while waiting:
        answer = events.answer(waiting, ("ready", "not_ready"), deadline)
        if answer is None:
            break
        child, message = answer
        if message.get("generation") != bundle.generation:
            if message["kind"] == "ready":
                crew.is_ready(child)
            continue
        waiting.discard(child)
        if message["kind"] == "not_ready":
            problems.append(str(message.get("problem")))
    silent = _replace(waiting, events, "did not answer in time")
    if told and silent == len(told):
        problems.append("no worker answered in time")
    return list(dict.fromkeys(problems))


def commit(crew: Crew, events: Events, generation: int) -> None:
    """All have said yes."""
    waiting = {child for child in list(crew.workers.values()) if child.tell("commit", generation=generation)}
    deadline = time.monotonic() + COMMIT_WITHIN
    while waiting:
        answer = events.answer(waiting, ("committed",), deadline)
        if answer is None:
            break
        if answer[1].get("generation") == generation:
            waiting.discard(answer[0])
    _replace(waiting, events, "did not swap in time")


def discard(crew: Crew) -> None:
    """Somebody has said no."""
    for child in list(crew.workers.values()):
        child.tell("discard")


def _tell(crew: Crew, bundle: Bundle, opened: Sockets) -> list[Child]:
    packed = Sealed(pack(bundle))
    batches = list(_batches(opened))

    def tell(child: Child) -> bool:
        sent = all(child.tell("sockets", fds, sockets=described) for described, fds in batches)
        return sent and child.tell("prepare", [packed.fd], generation=bundle.generation)

    told = [child for child in list(crew.workers.values()) if tell(child)]
    packed.close()
    return told


def _replace(waiting: Collection[Child], events: Events, why: str) -> int:
    """How many were still alive, and are ended now so that others take their places."""
    silent = [child for child in waiting if not child.gone]
    if not events.stopping:
        for child in silent:
            log.error("%s %s and is replaced", child.name, why)
            child.kill(signal.SIGKILL)
    return len(silent)


def _batches(opened: Sockets) -> Iterator[tuple[list[tuple[str, str, int]], list[int]]]:
    """New sockets in as many messages as it takes: (listener, address, how many of the descriptors are its)."""
    entries = iter(opened.items())
    most = max((len(sockets) for sockets in opened.values()), default=1)
    while batch := list(islice(entries, DESCRIPTORS // most)):
        described = [(name, address, len(sockets)) for (name, address), sockets in batch]
        yield described, [sock.fileno() for _, sockets in batch for sock in sockets]
