"""Looks into every certificate, key, anchor and revocation list that a configuration names.

Works on what is written, not on the model: a slip elsewhere in the file must not hide a key that does not match.
Nothing is opened that is not a regular file, and nothing of a private key gets into a message.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from gateway import check_certificates as look
from gateway.not_in_force import written
from settings.document import Document
from settings.errors import Problem
from settings.nodes import Node
from settings.wording import Step, show_text

MAX_OCTETS: Final = 64 * 1024 * 1024
"""Revocation lists of a province are some megabytes."""

Place = tuple[Step, ...]

CHAINS: Final = (
    ("listeners.*", "server", ""),
    ("admin.tls", "server", ""),
    ("pools.*.upstream_tls", "client", ""),
    ("pools.*.upstream_tls", "client", "check_"),
)
"""Sections with `certificate` and `key`, what the certificate has to be good for, and how both keys begin."""

TRUSTS: Final = ("listeners.*.trust", "admin.trust", "pools.*.upstream_tls")
"""Sections with `anchors`, and perhaps `intermediates` and `crls`."""


@dataclass(slots=True)
class Found:
    """What was found in the files, at the place that names them."""

    document: Document
    now: datetime
    problems: list[Problem] = field(default_factory=list)
    notices: list[Problem] = field(default_factory=list)

    def problem(self, place: Place, text: str) -> None:
        self.problems.append(self._told(place, text))

    def notice(self, place: Place, text: str) -> None:
        self.notices.append(self._told(place, text))

    def take(self, place: Place, verdicts: Iterator[look.Verdict]) -> None:
        for verdict in verdicts:
            (self.problem if verdict.fatal else self.notice)(place, verdict.text)

    def _told(self, place: Place, text: str) -> Problem:
        node = self.document.find(place)
        name = node.text if node is not None else None
        return self.document.problem(place, f"{show_text(name)}: {text}" if name else text)


def check_files(document: Document, now: datetime) -> Found:
    """`now` decides what is expired; it carries its time zone."""
    found = Found(document, now)
    for pattern, purpose, prefix in CHAINS:
        for place, node in written(document, pattern):
            _chain(found, place, node, prefix, server=purpose == "server")
    for pattern in TRUSTS:
        for place, node in written(document, pattern):
            _trust(found, place, node)
    for path in document.secrets:
        if (others := _readable_by(path)) is not None:
            found.notices.append(Problem(str(path), 0, 0, "", f"a secret that is {others}; chmod 600"))
    return found


def _chain(found: Found, place: Place, section: Node, prefix: str, *, server: bool) -> None:
    chain: list[x509.Certificate] = []
    for at, path in _named(found.document, (*place, f"{prefix}certificate"), section):
        octets = _read(found, at, path)
        if octets is not None:
            chain = _parse(found, at, octets)
            found.take(at, look.chain(chain, found.now, server=server))
    for at, path in _named(found.document, (*place, f"{prefix}key"), section):
        octets = _read(found, at, path)
        if octets is not None:
            found.take(at, look.key(octets, chain))
            if (others := _readable_by(path)) is not None:
                found.notice(at, f"{others}; chmod 600")


def _trust(found: Found, place: Place, section: Node) -> None:
    issuers: list[x509.Certificate] = []
    for name in ("anchors", "intermediates"):
        for at, path in _named(found.document, (*place, name), section):
            octets = _read(found, at, path)
            if octets is not None:
                authorities = _parse(found, at, octets)
                issuers += authorities
                found.take(at, look.authorities(authorities, found.now))
    lists: list[x509.CertificateRevocationList] = []
    for at, path in _named(found.document, (*place, "crls"), section):
        octets = _read(found, at, path)
        if octets is None:
            continue
        try:
            parsed = look.parse_crls(octets)
        except ValueError:
            found.problem(at, "no revocation list in PEM or DER")
            continue
        lists += parsed
        for crl in parsed:
            found.take(at, look.crl(crl, issuers, found.now))
    if lists:
        found.take((*place, "crls"), look.without_list(issuers, lists))


def _parse(found: Found, place: Place, octets: bytes) -> list[x509.Certificate]:
    try:
        return look.parse_certificates(octets)
    except ValueError:
        found.problem(place, "no certificate in PEM")
        return []


def _named(document: Document, place: Place, section: Node) -> Iterator[tuple[Place, Path]]:
    """The paths written at a key, be it one or a list; whatever else stands there is the model's business."""
    entry = (section.entries or {}).get(str(place[-1]))
    if entry is None:
        return
    nodes = [(place, entry.node)] if entry.node.items is None else []
    nodes += [((*place, number), item) for number, item in enumerate(entry.node.items or ())]
    for at, node in nodes:
        if isinstance(node.data, str) and node.data and "\0" not in node.data:
            yield at, document.path.absolute().parent / node.data


def _read(found: Found, place: Place, path: Path) -> bytes | None:
    try:
        if not path.is_file():
            found.problem(place, "not a regular file" if path.exists() else "no such file")
            return None
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except OSError as error:
        found.problem(place, f"cannot be read: {os.strerror(error.errno or 0).lower()}")
        return None
    if not octets or len(octets) > MAX_OCTETS:
        found.problem(place, f"larger than {MAX_OCTETS // 1024**2} MiB" if octets else "an empty file")
        return None
    return octets


def _readable_by(path: Path) -> str | None:
    """Who but the owner may read the file."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    if not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return None
    return f"open to {'everybody' if mode & stat.S_IRWXO else 'its group'} (mode {stat.S_IMODE(mode):04o})"
