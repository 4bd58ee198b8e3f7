"""Whom SNMP asks and with what credentials: read-only, v2c or v3 with authentication and privacy, nothing between.

Passphrases become master keys here (RFC 3414, A.2), in C: pysnmp's own derivation holds the loop for 40 ms a user.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

from healthcheck.config import AuthProtocol, PrivacyProtocol, SnmpCheck
from healthcheck.target import Target
from settings.types import Secret

_EXPANDED = 1024 * 1024  # octets; RFC 3414, A.2.2
_HASHES = {"sha": "sha1", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}


@dataclass(frozen=True, slots=True)
class Community:
    """v2c."""

    name: Secret


@dataclass(frozen=True, slots=True, repr=False)
class User:
    """v3, authPriv."""

    name: str
    auth: AuthProtocol
    auth_key: bytes
    privacy: PrivacyProtocol
    privacy_key: bytes

    def __repr__(self) -> str:
        return f"User({self.name!r}, {self.auth}, {self.privacy})"


Credential = Community | User


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent as one check asks it."""

    host: str
    port: int
    credential: Credential


def agent_of(target: Target, check: SnmpCheck) -> Agent:
    host, port = target.snmp or (target.host, check.port)
    return Agent(host, port, _credential(check))


def _credential(check: SnmpCheck) -> Credential:
    if check.community is not None:
        return Community(check.community)
    if check.user is None:
        raise ValueError("an SNMP check has a community or a user")
    ((auth, auth_phrase),) = check.auth.items()
    ((privacy, privacy_phrase),) = check.privacy.items()
    return User(check.user, auth, _master_key(auth, auth_phrase), privacy, _master_key(auth, privacy_phrase))


@functools.lru_cache(maxsize=64)  # a reload derives the same few keys again for every node
def _master_key(auth: AuthProtocol, phrase: Secret) -> bytes:
    """The privacy key is derived with the hash of the authentication protocol too (RFC 3826, 1.2)."""
    text = phrase.get_secret_value().encode()
    expanded = (text * (_EXPANDED // len(text) + 1))[:_EXPANDED]
    return hashlib.new(_HASHES[auth], expanded, usedforsecurity=True).digest()
