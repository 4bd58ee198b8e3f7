"""Who is let in before anything is known of him: a listener's limits on connections, and on those not admitted yet.

Two shares that do not touch. `limits.connections` counts the admitted, over all workers. `limits.handshakes` counts
the others, from accept until they are admitted or gone, refused ones included: each worker has its part of it, and
when that is full the newcomer takes the place of somebody silent (`gateway.strangers`). So strangers can neither
use up the institutions' connections nor lock the door with their own.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final, TypeAlias

from gateway import wire
from gateway.per_address import PerAddress, origin_of
from gateway.strangers import Strangers

if TYPE_CHECKING:
    from gateway.counting import Counting
    from gateway.proxied import Proxied
    from gateway.runtime import ListenerRuntime
    from gateway.scoreboard import Scoreboard
    from gateway.session import Session

    Stranger: TypeAlias = Session | Proxied

OF_THE_LISTENER: Final = "connections of the listener"
IN_FLIGHT: Final = "handshakes in flight"
OF_THE_ADDRESS: Final = "connections of the address"
IN_FLIGHT_OF_THE_ADDRESS: Final = "handshakes in flight of the address"


class Door:
    """One worker's."""

    def __init__(self, board: Scoreboard, count: Counting) -> None:
        self._count = count
        self._addresses = PerAddress(board)
        self._strangers: dict[int, Strangers[Stranger]] = {}
        """By the listener's slot."""
        self._slots: dict[Stranger, int] = {}
        """Of all strangers."""
        self._connected: dict[Stranger, str] = {}
        self._shaking: dict[Stranger, str] = {}
        """Those counted for their address in the table of all workers; empty where no listener limits that."""

    def __repr__(self) -> str:
        return f"<Door {len(self._slots)} not admitted yet>"

    def opens(self, listener: ListenerRuntime, client: str) -> bool:
        """Whether there is room for one more; somebody silent may have to go for it."""
        refused = self._lacks_room(listener, client)
        if refused:
            self._count.over_limit(listener, client, refused, monotonic())
        return not refused

    def _lacks_room(self, listener: ListenerRuntime, client: str) -> str:
        if self.full(listener):
            return OF_THE_LISTENER
        strangers = self._strangers.get(listener.slot)
        if strangers is not None and len(strangers) >= listener.handshakes_share:
            gone = strangers.gives_way(listener.handshakes_share)
            if gone is None:
                return IN_FLIGHT
            self._put_out(gone, listener, IN_FLIGHT)
        return "" if listener.proxies else self.crowded(listener, client)

    def crowded(self, listener: ListenerRuntime, client: str) -> str:
        """What the client's address has too many of, or ""; behind a balancer known only after its PROXY header."""
        origin = origin_of(client)
        most = listener.connections_per_address
        if most is not None and self._addresses.count("address_connections", origin) >= most:
            return OF_THE_ADDRESS
        strangers = self._strangers.get(listener.slot)
        if strangers is None:
            return ""
        most = listener.handshakes_per_address
        if most is not None and self._addresses.count("address_strangers", origin) >= most:
            gone = strangers.gives_way_of(origin)
            if gone is None:
                return IN_FLIGHT_OF_THE_ADDRESS
            self._put_out(gone, listener, IN_FLIGHT_OF_THE_ADDRESS)
        return ""

    def _put_out(self, gone: Stranger, listener: ListenerRuntime, why: str) -> None:
        self._count.over_limit(listener, gone.client, why, monotonic())
        gone.abort()

    def full(self, listener: ListenerRuntime) -> bool:
        """All connections of the listener are taken by admitted clients."""
        return self._count.admitted(listener.slot) >= listener.connections_limit

    def entered(self, session: Stranger) -> None:
        """Let in, and not admitted yet."""
        listener = session.listener
        unknown = session.client_unknown  # behind a balancer that has not said it yet
        slot, origin = listener.slot, "" if unknown else origin_of(session.client)
        strangers = self._strangers.get(slot)
        if strangers is None:
            strangers = self._strangers[slot] = Strangers(_silent)
        strangers.add(session, origin)
        self._slots[session] = slot
        self._count.listener_stranger(slot, 1)
        if unknown:
            return
        if listener.connections_per_address is not None:
            self._connected[session] = origin
            self._addresses.change("address_connections", origin, 1)
        if listener.handshakes_per_address is not None:
            self._shaking[session] = origin
            self._addresses.change("address_strangers", origin, 1)

    def admitted(self, session: Stranger) -> None:
        """A stranger no more."""
        slot = self._slots.pop(session, None)
        if slot is None:
            return
        self._strangers[slot].remove(session)
        self._count.listener_stranger(slot, -1)
        origin = self._shaking.pop(session, None)
        if origin is not None:
            self._addresses.change("address_strangers", origin, -1)

    def left(self, session: Stranger) -> None:
        """Closed, admitted or not."""
        self.admitted(session)
        origin = self._connected.pop(session, None)
        if origin is not None:
            self._addresses.change("address_connections", origin, -1)


def _silent(session: Stranger) -> bool:
    """Nothing that it sent waits to be read: a connection that was reset holds a place and nothing else."""
    return wire.peek(session.fd) <= 0
