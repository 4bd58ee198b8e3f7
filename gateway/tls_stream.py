# cython: language_level=3, annotation_typing=False
"""A stream over pyOpenSSL bound to the socket: handshake, records, close_notify, and OpenSSL's errors in our words."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from OpenSSL import SSL

from certs.binding import forget_errors
from gateway import wire
from gateway.stream import Stream, StreamError

READ_SIZE: Final = 65_536
"""Octets at the most of full records in a row, so that an upload neither starves others nor pays a turn for each.

With 131,072 the kernel took a tenth more time for it (docs/performance.md)."""


class TLSStream(Stream):
    """The same over a pyOpenSSL connection that is bound to the socket."""

    encrypted = True

    __slots__ = ("_full", "_handle", "_plain", "tls")

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, tls: SSL.Connection) -> None:
        super().__init__(loop, sock)
        self.tls = tls
        self._handle = wire.handle(tls)
        self._plain = False
        self._full = False
        """The last read ended behind a full record: an end may have been taken off the socket with it."""

    def handshake(self) -> bool:
        """One step; True when it is done, False to be called again when the socket is ready.

        Raises `SSL.Error` untranslated: the caller reports the reason in full.
        """
        try:
            self.tls.do_handshake()
        except SSL.WantReadError:
            self._stop_writing()
            return False
        except SSL.WantWriteError:
            if not self._writing:
                self._writing = True
                self.loop.add_writer(self.fd, self._readable)
            return False
        except SSL.Error:
            forget_errors()
            raise
        self._stop_writing()
        return True

    def recv(self) -> bytes | None:
        if self.fd < 0:
            raise StreamError("closed")
        data = wire.tls_recv(self._handle, READ_SIZE)
        if not isinstance(data, int):
            self._full = len(data) >= wire.RECORD
            return data
        if data == wire.NOTHING:
            return None
        if data == wire.ENDED:
            return self._ended()
        if data == wire.OTHER_WAY:
            # A key update must be answered first; reading goes on once the socket takes the answer.
            self._wait_to_read()
            return None
        if data == wire.CUT:
            return self._ended()
        raise self._lost(data)

    def _ended(self) -> bytes:
        if self.error:
            raise StreamError(self.error)
        self.eof = True
        return b""

    def _wait_to_read(self) -> None:
        self._read_waits = True
        if not self._writing:
            self._writing = True
            self.loop.add_writer(self.fd, self._writable)

    @property
    def pending(self) -> bool:
        return self.tls.pending() > 0

    def _unannounced(self) -> bool:
        return self._full or self.tls.pending() > 0

    def _send(self, data: bytes | memoryview) -> int:
        if not data:
            return 0
        sent = wire.tls_send(self._handle, data)
        if sent >= 0:
            return sent
        if sent == wire.NOTHING:
            return 0
        # OTHER_WAY belongs here: renegotiation is off, so a write never has to wait for a read.
        raise self._lost(sent)

    def _lost(self, outcome: int) -> StreamError:
        if outcome == wire.FAILED:
            return _lost(wire.why(self.tls))
        forget_errors()
        return StreamError("closed" if outcome > wire.ERRNO else wire.words(outcome))

    def _write_failed(self) -> None:
        """A client that takes nothing more has nothing more to say."""
        self.abort()

    def _farewell(self) -> bool:
        if self._plain:
            return True
        try:
            self.tls.shutdown()
        except SSL.WantWriteError:
            return False
        except SSL.Error as error:
            raise _lost(error) from None
        return True

    def close_without_tls(self) -> None:
        """Close gracefully on TCP alone, after a handshake that never was one."""
        self.stop_reading()
        self._closing = True
        self._plain = True
        self._finish()

    def _drop(self) -> None:
        self.tls.set_app_data(None)
        self.sock.close()


def _lost(error: SSL.Error) -> StreamError:
    """pyOpenSSL leaves some errors in OpenSSL's queue, where the thread's next innocent connection would find them."""
    forget_errors()
    return StreamError(tls_reason(error))


def tls_reason(error: SSL.Error) -> str:
    """OpenSSL's own words for the first error of the queue, such as "http request"; "" when it gave none."""
    if error.args and isinstance(error.args[0], list) and error.args[0]:
        return str(error.args[0][0][-1])
    return str(error.args[-1]) if error.args else ""
