"""Keys and certificates for one run of the demo, made by the project's own small authority and thrown away after.

One authority for the gateway and its institutions, and a second one that nobody trusts for the outsider.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from certs.authority import Authority, crl_pem
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
    """All files into `folder`: ca.pem, ca.crl, gateway.pem and .key, and a pair for each client."""
    folder.mkdir(mode=0o700)
    authority = Authority.create("Settlegate demo CA", days=7)
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "ca.crl").write_bytes(crl_pem(authority.crl()))
    server = authority.issue("settlegate demo", usage="server", days=7, san=["127.0.0.1", "localhost"])
    server.save(folder / "gateway.pem", folder / "gateway.key")
    hospital = _pair(authority, HOSPITAL, folder / "hospital")
    foreign = _pair(Authority.create("Somebody else's CA", days=7), HOSPITAL, folder / "foreign")
    token, missing = None, ""
    try:
        token = softtoken.find(folder / "token")
        pharmacy = _token_pair(authority, PHARMACY, folder / "pharmacy", token)
    except softtoken.TokenUnusable as error:
        token, missing = None, str(error)
        pharmacy = _pair(authority, PHARMACY, folder / "pharmacy")
    return Keys(folder / "ca.pem", hospital, pharmacy, foreign, token, missing)


def _pair(authority: Authority, institution: Institution, stem: Path) -> Pair:
    certificate, key = stem.with_suffix(".pem"), stem.with_suffix(".key")
    authority.issue(institution.name, uid=institution.id, days=7).save(certificate, key)
    return Pair(certificate, key)


def _token_pair(authority: Authority, institution: Institution, stem: Path, token: softtoken.Token) -> Pair:
    token.generate_key()
    request = token.request(f"/UID={institution.id}/CN={institution.name}")
    issued = authority.sign_csr(request, uid=institution.id, common_name=institution.name, days=7)
    certificate = stem.with_suffix(".pem")
    certificate.write_bytes(issued.pem)
    return Pair(certificate, None)
