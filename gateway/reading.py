"""The configuration is read in a process of its own, which ends when it has handed over what it found.

So nothing that only `control` may know ever lies in the memory of the supervisor, from which workers are forked;
a name server that does not answer does not keep the supervisor from its children; and a parser's memory goes with it.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.bundling import BundleError, Reading, gather
from gateway.channel import Channel, ChannelClosedError, DescriptorsLostError, pack, unpack
from gateway.config import load_gateway
from gateway.hardening import die_with_parent, name_process, signals_held
from settings.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.config import GatewayConfig

log = logging.getLogger("settlegate.supervisor")

READ_WITHIN: Final = 30.0
"""Seconds for all files and all names."""

Found = tuple[Reading, "GatewayConfig | None"]
"""What the supervisor and the workers need, and the configuration in full where that was read too."""


class ReadingError(Exception):
    """It cannot be used; each argument is one problem."""


def read_all(path: Path, *, start: bool) -> Found:
    """The configuration and every file it names. Raises ReadingError."""
    try:
        config = load_gateway(path)
        return gather(config, None, start=start), config
    except ConfigError as error:
        raise ReadingError(*map(str, error.problems)) from None
    except BundleError as error:
        raise ReadingError(*error.args) from None


def read_files(reading: Reading) -> Found:
    """Only the files anew, as the configuration in force names them. Raises ReadingError."""
    try:
        # Whether a pool is checked is not in what is in force here.
        return replace(gather(reading.config, reading.endpoints, start=False), for_checks=reading.for_checks), None
    except BundleError as error:
        raise ReadingError(*error.args) from None


class Reader:
    """One reading under way. `fileno` becomes readable when it has ended."""

    def __init__(self, results: Channel) -> None:
        self._results = results

    def fileno(self) -> int:
        return self._results.fileno()

    def result(self) -> tuple[Reading, int | None]:
        """What was found, and a descriptor of the configuration in full, which the caller closes.

        To be called once, when the reading has ended or the caller's patience has. Raises ReadingError.
        """
        try:
            received = self._results.receive()
        except ChannelClosedError:
            raise ReadingError("reading the configuration failed; the log says why") from None
        except DescriptorsLostError as error:
            raise ReadingError(str(error)) from None
        finally:
            self.close()
        if received is None:
            raise ReadingError(f"reading the configuration took longer than {READ_WITHIN:g} s")
        message, fds = received
        found = unpack(fds[0])
        os.close(fds[0])
        if message["kind"] != "found":
            raise ReadingError(*found)
        return found, fds[1] if len(fds) > 1 else None

    def close(self) -> None:
        """Nobody waits for it any more: the process ends by itself, at the latest by its alarm."""
        self._results.close()


def start(task: Callable[[], Found], *, in_child: Callable[[], None]) -> Reader:
    """Run `task` in a fork of this process; `in_child` closes what is none of its business."""
    ours, theirs = (Channel(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    with signals_held():
        if os.fork():
            theirs.close()
            return Reader(ours)
        try:
            ours.close()
            in_child()
            _work(task, theirs)
        except BaseException:
            log.exception("reading the configuration")
        finally:
            logging.shutdown()
            os._exit(0)


def _work(task: Callable[[], Found], results: Channel) -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the supervisor, though they reach the whole group
    die_with_parent(signal.SIGKILL)
    name_process("sg reader")
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, READ_WITHIN + 1)
    try:
        reading, config = task()
    except ReadingError as error:
        results.send("refused", [pack(error.args)])
        return
    results.send("found", [pack(reading), *([pack(config)] if config is not None else [])])
