"""Telling systemd how it goes (sd_notify(3)): ready, reloading, stopping. Silent where nobody asked to be told.

One datagram to the socket that NOTIFY_SOCKET names. A service manager that does not listen changes nothing: claims
are settled without it.
"""

from __future__ import annotations

import logging
import os
import socket
import time

log = logging.getLogger("settlegate.supervisor")


class ServiceManager:
    """The one that started this process, if it wants to hear."""

    def __init__(self) -> None:
        # Taken out of the environment: children must not speak for the service.
        self._address = os.environ.pop("NOTIFY_SOCKET", "")

    def __repr__(self) -> str:
        return f"<ServiceManager {self._address or 'none'}>"

    def ready(self, status: str) -> None:
        """Also the end of a reload, whatever became of it."""
        self._tell("READY=1", f"STATUS={_line(status)}")

    def reloading(self) -> None:
        # The stamp is what Type=notify-reload demands; others ignore it.
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._tell("STOPPING=1", "STATUS=finishing what is in flight")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        # "@" stands for the leading NUL of an abstract address.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(1.0)
                sock.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            log.warning("the service manager does not listen on %s: %s", self._address, error)


def _line(text: str) -> str:
    """A line feed would begin another assignment."""
    return " ".join(text.split())
