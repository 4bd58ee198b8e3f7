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
    "SSL_get0_param",
    "SSL_get_session",
    "SSL_get_verify_result",
    "SSL_session_reused",
    "d2i_SSL_SESSION",
    "i2d_SSL_SESSION",
    "X509_PURPOSE_SSL_CLIENT",
    "X509_STORE_set_purpose",
    "X509_VERIFY_PARAM_set1_host",
    "X509_VERIFY_PARAM_set1_ip",
    "X509_VERIFY_PARAM_set_hostflags",
    "X509_verify_cert_error_string",
)


HOST_FLAGS: Final = 0x4 | 0x20
"""X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS and _NEVER_CHECK_SUBJECT: a name counts only as subjectAltName."""


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


def expect_name(connection: SSL.Connection, name: bytes, address: bytes | None) -> None:
    """The peer's certificate must be for this host name, or IP address in its packed form; else any name would do."""
    param = lib.SSL_get0_param(connection._ssl)  # noqa: SLF001
    lib.X509_VERIFY_PARAM_set_hostflags(param, HOST_FLAGS)
    if address is None:
        done = lib.X509_VERIFY_PARAM_set1_host(param, name, len(name))
    else:
        done = lib.X509_VERIFY_PARAM_set1_ip(param, address, len(address))
    if done != 1:
        raise BindingMissingError(f"OpenSSL does not take the name {name!r}")


def verify_error(connection: SSL.Connection) -> str:
    """OpenSSL's words for what is wrong with the peer's certificate; "" while nothing is."""
    code = lib.SSL_get_verify_result(connection._ssl)  # noqa: SLF001
    return "" if code == 0 else ffi.string(lib.X509_verify_cert_error_string(code)).decode()


def session_copy(connection: SSL.Connection) -> SSL.Session | None:
    """The session as it is now; without copying, what ends this connection badly would spoil it for the next.

    A peer that closes TCP without its farewell is common, and no reason against resuming (RFC 5246 section 7.2.1).
    """
    session = lib.SSL_get_session(connection._ssl)  # noqa: SLF001
    size = lib.i2d_SSL_SESSION(session, ffi.NULL) if session != ffi.NULL else 0
    if size <= 0:
        return None
    memory = ffi.new("unsigned char[]", size)
    lib.i2d_SSL_SESSION(session, ffi.new("unsigned char **", memory))
    copied = lib.d2i_SSL_SESSION(ffi.NULL, ffi.new("const unsigned char **", memory), size)
    if copied == ffi.NULL:
        forget_errors()
        return None
    made = SSL.Session.__new__(SSL.Session)
    made._session = ffi.gc(copied, lib.SSL_SESSION_free)  # noqa: SLF001
    made._context = connection.get_context()  # noqa: SLF001 - pyOpenSSL offers it to no other context
    return made
