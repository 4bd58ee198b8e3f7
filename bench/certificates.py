"""One authority, one server certificate, and a certificate of its own for each of 1,800 institutions.

Made once and kept in the work folder: they take seconds, and a bench may be run many times. P-256, one level, as the
product's own authority issues them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from certs.authority import Authority, certificates_pem

INSTITUTIONS: Final = 1800
_DAYS: Final = 3650
_LAYOUT: Final = 1
"""Changed when older files must not be used any more."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of one PKI."""

    folder: Path

    @property
    def anchor(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def server(self) -> Path:
        return self.folder / "server.pem"

    @property
    def server_key(self) -> Path:
        return self.folder / "server.key"

    @property
    def server_both(self) -> Path:
        """Chain and key in one file, as HAProxy wants them."""
        return self.folder / "server-both.pem"

    @property
    def institutions(self) -> Path:
        """Certificate, key, certificate, key, ... in PEM, for the load client."""
        return self.folder / "institutions.pem"

    @property
    def first(self) -> Path:
        """The first institution's pair, for the check before the load."""
        return self.folder / "first.pem"

    @staticmethod
    def ids() -> list[str]:
        return [f"H41{number:07d}" for number in range(INSTITUTIONS)]


def certificates(folder: Path) -> Certificates:
    """Those of an earlier run if they are whole, else new ones."""
    made = Certificates(folder)
    stamp = folder / "complete.json"
    content = {"layout": _LAYOUT, "institutions": INSTITUTIONS}
    if not stamp.exists() or json.loads(stamp.read_text(encoding="utf-8")) != content:
        folder.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        _make(made)
        stamp.write_text(json.dumps(content), encoding="utf-8")
    return made


def _make(files: Certificates) -> None:
    authority = Authority.create("Settlegate bench CA", days=_DAYS)
    files.anchor.write_bytes(authority.pem)
    server = authority.issue("settle.example.test", usage="server", days=_DAYS, san=["settle.example.test"])
    server.save(files.server, files.server_key)
    pairs = []
    for number, uid in enumerate(Certificates.ids()):
        issued = authority.issue(f"Hospital {number}", uid=uid, days=_DAYS)
        pairs.append(certificates_pem((issued.certificate,)) + issued.key_pem)
    for path, content in (
        (files.server_both, server.pem + server.key_pem),
        (files.institutions, b"".join(pairs)),
        (files.first, pairs[0]),
    ):
        path.touch(mode=0o600)
        path.write_bytes(content)
