"""Octets in and out of descriptors, without exceptions for what happens all day: nothing there, no room, the end.

Each function returns octets or a count when something moved, else one of the outcomes below; what that means for a
connection is decided in `stream` and `tls_stream`. The functions written out here are the pure-Python twins of those
in `_wire`, which asks the kernel and OpenSSL directly and takes their place where it has been compiled.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Any, Final

from OpenSSL import SSL

from certs import binding
from settings.twins import COMPILED

RECORD: Final = 16_384
"""Octets of the longest TLS record (RFC 8446 section 5.1)."""
NOTHING: Final = -1
"""Nothing to read, or no room to write: wait for the loop."""
OTHER_WAY: Final = -2
"""TLS must write before it can read on, or read before it can write."""
ENDED: Final = -3
"""The peer has ended TLS in good order."""
CUT: Final = -4
"""The peer has ended TCP below TLS, without a farewell."""
FAILED: Final = -5
"""TLS has failed; OpenSSL's error queue says why: `why`."""
ERRNO: Final = -1000
"""ERRNO - n: the system call failed with errno n."""


def words(outcome: int) -> str:
    """What the kernel calls the failure ERRNO - n."""
    return os.strerror(ERRNO - outcome)


def recv(fd: int, size: int) -> bytes | int:
    """Up to `size` octets of a socket; b"" at its end, NOTHING, or ERRNO - n."""
    try:
        return os.read(fd, size)
    except (BlockingIOError, InterruptedError):
        return NOTHING
    except OSError as error:
        return ERRNO - (error.errno or errno.EIO)


def send(fd: int, data: bytes | memoryview) -> int:
    """Octets that a socket took, NOTHING, or ERRNO - n."""
    try:
        return os.write(fd, data)
    except (BlockingIOError, InterruptedError):
        return NOTHING
    except OSError as error:
        return ERRNO - (error.errno or errno.EIO)


def peek(fd: int) -> int:
    """1 if octets wait, 0 at the end, NOTHING, or ERRNO - n. Takes nothing away."""
    try:
        with socket.socket(fileno=os.dup(fd)) as sock:
            return len(sock.recv(1, socket.MSG_PEEK))
    except (BlockingIOError, InterruptedError):
        return NOTHING
    except OSError as error:
        return ERRNO - (error.errno or errno.EIO)


def handle(tls: SSL.Connection) -> Any:
    """What `tls_recv` and `tls_send` want; good for as long as the connection is held."""
    return tls


def tls_recv(tls: Any, size: int) -> bytes | int:
    """A record, or as many full ones as `size` octets hold; NOTHING, OTHER_WAY, ENDED, CUT, FAILED, or ERRNO - n.

    After a full record there may be more, or an end that no readiness of the socket announces: call again.
    """
    filled = 0
    pieces: list[bytes] = []
    try:
        while True:
            data = tls.recv(RECORD)
            pieces.append(data)
            filled += len(data)
            if len(data) < RECORD or filled + RECORD > size:
                return b"".join(pieces)
    except SSL.Error as error:
        if pieces:
            return b"".join(pieces)
        return _outcome(error, SSL.WantReadError)


def tls_send(tls: Any, data: bytes | memoryview) -> int:
    """Octets taken (one record or more), NOTHING, OTHER_WAY, CUT, FAILED, or ERRNO - n. Not to be called with none."""
    try:
        return int(tls.send(data))
    except SSL.Error as error:
        return _outcome(error, SSL.WantWriteError)


_failure = SSL.Error()


def _outcome(error: SSL.Error, want: type[SSL.Error]) -> int:
    global _failure  # noqa: PLW0603 - stands for OpenSSL's own error queue, one for all connections
    if isinstance(error, want):
        return NOTHING
    if isinstance(error, SSL.WantReadError | SSL.WantWriteError):
        return OTHER_WAY
    if isinstance(error, SSL.ZeroReturnError):
        return ENDED
    if isinstance(error, SSL.SysCallError):
        return CUT if error.args[0] == -1 else ERRNO - int(error.args[0])
    _failure = error
    return FAILED


def why(_tls: SSL.Connection) -> SSL.Error:
    """The error behind the FAILED that was just returned."""
    return _failure


PURE_TWINS: Final = {function.__name__: function for function in (recv, send, peek, handle, tls_recv, tls_send, why)}
"""The functions above, whatever has taken their places: tests put them back to stand a script in for OpenSSL."""


if COMPILED and not TYPE_CHECKING:
    from gateway import _wire

    globals().update({name: getattr(_wire, name) for name in ("recv", "send", "peek")})
    try:
        _wire.bind(*binding.addresses("SSL_read", "SSL_write", "SSL_get_error", "ERR_clear_error", "ERR_peek_error"))
    except (AttributeError, TypeError):
        # Another cryptography may not say where they are: then TLS runs through pyOpenSSL, slower and the same.
        pass
    else:
        globals().update(
            tls_recv=_wire.tls_recv, tls_send=_wire.tls_send, handle=binding.address_of, why=binding.failure
        )
