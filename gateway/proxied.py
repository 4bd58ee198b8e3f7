"""A connection from a balancer before it is a session: its PROXY header is awaited, taken off the socket, and believed.

TLS is bound to the socket and must find the client's own first octet there. So what may be the header is looked at
first, and only what belongs to it is taken. To the worker this looks like a session in its handshake: it counts as a
connection, has a deadline, and ends with the worker.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final

from gateway.admission import Refusal
from gateway.proxy_protocol import LONGEST_V2, ProxyHeaderError, parse
from gateway.session import Phase, Session

if TYPE_CHECKING:
    from gateway.proxy_protocol import Ends
    from gateway.runtime import ListenerRuntime
    from gateway.worker import Worker

log = logging.getLogger("settlegate.session")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
STRANGER: Final = "proxy_peer_unknown"
INVALID: Final = "proxy_header_invalid"


def listed(address: str, networks: Sequence[Network]) -> bool:
    """Whether this peer is one of the balancers."""
    host = ipaddress.ip_address(address.partition("%")[0])
    return any(host in network for network in networks)


class Proxied:
    """From accept to the last octet of the header. Owns the socket until then."""

    __slots__ = (
        "_buffer",
        "_sock",
        "born",
        "client",
        "deadline",
        "listener",
        "phase",
        "resumed",
        "tls_version",
        "worker",
    )

    def __init__(self, worker: Worker, listener: ListenerRuntime, sock: socket.socket, peer: str) -> None:
        self.worker = worker
        self.listener = listener
        self.client = peer
        """The balancer's address; the client's is not known yet."""
        self.phase = Phase.HANDSHAKE
        self.born = monotonic()
        self.deadline = self.born + listener.handshake_timeout
        self.resumed = False
        self.tls_version = ""
        self._sock = sock
        self._buffer = b""

    def __repr__(self) -> str:
        return f"<Proxied {self.client} {len(self._buffer)} octets of its header>"

    def begin(self) -> None:
        """The worker knows of it by now."""
        self.worker.loop.add_reader(self._sock.fileno(), self._readable)

    def refuse(self, reason: str, detail: str) -> None:
        self.worker.count.refusal(self, Refusal(reason, detail))
        self.abort()

    client_unknown = True

    @property
    def fd(self) -> int:
        return self._sock.fileno()

    # ---- what a worker asks of a session in its handshake

    def expire(self) -> None:
        self.refuse(INVALID, "the PROXY header did not arrive in time")

    def drain(self) -> None:
        """What has begun may carry a claim behind it; the deadline ends it."""

    def review(self) -> None:
        """Nobody has been admitted here; the session begins with the snapshot of its own moment."""

    def abort(self) -> None:
        if self._sock.fileno() < 0:
            return
        self._let_go()
        self._sock.close()
        self.worker.session_closed(self)

    # ---- the header

    def _readable(self) -> None:
        try:
            self._look()
        except ProxyHeaderError as error:
            self.refuse(INVALID, str(error))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.abort()
        except Exception:
            log.exception("a connection from %s could not be taken", self.client)
            self.abort()

    def _look(self) -> None:
        ahead = self._sock.recv(LONGEST_V2 - len(self._buffer), socket.MSG_PEEK)
        if not ahead:
            raise ProxyHeaderError("the connection ended before its PROXY header did")
        header = parse(self._buffer + ahead)
        # All of an unfinished header is taken, too: left there, it would wake us again and again until the rest comes.
        belongs = len(ahead) if header is None else header.size - len(self._buffer)
        taken = self._sock.recv(belongs)
        if header is None:
            self._buffer += taken
        elif len(taken) == belongs:  # else somebody else reads this socket, and nothing about it is certain
            self._become(header.ends)
        else:
            raise ProxyHeaderError("the PROXY header could not be read")

    def _become(self, ends: Ends | None) -> None:
        worker = self.worker
        listener = worker.snapshot.listeners.get(self.listener.name)
        if listener is None:
            self.abort()  # removed while the header was awaited
            return
        client = self.client if ends is None else ends.source[0]
        crowded = worker.door.crowded(listener, client)
        if crowded:
            worker.count.over_limit(listener, client, crowded, monotonic())
            self.abort()
            return
        self._let_go()
        session = Session(worker, listener, self._sock, client)
        session.ends = ends
        session.born = self.born
        session.deadline = self.deadline  # one for header and handshake together
        worker.replace_session(self, session)

    def _let_go(self) -> None:
        self.worker.loop.remove_reader(self._sock.fileno())
