"""Nodes that speak TLS: their authority, their certificates, and server contexts of all kinds."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Sequence
from pathlib import Path

from certs.authority import Authority, Issued, Usage, crl_pem
from tests.support.pki import days_ago

NAME = "node.internal"


class NodePki:
    """An authority for nodes, and one for what the gateway shows them; as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = Authority.create("Nodes CA")
        self.issuing = self.authority.intermediate("Nodes Issuing CA")
        self.clients = Authority.create("Gateways CA")
        self.anchor = self.write("nodes-ca.pem", self.authority.pem)
        self.clients_anchor = self.write("gateways-ca.pem", self.clients.pem)
        self.crl = self.write("issuing.crl", b"")
        self.root_crl = self.write("nodes.crl", crl_pem(self.authority.crl()))
        self.revoke()
        self.gateway = self.save("gateway-client", self.clients.issue("gateway", usage="client"))
        self.check = self.save("gateway-check", self.clients.issue("gateway check", usage="client"))
        self.good = self.save("good", self.issuing.issue("node", usage="server", san=[NAME, "127.0.0.1", "::1"]))

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def save(self, name: str, issued: Issued) -> Path:
        """Certificate with its key as NAME.pem and NAME.key; returns the first."""
        path = self.folder / f"{name}.pem"
        issued.save(path, path.with_suffix(".key"))
        return path

    def revoke(self, *certificates: Issued) -> None:
        serials = [issued.certificate.serial_number for issued in certificates]
        self.crl.write_bytes(crl_pem(self.issuing.crl(serials)))

    def node(
        self, name: str, *, usage: Usage = "server", san: Sequence[str] = ("127.0.0.1",), **values: object
    ) -> Path:
        return self.save(name, self.issuing.issue(name, usage=usage, san=san, **values))  # type: ignore[arg-type]

    def bad(self) -> dict[str, tuple[Path, str]]:
        """By kind: a certificate no gateway may accept for 127.0.0.1, and the words that it is refused with."""
        stranger = Authority.create("Nodes CA")
        alone = Authority.create("self")
        return {
            "another name": (self.node("another-name", san=["other.internal"]), "IP address mismatch"),
            "no name": (self.node("no-name", san=[]), "IP address mismatch"),
            "another authority": (
                self.save("stranger", stranger.issue("node", usage="server", san=["127.0.0.1"])),
                "unable to get local issuer certificate",
            ),
            "expired": (
                self.node("expired", not_before=days_ago(9), not_after=days_ago(1)),
                "certificate has expired",
            ),
            "not yet valid": (
                self.node("early", not_before=days_ago(-1), not_after=days_ago(-9)),
                "certificate is not yet valid",
            ),
            "self-signed": (
                self.save("self-signed", alone.issue("node", usage="server", san=["127.0.0.1"], key=alone.key)),
                "unable to get local issuer certificate",
            ),
            "for clients": (self.node("for-clients", usage="client"), "unsuitable certificate purpose"),
        }


def serving(
    certificate: Path,
    *,
    clients: Path | None = None,
    version: ssl.TLSVersion | None = None,
    alpn: Sequence[str] = (),
) -> ssl.SSLContext:
    """A node's context; `clients`: the anchor of client certificates, which are then demanded."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TLS 1.1 is what one test is about
            context.minimum_version = context.maximum_version = version
        if version < ssl.TLSVersion.TLSv1_2:
            context.set_ciphers("DEFAULT@SECLEVEL=0")
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context
