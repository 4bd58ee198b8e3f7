"""Failures of connecting, translated once: OSError -> verdict."""

from __future__ import annotations

import errno

from healthcheck import words
from healthcheck.target import OpeningError, Verdict

_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}


def verdict_of(kind: str, error: OSError) -> Verdict:
    """The text of the exception goes nowhere: it may repeat what a peer or a resolver said."""
    if isinstance(error, OpeningError):
        return Verdict(False, words.tls_failed(kind, untrusted=error.untrusted), "protocol")
    if isinstance(error, ConnectionRefusedError):
        return Verdict(False, words.refused(kind), "connect")
    if error.errno in _UNREACHABLE:
        return Verdict(False, words.unreachable(kind), "connect")
    return Verdict(False, words.connect_failed(kind), "connect")
