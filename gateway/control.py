"""The control process: probes the nodes, publishes their states, serves metrics and the admin API, watches files.

Started by exec with four kinds of descriptors and nothing else: it holds no private key and no client's data. What it
knows and decides is in `control_centre`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import platform
import signal
import socket
from importlib.metadata import version

import uvloop
from OpenSSL import SSL

from gateway.board_layout import Capacity
from gateway.channel import Channel
from gateway.control_centre import ControlCentre
from gateway.hardening import die_with_parent, let_signals_through, name_process, no_memory_dumps
from gateway.scoreboard import Scoreboard
from monitoring import admin


def _build() -> tuple[str, str, str]:
    openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().removeprefix("OpenSSL ").split(" ")[0]
    return version("settlegate"), platform.python_version(), openssl


async def _serve(centre: ControlCentre, sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    stop = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Ctrl-C reaches the whole group: the supervisor decides when `control` may go, which is last.
        loop.add_signal_handler(number, _end if number == signal.SIGTERM else _nothing, stop)
    loop.add_signal_handler(signal.SIGHUP, _nothing, stop)
    let_signals_through()
    loop.add_reader(centre.channel.fileno(), centre.message)
    versions = dict(zip(("settlegate", "python", "openssl"), _build(), strict=True))
    runner = await admin.serve(admin.build(centre, versions), sock)
    tasks = [asyncio.create_task(centre.tick(), name="tick"), asyncio.create_task(centre.watch(), name="watch")]
    await stop
    loop.remove_reader(centre.channel.fileno())
    for task in (*tasks, *([centre.monitor_task] if centre.monitor_task else [])):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await runner.cleanup()


def _end(stop: asyncio.Future[None]) -> None:
    if not stop.done():
        stop.set_result(None)


def _nothing(stop: asyncio.Future[None]) -> None:
    """A signal that is the supervisor's business."""


def main() -> None:
    parser = argparse.ArgumentParser(description="started by the supervisor; not for people")
    parser.add_argument("--channel", type=int, required=True)
    parser.add_argument("--admin", type=int, required=True)
    parser.add_argument("--board", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s[%(process)d] %(message)s")
    die_with_parent(signal.SIGTERM, options.parent)
    name_process("sg control")
    no_memory_dumps()
    board = Scoreboard.attach([int(fd) for fd in options.board.split(",")], Capacity(), options.rows)
    centre = ControlCentre(board, Channel(socket.socket(fileno=options.channel)), _build())
    uvloop.run(_serve(centre, socket.socket(fileno=options.admin)))


if __name__ == "__main__":
    main()
