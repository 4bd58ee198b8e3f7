"""A connection to a node that speaks TLS: the client's side of the handshake, then the same few methods as any stream.

`on_drained` tells success when the handshake has ended and the node has been verified; until then nothing of a request
exists for this stream. A node that is not believed is a node that cannot be reached: `error` says why.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

from OpenSSL import SSL

from certs.binding import forget_errors, return_after_each_record
from certs.upstream import NodeUntrusted
from gateway import wire
from gateway.announcing import say
from gateway.stream import Stream, StreamError
from gateway.tls_stream import TLSStream, tls_reason
from gateway.wire import RECORD

if TYPE_CHECKING:
    from certs.upstream import NodeTLS
    from gateway.complaints import Complaints

UNASKED: Final = 16
"""Records without octets, tickets and key updates, that a node may send at a time on a connection nobody uses."""


class NodeStream(TLSStream):
    """TLS over a socket that is still connecting."""

    __slots__ = (
        "_asked",
        "_complaints",
        "_header",
        "_node",
        "_node_tls",
        "_ready",
        "_remembered",
        "_verified",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        """Use `dial`, which sets the rest before the loop comes to call anything."""
        Stream.__init__(self, loop, sock)
        self._plain = False
        self._full = False
        self._asked = False
        self._verified = False
        self._remembered = False
        self._ready: Callable[[], object] = _nothing

    @classmethod
    def dial(
        cls,
        loop: asyncio.AbstractEventLoop,
        address: tuple[str, int],
        node_tls: NodeTLS,
        node: str,
        complaints: Complaints,
        header: bytes = b"",
    ) -> NodeStream:
        """Begin to connect to `node` at this IP address, with `header` before TLS; see `Stream.connect`.

        Raises StreamError.
        """
        stream = cast("NodeStream", cls.connect(loop, address))
        stream.attach(node_tls, node, complaints, header)
        return stream

    def attach(self, node_tls: NodeTLS, node: str, complaints: Complaints, header: bytes) -> None:
        self._header = header
        self._node_tls = node_tls
        self._node = node
        self._complaints = complaints
        self.tls = node_tls.connect(node, node.rpartition(":")[0].strip("[]"), self.sock)
        return_after_each_record(self.tls)
        self._handle = wire.handle(self.tls)

    # the handshake

    def _connected(self) -> None:
        self._ready, self.on_drained = self.on_drained, self._begin
        super()._connected()

    def _begin(self) -> None:
        self.on_drained = _nothing
        why = say(self.sock, self._header) if self._header else ""
        if why:
            self._refuse(why)
            return
        self.on_readable = self._shake
        self.start_reading()
        self._shake()

    def _shake(self) -> None:
        try:
            if not self.handshake():
                self.look_again()
                return
            self._node_tls.finish(self.tls)
        except SSL.Error as error:
            self._refuse(self._node_tls.reason(self.tls, tls_reason(error)))
        except NodeUntrusted as error:
            self._refuse(f"its certificate is not accepted: {error}")
        else:
            self._verified = True
            self._complaints.none(self._node)
            self.on_readable = _nothing
            ready, self._ready = self._ready, _nothing
            ready()

    def _refuse(self, why: str) -> None:
        self.error = why
        self._complaints.hear(self._node, why)
        self.abort()

    # reading and writing

    def recv(self) -> bytes | None:
        try:
            data = super().recv()
        except StreamError as error:
            self._sudden(error)
            raise
        if not data:
            return data
        self._asked = False
        if not self._remembered:
            self._remember()  # its tickets have come before its first octet
        if len(data) >= RECORD:
            self.read_on()  # an end may have been taken off the socket with it: nothing would announce that again
        return data

    def _ended(self) -> bytes:
        """TCP's end alone is none: an answer without a length would be whole wherever somebody cut the line."""
        if not self.tls.get_shutdown() & SSL.RECEIVED_SHUTDOWN:
            raise StreamError(self.error or "closed without TLS's farewell")
        return super()._ended()

    def still_silent(self) -> bool:
        """Tickets and key updates are no word of the node; its farewell is one."""
        for _ in range(UNASKED):
            try:
                if self.recv() is not None:
                    return False
            except StreamError:
                return False
            if wire.peek(self.fd) == wire.NOTHING:
                self._remember()
                return True
        return False

    def _remember(self) -> None:
        self._remembered = True
        self._node_tls.remember(self.tls)

    def _send(self, data: bytes | memoryview) -> int:
        if len(data) > RECORD:
            data = memoryview(data)[:RECORD]
        if self._asked:
            # OpenSSL reads nothing any more once a write has failed; but a node that closes may have answered before.
            # So this is asked before each record: an answer is lost only if the reset comes within these few lines.
            code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self.error = os.strerror(code)
            if self.error:
                raise StreamError(self.error)
        self._asked = True
        try:
            return super()._send(data)
        except StreamError as error:
            self._sudden(error)
            raise

    def _sudden(self, error: StreamError) -> None:
        """In TLS 1.3 a node refuses our certificate, or that there is none, when we have begun to speak."""
        if not self._remembered:
            self._remembered = True
            self._complaints.hear(self._node, f"it broke off right after the TLS handshake: {error}")

    def _write_failed(self) -> None:
        """Not like a client: a node that takes nothing more may have answered before."""
        Stream._write_failed(self)  # noqa: SLF001 - ours, but not that of the class between

    # the end

    def _drop(self) -> None:
        if self._verified:
            # Without a farewell OpenSSL would spoil the session for the next connection.
            with suppress(SSL.Error):
                self.tls.shutdown()
            forget_errors()
        elif not self.error and self._ready is not _nothing:
            self._complaints.hear(self._node, "the TLS handshake had not ended when it was given up")
        self._ready = _nothing
        super()._drop()


def _nothing() -> None:
    """Nobody waits for this any more."""
