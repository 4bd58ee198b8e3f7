"""What is in force: with what a child that is started now begins."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from OpenSSL import SSL

    from gateway.bundling import Reading
    from gateway.listening import Sockets
    from gateway.snapshot import Bundle


class Sealed:
    """Owns the descriptor of something packed that is passed on and not looked at."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        """Harmless twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@dataclass(frozen=True)
class InForce:
    """Never changed: whoever takes up another configuration makes another one and swaps it in."""

    bundle: Bundle
    reading: Reading
    for_control: Sealed
    """The configuration in full; never read here."""
    stock: list[SSL.Context]
    """Blank contexts of the generation of workers that runs now."""
    used: int
    """How many of the stock some worker has configured."""
    sockets: Sockets
    since: float
    """When it was taken up, in Unix time."""

    @property
    def generation(self) -> int:
        return self.bundle.generation
