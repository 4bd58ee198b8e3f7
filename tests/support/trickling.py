"""Clients that take their time: steady drops in one direction, until the other side has had enough."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

from tests.support.client import Client
from tests.support.gateway import Gateway

STEP = 0.1
"""Seconds between two drops."""


def trickle(client: Client, drop: Callable[[], bytes], seconds: float) -> float:
    """Send a drop every STEP; for how long the other side put up with it, at most `seconds`.

    What it answers is left unread, its end is not: both count as having had enough.
    """
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        try:
            client.send(drop())
            client.sock.settimeout(STEP)
            client._more()
            break
        except TimeoutError:
            continue
        except (OSError, EOFError):
            break
    client.sock.settimeout(20)
    return time.monotonic() - start


def sip(client: Client, octets: int, seconds: float) -> float:
    """Take so many octets every STEP; for how long there was no reset, at most `seconds`.

    From the socket under the TLS: what a slow reader takes is what its kernel's window opens for.
    """
    raw = socket.socket(fileno=client.sock.detach())
    start = time.monotonic()
    with raw:
        raw.settimeout(STEP)
        while time.monotonic() - start < seconds:
            began = time.monotonic()
            if raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                break  # recv would tell of a reset only behind all that came before it
            try:
                if not raw.recv(octets):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
            with suppress(TimeoutError):
                _wait(STEP - (time.monotonic() - began))
        return time.monotonic() - start


def _wait(seconds: float) -> None:
    """The pause between two drops is the behaviour under test, not a wait for something to happen."""
    if seconds > 0:
        time.sleep(seconds)


def narrow(gateway: Gateway, context: ssl.SSLContext | None = None) -> Client:
    """A client whose kernel takes next to nothing ahead of it."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    raw.settimeout(20)
    raw.connect(("127.0.0.1", gateway.port()))
    context = context or gateway.context(gateway.world.hospital)
    return Client(context.wrap_socket(raw, server_hostname="127.0.0.1"))
