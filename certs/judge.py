"""From a certificate to evidence: by this worker's own verification, first hand, remembered or fresh.

The one rule: evidence is `verified` only where a verification of this very certificate (the same octets) under the
trust in force ended without an error and still holds now. Everything else carries what speaks against it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from OpenSSL import crypto

from certs.credential import Credential, CredentialError, parse
from certs.evidence import INTERNAL, Evidence, Handshake, Proofs, describe
from certs.keys import octets
from certs.trust import Trust, Verification
from certs.verdict import Problem, reasons_of


class Judge:
    """One listener's memory of what it has verified, and the way to more."""

    def __init__(self) -> None:
        self.proofs = Proofs()

    def arrive(self, record: Handshake, trust: Trust, now: float) -> None:
        """In a full handshake, when OpenSSL has accepted a path down to the client's certificate: judge the rest."""
        path = record.path[::-1]
        der = octets(path[0])
        proof = None if record.problems else self.proofs.find(hashlib.sha256(der).hexdigest(), trust, now)
        if proof is not None:
            record.credential, record.verification = proof
            return
        record.verification = found = trust.judge(path, now, keys=False)
        record.problems |= found.problems
        try:
            record.credential = parse(der)
        except CredentialError:
            record.malformed = True

    def first_hand(self, record: Handshake, der: bytes, trust: Trust) -> Evidence:
        """A full handshake under `trust`: what its callbacks recorded is the evidence."""
        found, credential = record.verification, record.credential
        if record.problems or record.malformed:
            return refused(record.problems, credential or _readable(der), malformed=record.malformed)
        if found is None or not found.clean or credential is None or credential.der != der:
            return INTERNAL
        self.proofs.remember(credential, trust, found)
        return proven(credential, found)

    def afresh(
        self, der: bytes, presented: Sequence[crypto.X509], trust: Trust, now: float, *, resumed: bool = False
    ) -> Evidence:
        """By an earlier verification that still holds, else by a new one. Names are never compared instead."""
        proof = self.proofs.find(hashlib.sha256(der).hexdigest(), trust, now)
        if proof is not None:
            return proven(*proof, resumed=resumed)
        leaf = crypto.load_certificate(crypto.FILETYPE_ASN1, der)
        found = trust.verify(leaf, presented, now, self.proofs.issuers)
        credential = _readable(der)
        if credential is None or not found.clean:
            return refused(found.problems, credential, malformed=credential is None, resumed=resumed)
        self.proofs.remember(credential, trust, found)
        return proven(credential, found, resumed=resumed)


def proven(credential: Credential, found: Verification, *, resumed: bool = False) -> Evidence:
    return Evidence(
        credential=credential,
        presented=True,
        verified=found.clean,
        resumed=resumed,
        chain=found.chain,
        issuer_spki=found.path[0].issuer.spki,
        anchor_spki=found.path[-1].issuer.spki,
    )


def refused(
    problems: Iterable[Problem], credential: Credential | None, *, malformed: bool, resumed: bool = False
) -> Evidence:
    found = frozenset(problems)
    return Evidence(
        credential=credential,
        errors=reasons_of(found),
        presented=True,
        malformed=malformed,
        resumed=resumed,
        detail=describe(found),
    )


def _readable(der: bytes) -> Credential | None:
    try:
        return parse(der)
    except CredentialError:
        return None
