"""What one handshake has shown about the client, and what this worker has verified itself.

A resumed handshake shows nothing: its recorded errors are always empty and its chain is gone. So a worker remembers
its own error-free verifications, by the certificate's SHA-256 and the trust they were made under, and nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from OpenSSL import crypto

from certs.verdict import Problem, Refusal, first_reason, reasons_of

if TYPE_CHECKING:
    from certs.credential import Credential
    from certs.trust import Trust, Verification

PROOFS_LIMIT: Final = 8192
"""Verified certificates a worker remembers: four for each of 2,000 institutions."""
ISSUERS_LIMIT: Final = 32
"""Intermediates a worker remembers from verified chains, for clients that come back without them."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that admission may know of a client. Only errors that are absent count for nothing: see `decide`."""

    credential: Credential | None = None
    errors: frozenset[str] = frozenset()
    """Reasons from certs.verdict, all that hold."""
    resumed: bool = False
    malformed: bool = False
    """The certificate could not be read."""
    internal: bool = False
    """Something failed on our side; nothing else here is to be believed."""
    presented: bool = False
    """Whether there is a peer certificate at all."""
    verified: bool = False
    """Whether a verification of this very certificate, today and under the trust in force, ended without an error."""
    chain: tuple[bytes, ...] = ()
    """Issuing CAs (DER) between certificate and anchor, for `reverify`; shared between connections."""
    issuer_spki: str = ""
    """SHA-256 of the key that issued the certificate; with the serial, what revocation is keyed by."""
    anchor_spki: str = ""
    """SHA-256 of the anchor's key: what an issuer may assert follows this, never a name."""
    detail: str = ""
    """The codes behind the errors, for the log."""


INTERNAL: Final = Evidence(internal=True)


class Handshake:
    """The record of one connection while it is in its handshake, filled in by the callbacks."""

    __slots__ = ("called", "credential", "internal", "malformed", "path", "problems", "trust", "verification")

    def __init__(self) -> None:
        self.trust: Trust | None = None
        """In force when ClientHello came; set by the servername callback."""
        self.called = False
        """Whether the verify callback ran for this connection, so whether anything was verified here."""
        self.internal = False
        self.malformed = False
        self.problems: set[Problem] = set()
        self.path: list[crypto.X509] = []
        """Verified so far, anchor first."""
        self.credential: Credential | None = None
        self.verification: Verification | None = None
        """Set when the callback has come down to the client's own certificate."""

    def __repr__(self) -> str:
        state = (
            "internal" if self.internal else describe(self.problems) or ("verified" if self.verification else "open")
        )
        return f"<Handshake {state}>"

    @property
    def strange(self) -> bool:
        """The path does not lead to an anchor."""
        return "issuer_unknown" in reasons_of(self.problems)

    def failure(self) -> Refusal | None:
        """Why our side has ended the handshake; None where it was not the certificate."""
        if self.internal:
            return Refusal("internal", "verification failed")
        errors = reasons_of(self.problems) | ({"certificate_invalid"} if self.malformed else set())
        reason = first_reason(errors)
        return None if reason is None else Refusal(reason, describe(self.problems))


def describe(problems: set[Problem] | frozenset[Problem]) -> str:
    """`depth 0: 10` and so on, for the log; OpenSSL's numbers, see openssl-verification-options."""
    return ", ".join(f"depth {depth}: {code}" for depth, code in sorted(problems))


class Proofs:
    """A worker's own verifications, bounded; the least recently used goes first."""

    def __init__(self) -> None:
        self._proofs: OrderedDict[tuple[str, str], tuple[Credential, Verification]] = OrderedDict()
        self._issuers: OrderedDict[bytes, crypto.X509] = OrderedDict()

    def __len__(self) -> int:
        return len(self._proofs)

    @property
    def issuers(self) -> tuple[crypto.X509, ...]:
        """CA certificates of verified chains. Candidates for building a path, never trusted by themselves."""
        return tuple(self._issuers.values())

    def find(self, fingerprint: str, trust: Trust, now: float) -> tuple[Credential, Verification] | None:
        """An earlier error-free verification of this very certificate that still holds at `now`."""
        key = (fingerprint, trust.identity)
        found = self._proofs.get(key)
        if found is None or not found[1].clean or trust.current(found[1], now):
            return None
        self._proofs.move_to_end(key)
        return found

    def remember(self, credential: Credential, trust: Trust, verification: Verification) -> None:
        if not verification.clean:
            return
        key = (credential.fingerprint, trust.identity)
        if key in self._proofs and self._proofs[key][1] is verification:
            return
        self._proofs[key] = (credential, verification)
        while len(self._proofs) > PROOFS_LIMIT:
            self._proofs.popitem(last=False)
        for der in verification.chain:
            self._keep(der)

    def _keep(self, der: bytes) -> None:
        if der not in self._issuers:
            self._issuers[der] = crypto.load_certificate(crypto.FILETYPE_ASN1, der)
            if len(self._issuers) > ISSUERS_LIMIT:
                self._issuers.popitem(last=False)
        else:
            self._issuers.move_to_end(der)
