"""The few calls into OpenSSL that pyOpenSSL does not offer, and a probe that fails closed where one is missing.

Nothing else in this project touches pyOpenSSL's private parts. Each function says what goes wrong without it.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.bindings._rust import _openssl
from OpenSSL import SSL, crypto
from OpenSSL._util import ffi, lib

NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME (openssl/x509_vfy.h): a store that ignores every notBefore and notAfter."""

SEALED: Final = 0x0301
"""TLS 1.0 as the version of a session: no listener speaks it, so no ticket that says so is ever resumed."""

_NEEDED: Final = (
    "ERR_clear_error",
    "SSL_SESSION_set_protocol_version",
    "SSL_clear_mode",
    "SSL_get_session",
    "SSL_session_reused",
    "X509_PURPOSE_SSL_CLIENT",
    "X509_STORE_set_purpose",
)


class BindingMissingError(RuntimeError):
    """The installed cryptography lacks a call that admission cannot do without: no listener may start."""


def probe() -> None:
    """Raise BindingMissingError unless everything below can work."""
    missing = [name for name in _NEEDED if not hasattr(lib, name)]
    if missing:
        raise BindingMissingError(f"OpenSSL binding lacks {', '.join(missing)}; install another cryptography")


def require_client_purpose(store: crypto.X509Store) -> None:
    """Without the purpose a store accepts a serverAuth certificate as a client's."""
    if lib.X509_STORE_set_purpose(store._store, lib.X509_PURPOSE_SSL_CLIENT) != 1:  # noqa: SLF001
        raise BindingMissingError("OpenSSL refused the purpose sslclient")


def session_reused(connection: SSL.Connection) -> bool:
    """Whether the handshake resumed a session; then nothing at all was verified in it."""
    return bool(lib.SSL_session_reused(connection._ssl))  # noqa: SLF001


def return_after_each_record(connection: SSL.Connection) -> None:
    """Undo what pyOpenSSL sets: a read that goes on until it finds data.

    A client that sends key updates without end would keep the read, and with it the whole process, for itself.
    """
    lib.SSL_clear_mode(connection._ssl, lib.SSL_MODE_AUTO_RETRY)  # noqa: SLF001


def forget_errors() -> None:
    """Empty OpenSSL's error queue, which is one for all connections of the thread.

    An overridden signature failure stays in it and would be taken for the failure of whatever waits next.
    """
    lib.ERR_clear_error()


def seal(connection: SSL.Connection) -> None:
    """Make the ticket of this full handshake worthless, as long as it has not been sent.

    OP_NO_TICKET comes too late in TLS 1.2 once ServerHello has promised a ticket. The version is written into the
    ticket and compared when it comes back (`ssl_get_prev_session`); on a mismatch a full handshake follows.
    """
    _set_session_version(connection, SEALED)


def unseal(connection: SSL.Connection) -> None:
    """Let the ticket of this full handshake be resumed."""
    _set_session_version(connection, connection.get_protocol_version())


def _set_session_version(connection: SSL.Connection, version: int) -> None:
    session = lib.SSL_get_session(connection._ssl)  # noqa: SLF001
    if session == ffi.NULL or lib.SSL_SESSION_set_protocol_version(session, version) != 1:
        raise BindingMissingError("OpenSSL has no session to mark")


def addresses(*names: str) -> list[int]:
    """Where OpenSSL's functions of these names are in memory, for compiled code that calls them directly."""
    return [int(_openssl.ffi.cast("uintptr_t", _openssl.ffi.addressof(_openssl.lib, name))) for name in names]


def address_of(connection: SSL.Connection) -> int:
    """The `SSL *` of a connection; good for as long as the connection is held."""
    return int(ffi.cast("uintptr_t", connection._ssl))  # noqa: SLF001


def failure(connection: SSL.Connection) -> SSL.Error:
    """The error that OpenSSL's queue holds after a failed call on this connection; empties the queue."""
    try:
        connection._raise_ssl_error(connection._ssl, -1)  # noqa: SLF001
    except SSL.Error as error:
        forget_errors()
        return error
    return SSL.Error()
