"""Listening sockets: opened by the supervisor, one per worker and address (SO_REUSEPORT), inherited by the workers.

The admin socket is opened first and exclusively, so that a second instance on the same configuration stops there
and does not share the clients of the first.
"""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.config import GatewayConfig
    from settings.types import Address

log = logging.getLogger("settlegate.supervisor")

BACKLOG: Final = 4096
"""Connections that wait for one worker; the kernel cuts it to net.core.somaxconn."""

UNSENT_LIMIT: Final = 256 << 10
"""Octets of an answer that the kernel takes ahead of what the client's window has room for. Without a limit a client
that asks and does not read costs megabytes of kernel memory, and the work of filling them."""

Sockets = dict[tuple[str, str], list[socket.socket]]
"""(listener, address as configured) → one listening socket per worker."""


class ListenError(Exception):
    """An address cannot be had; names it and says why."""


def open_admin(address: Address) -> socket.socket:
    return _open(address, shared=False)


def open_missing(config: GatewayConfig, have: Sockets) -> Sockets:
    """Sockets for the addresses that `have` lacks; either all of them are opened or none. Raises ListenError."""
    opened: Sockets = {}
    ours = {sockets[0].getsockname()[1] for sockets in have.values()}
    try:
        for name, listener in config.listeners.items():
            for address in listener.bind:
                if (name, str(address)) not in have:
                    if address.port not in ours:
                        _refuse_shared(address)
                    opened[name, str(address)] = _open_shared(address, config.workers)
    except ListenError:
        close(opened)
        raise
    return opened


def wanted(config: GatewayConfig, have: Sockets) -> Sockets:
    """Those of `have` that this configuration listens on."""
    keys = {(name, str(address)) for name, listener in config.listeners.items() for address in listener.bind}
    return {key: sockets for key, sockets in have.items() if key in keys}


def close(sockets: Sockets) -> None:
    for several in sockets.values():
        for sock in several:
            sock.close()


def announce(sockets: Sockets) -> None:
    """One line each, with the port that a configured port 0 has become."""
    for (name, _), several in sockets.items():
        log.info("listening: %s on %s, %d workers", name, local_address(several[0]), len(several))


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


def _refuse_shared(address: Address) -> None:
    """SO_REUSEPORT lets every process of this user in; whoever has the address without us must keep it alone.

    Not for ports that are ours already: an address may move to another listener, or widen to all interfaces.
    """
    if address.port:
        _open(address, shared=False).close()


def _open(address: Address, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Inherited by what is accepted.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_LIMIT)
        sock.setblocking(False)
        sock.bind(tuple(address))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise ListenError(f"{address}: {error.strerror}") from None
    return sock
