"""A key that cannot leave its token reaches a node through the gateway, until its certificate is revoked.

The whole stack of an institution: SoftHSM2 as the token, OpenSSL's pkcs11 engine, curl.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from certs.authority import Issued
from tests.support.answers import ok
from tests.support.gateway import HOSPITAL, Gateway, eventually
from tests.support.nodes import RecordingNode
from tests.support.token import HardwareKey

TLS = {"1.2": ("--tlsv1.2", "--tls-max", "1.2"), "1.3": ("--tlsv1.3",)}
STATUS = ("--write-out", r"\n%{http_code} %{ssl_verify_result}")


@dataclass(frozen=True)
class Institution:
    """A hospital with a token, and the gateway it talks to."""

    key: HardwareKey
    issued: Issued
    gateway: Gateway
    node: RecordingNode

    def send(self, claim: str, *options: str) -> tuple[str, str]:
        """(body, "status verify-result") of one POST."""
        url = f"https://127.0.0.1:{self.gateway.port()}/claims/"
        done = self.key.curl(url, self.gateway.world.anchor, *STATUS, "--data", claim, *options)
        body, _, status = done.stdout.rpartition("\n")
        return body, status

    def logged(self) -> list[tuple[str, int]]:
        """TLS version and status of the access log's exchanges, which is written a moment later."""
        return [(row["tls"], row["status"]) for row in self.gateway.access(institution=HOSPITAL)]


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Institution]:
    key = HardwareKey.make(tmp_path / "token")
    with (
        RecordingNode(answer=ok(b"settled")) as node,
        Gateway(tmp_path, nodes=[node.address]) as gateway,
    ):
        # What the request says about its sender is not believed: the authority puts the id in.
        request = key.token.request("/UID=H999/CN=somebody")
        issued = gateway.world.authority.sign_csr(request, uid=HOSPITAL, common_name="洛阳市中心医院")
        key.store(issued.certificate)
        yield Institution(key, issued, gateway, node)


def test_a_token_is_admitted_until_its_certificate_is_revoked(hospital: Institution) -> None:
    for number, (version, options) in enumerate(TLS.items(), 1):
        assert hospital.send(f"claim {version}", *options) == ("settled", "200 0")
        request = hospital.node.wait_for(number)[-1]
        assert request.body == f"claim {version}".encode()
        assert request.value(b"x-institution-id") == HOSPITAL.encode()
        shown = base64.b64decode((request.value(b"client-cert") or b"").strip(b":"))
        assert shown == hospital.issued.certificate.public_bytes(Encoding.DER)
    eventually(lambda: hospital.logged() == [("TLSv1.2", 200), ("TLSv1.3", 200)])

    certificate = hospital.gateway.folder / "token.pem"
    certificate.write_bytes(hospital.issued.pem)
    hospital.gateway.world.revoke(certificate)
    hospital.gateway.reload()
    for options in TLS.values():
        body, status = hospital.send("one more", *options)
        assert (json.loads(body)["reason"], status) == ("certificate_revoked", "403 0")
    assert len(hospital.node.requests) == len(TLS)


def test_the_key_was_made_in_the_token_and_stays_there(tmp_path: Path) -> None:
    key = HardwareKey.make(tmp_path / "token")
    told = key.tool("--list-objects", "--type", "privkey")
    assert "Access:     sensitive, always sensitive, never extractable, local" in told
    # OpenSSL writes down what it can get: the public point, and zeros where the secret would be.
    exported = key.run("openssl", "pkey", "-engine", "pkcs11", "-inform", "engine", "-in", key.token.key_uri).stdout
    with pytest.raises(ValueError, match=r"(?i)invalid|key"):
        load_pem_private_key(exported.encode(), None)
    request = x509.load_pem_x509_csr(key.token.request("/CN=x"))
    assert request.is_signature_valid
