"""Whom a listener believes: anchors, intermediates and revocation lists of one configuration, and verification by them.

Immutable once built, from octets alone. Paths, signatures, dates, purposes and constraints are OpenSSL's work, with
the purpose sslclient; revocation and the sizes of keys are judged here, on a path that OpenSSL has accepted.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import crypto

from certs import binding, revocation
from certs.credential import clean
from certs.keys import UnreadableError, hash_problem, key_problem, octets, read, smallest
from certs.revocation import Issuer, Revocations, Subject
from certs.verdict import (
    APPLICATION,
    CERT_HAS_EXPIRED,
    CERT_NOT_YET_VALID,
    CHAIN_TOO_LONG,
    CRL_HAS_EXPIRED,
    CRL_NOT_YET_VALID,
    ISSUER_UNKNOWN,
    PURPOSE_CODES,
    TIME_CODES,
    Problem,
    reasons_of,
)

LONGEST_PATH: Final = 6
"""Certificates from leaf to anchor, both included."""
PRESENTED_LIMIT: Final = 8
NONE: Final[frozenset[Problem]] = frozenset()
"""One for all: an empty set takes as much memory as five problems."""


class TrustError(ValueError):
    """Anchors or intermediates cannot be used; the message names the file."""


class TrustSettings(Protocol):
    """What is read of certs.config.TrustConfig."""

    @property
    def anchors(self) -> Sequence[Path]: ...
    @property
    def intermediates(self) -> Sequence[Path]: ...
    @property
    def crls(self) -> Sequence[Path]: ...
    @property
    def stale_crl(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Link:
    """One certificate of a verified path and who issued it."""

    issuer: Issuer
    subject: Subject
    depth: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found. Without problems it is evidence, for as long as `not_after` and the lists allow."""

    problems: frozenset[Problem]
    path: tuple[Link, ...] = ()
    """From the leaf up to the certificate below the anchor; empty while no anchor is reached."""
    not_before: float = float("inf")
    """Unix seconds: the stretch of time in which every certificate of the path is valid."""
    not_after: float = float("-inf")

    @property
    def reasons(self) -> frozenset[str]:
        return reasons_of(self.problems)

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The CA certificates between leaf and anchor, DER; the same octets for every client of one CA."""
        return tuple(link.issuer.der for link in self.path[:-1])

    @property
    def clean(self) -> bool:
        return not self.problems and bool(self.path)


_generations = itertools.count(1)


class Trust:
    """Built by `Trust.build`; holds no file, no clock and no connection."""

    def __init__(
        self,
        anchors: Sequence[x509.Certificate],
        intermediates: Sequence[x509.Certificate],
        revocations: Revocations,
        *,
        stale_crl: str,
        identity: str,
        warnings: tuple[str, ...] = (),
    ) -> None:
        binding.probe()
        if not anchors:
            raise TrustError("no trust anchor: nobody could enter")
        self.generation = next(_generations)
        """Counts the trusts built in this process."""
        self.identity = identity
        """Equal for equal anchors, intermediates, lists and policy: what caches are keyed by."""
        self.anchors = tuple(anchors)
        self.intermediates = tuple(intermediates)
        self.revocations = revocations
        self.warnings = warnings
        self._refuse_stale = stale_crl != "warn"
        self._anchor_keys = {_der(anchor): Issuer.of(anchor) for anchor in anchors}
        self._issuers = dict(self._anchor_keys)
        self.partial = any(anchor.subject != anchor.issuer for anchor in anchors)
        """Some anchor is itself issued by another CA, so a path may end below a self-signed certificate."""
        self.untrusted = tuple(crypto.X509.from_cryptography(entry) for entry in intermediates)
        """The intermediates as OpenSSL takes them."""
        self._known = frozenset(_der(entry) for entry in intermediates)
        self._stores: dict[tuple[bool, bool], crypto.X509Store] = {}
        for anchor in self._anchor_keys.values():
            revocations.of(anchor)

    def __repr__(self) -> str:
        lists = f"{len(self.revocations.lists)} lists" if self.revocations.configured else "no lists asked for"
        return f"<Trust {self.identity[:12]} {len(self.anchors)} anchors, {lists}>"

    @classmethod
    def build(cls, settings: TrustSettings, files: Mapping[str, bytes]) -> Trust:
        """From settings and the octets of the files they name, by path. Raises TrustError; lists only ever warn."""
        warnings: list[str] = []
        anchors = [cert for path in settings.anchors for cert in _certificates(path, files)]
        for anchor in anchors:
            _refuse_weak_anchor(anchor)
        intermediates: list[x509.Certificate] = []
        for path in settings.intermediates:
            for certificate in _certificates(path, files):
                if certificate.subject == certificate.issuer:
                    # In the store it would look like an anchor to OpenSSL.
                    warnings.append(f"{path}: {_name(certificate)} is self-signed, not an intermediate; not used")
                else:
                    intermediates.append(certificate)
        known = [Issuer.of(certificate) for certificate in (*anchors, *intermediates)]
        revocations, doubts = revocation.load(settings.crls, files, known)
        return cls(
            anchors,
            intermediates,
            revocations,
            stale_crl=settings.stale_crl,
            identity=_identity(settings, files),
            warnings=(*warnings, *doubts),
        )

    @property
    def store_lacks_intermediates(self) -> bool:
        """Whether a client that leaves out its issuing CA looks like a stranger to the store of `fill`."""
        return self.partial and bool(self.intermediates)

    def fill(self, store: crypto.X509Store, *, timed: bool = True) -> None:
        """Put anchors (and intermediates, where that cannot make them anchors) into a store."""
        for anchor in self.anchors:
            store.add_cert(crypto.X509.from_cryptography(anchor))
        if self.partial:
            store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        else:
            for certificate in self.untrusted:
                store.add_cert(certificate)
        if not timed:
            store.set_flags(binding.NO_CHECK_TIME)

    def verify(
        self, leaf: crypto.X509, presented: Sequence[crypto.X509], now: float, known: Sequence[crypto.X509] = ()
    ) -> Verification:
        """Verify a client's certificate from nothing: 100 to 200 µs. `known` are CA certificates verified before.

        OpenSSL stops at the first error, and the first is not always the one to tell: so what can be masked (dates,
        purpose) is masked and the path verified again, three times at most.
        """
        if len(presented) > PRESENTED_LIMIT:
            return Verification(frozenset({(0, CHAIN_TOO_LONG)}))
        for depth, certificate in enumerate((leaf, *presented)):
            problem = key_problem(certificate, depth)
            if problem and not self.is_anchor(certificate):
                return Verification(frozenset({(depth, problem)}))
        untrusted = (*presented, *self.untrusted, *known)
        problems: set[Problem] = set()
        timed = purposed = True
        for _ in range(3):
            context = crypto.X509StoreContext(self._store(timed=timed, purposed=purposed), leaf, untrusted)
            try:
                path = context.get_verified_chain()
            except crypto.X509StoreContextError as error:
                code, depth = int(error.errors[0]), int(error.errors[1])
                problems.add((depth, code))
                binding.forget_errors()
                if code in TIME_CODES and timed:
                    timed = False
                elif code in PURPOSE_CODES and purposed:
                    purposed = False
                else:
                    break
            else:
                found = self.judge(path, now)
                return Verification(found.problems | problems, found.path, found.not_before, found.not_after)
        return Verification(frozenset(problems))

    def judge(self, path: Sequence[crypto.X509], now: float, *, keys: bool = True) -> Verification:
        """What OpenSSL has not judged of a path it has built, leaf first: its anchor, keys, dates and revocation.

        `keys=False` after a handshake, where the callback and OpenSSL's security level have judged keys and hashes.
        No public-key operation once the issuers are known.
        """
        anchor = self._anchor_keys.get(octets(path[-1]))
        if anchor is None or len(path) > LONGEST_PATH:
            return Verification(frozenset({(len(path) - 1, CHAIN_TOO_LONG if anchor else ISSUER_UNKNOWN)}))
        problems: set[Problem] = set()
        links: list[Link] = []
        span = [anchor.certificate]
        try:
            issuer = anchor
            for depth in range(len(path) - 2, -1, -1):
                certificate = path[depth]
                if keys:
                    codes = (key_problem(certificate, depth), hash_problem(certificate, depth))
                    problems.update((depth, code) for code in codes if code)
                below = self._issuer(certificate) if depth else None
                entry = below.certificate if below else read(certificate)
                span.append(entry)
                links.append(Link(issuer, Subject.of(entry), depth))
                issuer = below or issuer
            if not links:  # an anchor presented as the client's own certificate
                links.append(Link(anchor, Subject.of(anchor.certificate), 0))
        except UnreadableError:
            return Verification(frozenset(problems | {(0, APPLICATION)}))
        links.reverse()
        found = Verification(
            frozenset(problems) if problems else NONE,
            tuple(links),
            max(entry.not_valid_before_utc.timestamp() for entry in span),
            min(entry.not_valid_after_utc.timestamp() for entry in span),
        )
        late = self.current(found, now)
        return replace(found, problems=found.problems | late) if late else found

    def current(self, found: Verification, now: float) -> frozenset[Problem]:
        """What time alone has done to an earlier verification under this trust: dates and lists, in 5 µs."""
        problems: set[Problem] = set()
        if now < found.not_before:
            problems.add((0, CERT_NOT_YET_VALID))
        if now > found.not_after:
            problems.add((0, CERT_HAS_EXPIRED))
        for link in found.path:
            for code in self.revocations.judge(link.issuer, link.subject, link.depth, now):
                if self._refuse_stale or code not in (CRL_HAS_EXPIRED, CRL_NOT_YET_VALID):
                    problems.add((link.depth, code))
        return frozenset(problems) if problems else NONE

    def rebuilds(self, found: Verification) -> bool:
        """Whether this path can be built again from the certificate alone, as any worker must after a resumption."""
        return self._known.issuperset(found.chain)

    def revoked(self, issuer_spki: str, serial: int) -> bool:
        """Whether a list signed by this key names this serial. For keys met since the trust was built."""
        return self.revocations.holds(issuer_spki, serial)

    def _store(self, *, timed: bool, purposed: bool) -> crypto.X509Store:
        store = self._stores.get((timed, purposed))
        if store is None:
            store = crypto.X509Store()
            self.fill(store, timed=timed)
            if purposed:
                binding.require_client_purpose(store)
            self._stores[timed, purposed] = store
        return store

    def _issuer(self, certificate: crypto.X509) -> Issuer:
        der = octets(certificate)
        issuer = self._issuers.get(der)
        if issuer is None:
            issuer = Issuer.of(read(certificate))
            if len(self._issuers) < revocation.ISSUERS_REMEMBERED:
                self._issuers[der] = issuer
        return issuer

    def is_anchor(self, certificate: crypto.X509) -> bool:
        return octets(certificate) in self._anchor_keys


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _name(certificate: x509.Certificate) -> str:
    return clean(certificate.subject.rfc4514_string())


def _certificates(path: Path, files: Mapping[str, bytes]) -> list[x509.Certificate]:
    data = files.get(str(path))
    if data is None:
        raise TrustError(f"{path}: cannot be read")
    try:
        found = x509.load_pem_x509_certificates(data)
        for certificate in found:
            certificate.subject, certificate.public_bytes(Encoding.DER)
    except ValueError as error:
        raise TrustError(f"{path}: {error}") from error
    return found


def _refuse_weak_anchor(anchor: x509.Certificate) -> None:
    """A configured anchor may be larger than a stranger's key, but not weaker."""
    key = crypto.X509.from_cryptography(anchor).get_pubkey()
    if key.bits() < smallest(key):
        raise TrustError(f"{_name(anchor)}: a key of {key.bits()} bits is too weak for a trust anchor")


def _identity(settings: TrustSettings, files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256(settings.stale_crl.encode())
    kinds: tuple[Sequence[Path], ...] = (settings.anchors, settings.intermediates, settings.crls)
    for kind in kinds:
        digest.update(b"\0")
        for path in kind:
            digest.update(hashlib.sha256(files.get(str(path), b"")).digest())
    return digest.hexdigest()
