"""Keys and certificates for one run of the demo, made by the project's own small authority and thrown away after.

One authority for the gateway and its institutions, and a second one that nobody trusts for the outsider.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from gateway.demo import softtoken


@dataclass(frozen=True, slots=True)
class Institution:
    id: str
    name: str


HOSPITAL = Institution("H410300001", "洛阳市中心医院")
PHARMACY = Institution("P410300017", "同仁堂洛阳药房")


@dataclass(frozen=True, slots=True)
class Pair:
    certificate: Path
    key: Path | None
    """None: inside the token."""


@dataclass(frozen=True, slots=True)
class Keys:
    ca: Path
    hospital: Pair
    pharmacy: Pair
    foreign: Pair
    """Of an authority that the gateway does not know, with the hospital's name in it."""
    token: softtoken.Token | None
    token_missing: str
    """Why there is no token."""

    def context(self, pair: Pair | None) -> ssl.SSLContext:
        """A client's TLS context that trusts the demo's authority; None: without a certificate."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return context


def make(folder: Path) -> Keys:
    raise NotImplementedError
