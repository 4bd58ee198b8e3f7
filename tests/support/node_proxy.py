"""A node that demands a PROXY header on every connection, as one configured for a balancer in front does."""

from __future__ import annotations

import contextlib
import socket

from gateway.proxy_protocol import Header, ProxyHeaderError, parse
from tests.support.links import Link
from tests.support.nodes import RecordingNode


class AnnouncedNode(RecordingNode):
    """`headers`: one per connection, in the order in which they were read."""

    def __init__(self, *args: object, **values: object) -> None:
        super().__init__(*args, **values)  # type: ignore[arg-type]
        self.headers: list[Header] = []

    def _serve(self, link: Link) -> None:
        wire = b""
        try:
            while (header := parse(wire)) is None:
                octet = link.sock.recv(1)  # not one more: TLS may begin behind it
                if not octet:
                    break
                wire += octet
            else:
                self.headers.append(header)
        except (ProxyHeaderError, OSError):
            with contextlib.suppress(OSError):
                link.sock.shutdown(socket.SHUT_RDWR)
        super()._serve(link)
