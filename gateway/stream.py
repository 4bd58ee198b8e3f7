# cython: language_level=3, annotation_typing=False
"""One non-blocking socket: read, write, close. `tls_stream` puts TLS on it behind the same methods.

This module alone owns descriptors. A descriptor leaves the loop in one order: remove_reader, remove_writer, close;
closed in any other way and reused, uvloop's next reader on that number never fires.

The owner of a stream is called back without arguments: `on_readable` when reading is on and bytes may be there,
`on_drained` when everything queued by `write` has gone out after a `write` that returned False, and `on_closed`
when a graceful close has ended. Reads and writes raise `StreamError`, translated here once from OSError.
An exception that escapes a callback ends this connection and no other.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from gateway import wire

log = logging.getLogger("settlegate.stream")

PLAIN_READ_SIZE: Final = 262_144
SMALL_READ_SIZE: Final = 16_384
FLUSH: Final = 30.0
"""Seconds without progress after which a closed connection loses what is still queued."""
LINGER: Final = 2.0
"""Seconds a closed connection is still read, so that the peer gets our last bytes and not a reset (RFC 9112 9.6)."""
LINGER_OCTETS: Final = 4 << 20
_RESET: Final = struct.pack("ii", 1, 0)
_CLOSED_BEFORE: Final = os.strerror(errno.EPIPE)
_BYTES_ACKED: Final = 120
"""Where `struct tcp_info` of Linux counts the octets that the peer has acknowledged."""


class StreamError(Exception):
    """The connection is gone: reset, timed out, or the TLS layer failed."""


def _nothing() -> None:
    """Stands in for a callback that is not set."""


class Stream:
    """A connected, non-blocking TCP socket in plain text."""

    encrypted = False
    """What is written is not what travels."""

    __slots__ = (
        "_acknowledged",
        "_closing",
        "_linger_timer",
        "_lingered",
        "_queue",
        "_read_waits",
        "_reading",
        "_room",
        "_writing",
        "eof",
        "error",
        "fd",
        "loop",
        "on_closed",
        "on_drained",
        "on_readable",
        "queued",
        "sock",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self.loop = loop
        self.sock = sock
        self.fd = sock.fileno()
        self.on_readable: Callable[[], object] = _nothing
        self.on_drained: Callable[[], object] = _nothing
        self.on_closed: Callable[[], object] = _nothing
        self.queued = 0
        self.eof = False
        self.error = ""
        self._read_waits = False
        self._room = SMALL_READ_SIZE
        self._queue: deque[bytes | memoryview] | None = None
        self._reading = False
        self._writing = False
        self._closing = False
        self._acknowledged = 0
        self._lingered = 0
        self._linger_timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        state = "closed" if self.fd < 0 else "closing" if self._closing else "open"
        return f"<{type(self).__name__} fd={self.fd} {state} queued={self.queued}>"

    @classmethod
    def connect(cls, loop: asyncio.AbstractEventLoop, address: tuple[str, int]) -> Stream:
        """Begin to connect to an IP address. `on_drained` tells success; failure closes it, `error` says why.

        Raises `StreamError` when the attempt fails at once. Neither callback runs before this returns.
        """
        try:
            sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        except OSError as error:  # out of descriptors
            raise StreamError(error.strerror or str(error)) from None
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = sock.connect_ex(address)
        except OSError as error:
            sock.close()
            raise StreamError(error.strerror or str(error)) from None
        if code not in (0, errno.EINPROGRESS):
            sock.close()
            raise StreamError(os.strerror(code))
        stream = cls(loop, sock)
        stream._writing = True
        loop.add_writer(stream.fd, stream._connected)
        return stream

    def _connected(self) -> None:
        self._stop_writing()
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self.error = os.strerror(code)
            self.abort()
        else:
            self._call(self.on_drained)

    def _call(self, callback: Callable[[], object]) -> None:
        """Nothing above the loop catches what a callback lets through: its session would wait for ever."""
        try:
            callback()
        except Exception:
            log.exception("closing %r after an unexpected error", self)
            self.abort()

    # reading

    def recv(self) -> bytes | None:
        """What has arrived; None when nothing has; b"" once the peer has ended its side."""
        data = wire.recv(self.fd, self._room)
        if isinstance(data, int):
            if data == wire.NOTHING:
                return None
            raise StreamError(wire.words(data))
        size = len(data)
        if size == self._room:
            self._room = PLAIN_READ_SIZE  # in bulk fewer and larger reads are worth their memory
        elif size < SMALL_READ_SIZE:
            self._room = SMALL_READ_SIZE
            if not size:
                if self.error:  # a reset whose one report went to somebody else: this is no orderly end
                    raise StreamError(self.error)
                self.eof = True
        return data

    @property
    def pending(self) -> bool:
        """Whether decrypted octets wait."""
        return False

    def _unannounced(self) -> bool:
        """Whether there may be something to read that no readiness event will announce."""
        return False

    def still_silent(self) -> bool:
        """To be asked when something arrived that nobody waits for: whether it was no octet for us; TLS has such."""
        return False

    @property
    def reading(self) -> bool:
        return self._reading and not self._closing

    def start_reading(self) -> None:
        """Call `on_readable` whenever bytes may be there. Bytes already decrypted are announced once by the loop."""
        if self._reading or self.fd < 0 or self._closing:
            return
        self._reading = True
        self.loop.add_reader(self.fd, self._readable)
        if self._unannounced():
            self.loop.call_soon(self._readable_late)

    def stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self.loop.remove_reader(self.fd)

    def _readable(self) -> None:
        try:
            self.on_readable()
        except Exception:  # `_call`, but for the price of a call
            log.exception("closing %r after an unexpected error", self)
            self.abort()

    def read_on(self) -> None:
        """Call `on_readable` in the next turn of the loop, whether the socket has more or not."""
        self.loop.call_soon(self._readable_late)

    def _readable_late(self) -> None:
        if self.reading:
            self._readable()

    def look_again(self) -> None:
        """To be called by `on_readable` when it leaves without having read to the end and still awaits octets.

        uvloop reports a reset once, in one event with the octets before it, and then forgets the descriptor (tried
        with 0.23): whoever leaves octets or the error unread would never be called again.
        """
        if not self.reading:
            return
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self.error = os.strerror(code)
        if self.error:
            self.loop.call_soon(self._register_anew)

    def _register_anew(self) -> None:
        if not self.reading:
            return
        self.loop.remove_reader(self.fd)
        if self._writing:
            self.loop.remove_writer(self.fd)
            self.loop.add_writer(self.fd, self._writable)
        self.loop.add_reader(self.fd, self._readable)

    # writing

    def _send(self, data: bytes | memoryview) -> int:
        """Octets taken, 0 when the socket is full."""
        sent = wire.send(self.fd, data)
        if sent >= 0:
            return sent
        if sent == wire.NOTHING:
            return 0
        self.error = wire.words(sent)
        raise StreamError(self.error)

    def write(self, data: bytes | memoryview) -> bool:
        """Send at once what the socket takes and keep the rest; False when something had to be kept.

        Raises `StreamError` only when not one octet of `data` has left.
        """
        if self._queue:
            self._queue.append(data)
            self.queued += len(data)
            return False
        if self.fd < 0 or self._closing:
            # The TLS layer remembers the number of a closed descriptor, which may be another connection's by now.
            raise StreamError("closed")
        size = len(data)
        sent = self._send(data)
        if sent == size:
            return True
        # In bulk go on until the socket is full: waiting for the loop after each record costs most of the speed.
        view = memoryview(data)
        try:
            while sent:
                view = view[sent:]
                if not view:
                    return True
                sent = self._send(view)
        except StreamError as error:
            # Part of it has left: the caller must not take this for a write that never happened.
            self.error = str(error)
            self.loop.call_soon(self._write_failed)
            return False
        self._keep(view)
        return False

    def _keep(self, rest: memoryview) -> None:
        if self._queue is None:
            self._queue = deque()
        self._queue.append(rest)
        self.queued += len(rest)
        if not self._writing:
            self._writing = True
            self.loop.add_writer(self.fd, self._writable)

    def _writable(self) -> None:
        queue = self._queue
        if queue:
            try:
                while queue:
                    # After a refused TLS write the same octets must be offered again: `rest` keeps the exact tail.
                    rest = queue[0]
                    sent = self._send(rest)
                    if not sent:
                        return
                    self.queued -= sent
                    if sent == len(rest):
                        queue.popleft()
                    else:
                        queue[0] = memoryview(rest)[sent:]
            except StreamError as error:
                self.error = str(error)
                self._write_failed()
                return
        self._queue = None
        self._stop_writing()
        if self._closing:
            self._finish()
            return
        if queue is not None:
            self._call(self.on_drained)
        if self._read_waits:
            self._read_waits = False
            self._readable_late()

    def _write_failed(self) -> None:
        """The peer takes nothing more, but it may have answered before: its octets and its end are still to be read."""
        if self.fd < 0:
            return
        if self._closing:
            self.abort()
            return
        self._queue = None
        self.queued = 0
        self._stop_writing()
        self._register_anew()

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self.loop.remove_writer(self.fd)

    # closing

    @property
    def closed(self) -> bool:
        return self.fd < 0 or self._closing

    def close(self) -> None:
        """Flush, end our side, read the peer out within a deadline, close. `on_closed` tells when it is over."""
        if self._closing or self.fd < 0:
            return
        self.stop_reading()
        self._closing = True
        if self._queue:
            self.progressed()
        self._linger_timer = self.loop.call_later(FLUSH, self._flush_again)
        if not self._queue:
            self._finish()

    def _flush_again(self) -> None:
        """A slow peer gets its answer whole; one that takes nothing is cut."""
        if self.progressed():
            self._linger_timer = self.loop.call_later(FLUSH, self._flush_again)
        else:
            self.abort()

    def acknowledged(self) -> int:
        """Octets that the peer's kernel has acknowledged, and one for the beginning of the connection."""
        try:
            info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED + 8)
        except OSError:
            return 0
        return int.from_bytes(info[_BYTES_ACKED:], sys.byteorder)

    def refused_unread(self, before: int) -> bool | None:
        """Whether the peer had closed for good before it got an octet of what was written after `before`.

        `before` is what `acknowledged` said, or would have said, when all of what had been written until then had
        arrived. None: it has closed its side, and whether it still reads will show.

        A peer that closes says so (FIN); what reaches it later is answered with a reset, and the kernel reports that
        order of events as EPIPE. Had it got an octet before, it would have acknowledged it with its FIN at the latest.
        A reset without a FIN before it proves nothing: the octets may have been read and not acknowledged yet.

        The proof is of what came before the FIN. A peer that ends its own side alone, reads on, and resets within the
        40 ms for which an acknowledgement may be delayed, looks the same: whoever reads a request there has no way
        left to answer it, and no server of HTTP serves it (RFC 9112 section 9.6).
        """
        if self.fd < 0:
            return False
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self.error = os.strerror(code)
        if self.acknowledged() > before:
            return False
        if self.error:
            return self.error == _CLOSED_BEFORE
        return None if self.eof else False

    def progressed(self) -> bool:
        """Whether the peer has acknowledged an octet since this was last asked.

        The kernel calls a socket writable only when a third of its buffer is free: minutes, on a slow line.
        """
        before = self._acknowledged
        self._acknowledged = self.acknowledged()
        return self._acknowledged > before

    def _farewell(self) -> bool:
        """End the layer above TCP; False when the socket is full and it must be tried again."""
        return True

    def _finish(self) -> None:
        self._stop_writing()
        try:
            if not self._farewell():
                self._writing = True
                self.loop.add_writer(self.fd, self._finish)
                return
            self.sock.shutdown(socket.SHUT_WR)
        except (StreamError, OSError):
            self.abort()
            return
        if self.eof:
            self.abort()
            return
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        self._linger_timer = self.loop.call_later(LINGER, self.abort)
        self.loop.add_reader(self.fd, self._linger)
        self._reading = True

    def _linger(self) -> None:
        try:
            data = self.sock.recv(PLAIN_READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        self._lingered += len(data)
        if not data or self._lingered > LINGER_OCTETS:
            self.abort()

    def abort(self) -> None:
        """Close now; what is queued is lost."""
        if self.fd < 0:
            return
        self.stop_reading()
        self._stop_writing()
        self.fd = -1
        self._closing = True
        self._queue = None
        self.queued = 0
        if self._linger_timer is not None:
            self._linger_timer.cancel()
            self._linger_timer = None
        self._drop()
        on_closed, self.on_closed = self.on_closed, _nothing
        self.on_readable = self.on_drained = _nothing
        self._call(on_closed)

    def reset(self) -> None:
        """Close now, and so that the peer cannot take what it has got for the whole (RFC 9112 section 8)."""
        if self.fd >= 0:
            with suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.abort()

    def _drop(self) -> None:
        self.sock.close()
