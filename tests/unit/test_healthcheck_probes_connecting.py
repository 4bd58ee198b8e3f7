from __future__ import annotations

import errno
import socket

import pytest

from healthcheck.probes.connecting import verdict_of
from healthcheck.target import OpeningError


@pytest.mark.parametrize(
    ("error", "code", "label"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "http_refused", "connect"),
        (OSError(errno.EHOSTUNREACH, "x"), "http_unreachable", "connect"),
        (OSError(errno.ENETUNREACH, "x"), "http_unreachable", "connect"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "http_connect_failed", "connect"),
        (OSError(errno.EMFILE, "x"), "http_connect_failed", "connect"),
        (socket.gaierror(socket.EAI_NONAME, "evil text from a resolver"), "http_connect_failed", "connect"),
        (OpeningError("evil text from a certificate", untrusted=True), "http_untrusted", "protocol"),
        (OpeningError("wrong version"), "http_tls_failed", "protocol"),
    ],
)
def test_failures_are_named_without_foreign_text(error: OSError, code: str, label: str) -> None:
    verdict = verdict_of("http", error)
    assert (verdict.passed, verdict.words.code, verdict.label) == (False, code, label)
    assert "evil" not in repr(verdict)
