"""Listening sockets: opened by the supervisor, one per worker and address (SO_REUSEPORT), inherited by the workers.

The admin socket is opened first and exclusively, so that a second instance on the same configuration stops there
and does not share the clients of the first.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.config import GatewayConfig
    from settings.types import Address

BACKLOG: Final = 4096
"""Connections that wait for one worker; the kernel cuts it to net.core.somaxconn."""

Sockets = dict[tuple[str, str], list[socket.socket]]
"""(listener, address as configured) → one listening socket per worker."""


class ListenError(Exception):
    """An address cannot be had; names it and says why."""


def open_admin(address: Address) -> socket.socket:
    return _open(address, shared=False)


def open_missing(config: GatewayConfig, have: Sockets) -> Sockets:
    """Sockets for the addresses that `have` lacks; either all of them are opened or none. Raises ListenError."""
    opened: Sockets = {}
    try:
        for name, listener in config.listeners.items():
            for address in listener.bind:
                if (name, str(address)) not in have:
                    opened[name, str(address)] = _open_shared(address, config.workers)
    except ListenError:
        close(opened)
        raise
    return opened


def unwanted(config: GatewayConfig, have: Sockets) -> list[tuple[str, str]]:
    wanted = {(name, str(address)) for name, listener in config.listeners.items() for address in listener.bind}
    return [key for key in have if key not in wanted]


def close(sockets: Sockets, keys: Iterable[tuple[str, str]] | None = None) -> None:
    for key in list(sockets if keys is None else keys):
        for sock in sockets.pop(key):
            sock.close()


def local_address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _open_shared(address: Address, count: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for _ in range(count):
            sockets.append(_open(address, shared=True))
            # Port 0 is any free one; the sockets of the other workers then share it.
            address = address._replace(port=sockets[0].getsockname()[1])
    except ListenError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _open(address: Address, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(tuple(address))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise ListenError(f"{address}: {error.strerror}") from None
    return sock
