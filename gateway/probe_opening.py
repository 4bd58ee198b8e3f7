"""How a health check's connection to a node begins: as those of requests do, with a PROXY header, TLS, or both.

The header says that the connection is the gateway's own; it is meant for the node's own port, not for another that a
check may name. TLS has the trust and the name that requests have, on every port. Every check makes a full handshake: an
expired or revoked certificate shows at the next check, not the next request.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from OpenSSL import SSL

from certs.binding import forget_errors, verify_error
from certs.upstream import NodeUntrusted
from gateway.proxy_protocol import build_local
from gateway.tls_stream import tls_reason
from healthcheck.target import OpeningError

if TYPE_CHECKING:
    from certs.upstream import NodeTLS
    from gateway.complaints import Complaints
    from settings.types import Address

READ_SIZE: Final = 16_384


class NodeOpening:
    """Of the checks of one node; see `healthcheck.target.Opening`."""

    def __init__(self, tls: NodeTLS | None, node: Address, complaints: Complaints, *, announces: bool = False) -> None:
        self._tls = tls
        self._address = node
        self._node = str(node)
        self._complaints = complaints
        self._announces = announces

    def wrap(self, check: asyncio.Protocol, *, port: int) -> asyncio.Protocol:
        header = build_local() if self._announces and port == self._address.port else b""
        if self._tls is None:
            return _Header(header, check) if header else check
        connection = self._tls.connect(self._node, self._address.host, None)
        return _Header(header, _TLSLayer(self, self._tls, check, connection))

    def succeeded(self) -> None:
        self._complaints.none(self._node)

    def complain(self, why: str) -> None:
        self._complaints.hear(self._node, why)


class _Header(asyncio.Protocol):
    """Says the PROXY header first and is out of the way then."""

    def __init__(self, header: bytes, next_protocol: asyncio.Protocol) -> None:
        self._header = header
        self._next = next_protocol
        self.data_received = next_protocol.data_received  # type: ignore[method-assign]
        self.eof_received = next_protocol.eof_received  # type: ignore[method-assign]
        self.connection_lost = next_protocol.connection_lost  # type: ignore[method-assign]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._header:
            cast("asyncio.Transport", transport).write(self._header)
        self._next.connection_made(transport)


class _TLSLayer(asyncio.Protocol):
    """Between the transport and the check: TLS on memory, so that the loop's own transports do the I/O."""

    def __init__(
        self, opening: NodeOpening, trust: NodeTLS, check: asyncio.Protocol, connection: SSL.Connection
    ) -> None:
        self._opening = opening
        self._trust = trust
        self._check: asyncio.Protocol | None = check
        self._tls = connection
        self._open = False
        self._ended = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._go_on()

    def data_received(self, data: bytes) -> None:
        if self._check is not None:
            self._tls.bio_write(data)
            self._go_on()

    def eof_received(self) -> None:
        self._ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._open and self._check is not None:
            closed = self._ended or exc is not None
            self._fail(f"the TLS handshake {'was broken off by the node' if closed else 'did not end in time'}")
        self._end(exc)

    def write(self, data: bytes) -> None:
        """What the check says."""
        try:
            self._tls.send(data)
        except SSL.Error as error:
            forget_errors()
            self._end(OpeningError(tls_reason(error)))
        self._flush()

    def _go_on(self) -> None:
        try:
            if not self._open:
                self._tls.do_handshake()
                self._trust.finish(self._tls)
                self._opening.succeeded()
                self._open = True
                if self._check is not None:
                    self._check.connection_made(_Above(self))
            while self._check is not None:
                self._check.data_received(self._tls.recv(READ_SIZE))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self._end(None)
        except SSL.Error as error:
            forget_errors()
            if self._open:
                self._end(None)  # whether its answer was whole is the check's business
            else:
                self._fail(self._trust.reason(self._tls, tls_reason(error)), untrusted=bool(verify_error(self._tls)))
        except NodeUntrusted as error:
            self._fail(f"its certificate is not accepted: {error}", untrusted=True)
        self._flush()

    def _flush(self) -> None:
        try:
            while self._transport is not None:
                self._transport.write(self._tls.bio_read(READ_SIZE))
        except SSL.WantReadError:
            pass

    def _fail(self, why: str, *, untrusted: bool = False) -> None:
        self._opening.complain(why)
        self._end(OpeningError(why, untrusted=untrusted))

    def _end(self, exc: Exception | None) -> None:
        check, self._check = self._check, None
        if check is not None:
            check.connection_lost(exc)


class _Above(asyncio.Transport):
    """All that a check may do with a connection."""

    def __init__(self, layer: _TLSLayer) -> None:
        super().__init__()
        self._layer = layer

    def write(self, data: Any) -> None:
        self._layer.write(bytes(data))
