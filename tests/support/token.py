"""A hardware token in software, made the way the demo makes its own, and what tests ask of it beyond that."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.demo import softtoken
from gateway.demo.softtoken import KEY, LABEL, PIN, Token

PATIENCE = 30.0
INSTALL = "sudo apt-get install --no-install-recommends softhsm2 opensc curl openssl libengine-pkcs11-openssl"


@dataclass(frozen=True, slots=True)
class HardwareKey:
    """A token that holds one key, and later its certificate."""

    token: Token

    @classmethod
    def make(cls, folder: Path) -> Self:
        """With its own SOFTHSM2_CONF in `folder`. Skips the test where Debian's packages are missing."""
        try:
            token = softtoken.find(folder)
        except softtoken.TokenUnusable as missing:
            pytest.skip(f"{missing}; to have it: {INSTALL}")
        token.generate_key()
        return cls(token)

    def store(self, certificate: x509.Certificate) -> None:
        """Write the certificate beside the key, as an enrolment station does."""
        der = self.token.folder / "certificate.der"
        der.write_bytes(certificate.public_bytes(Encoding.DER))
        self.tool("--write-object", str(der), "--type", "cert", "--id", "01", "--label", KEY)

    def tool(self, *options: str) -> str:
        """What pkcs11-tool says, logged in."""
        login = ("--module", str(self.token.module), "--login", "--pin", PIN, "--token-label", LABEL)
        return self.run("pkcs11-tool", *login, *options).stdout

    def curl(self, url: str, anchor: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """curl with key and certificate from the token; a zero exit status whatever the HTTP status."""
        engine = ("--engine", "pkcs11", "--key-type", "ENG", "--cert-type", "ENG")
        certificate = f"pkcs11:token={LABEL};object={KEY};type=cert"
        identity = (*engine, "--key", self.token.key_uri, "--cert", certificate)
        return self.run("curl", "--silent", "--show-error", "--cacert", str(anchor), *identity, *options, url)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Raises AssertionError with what the program said."""
        done = subprocess.run(
            command, env=self.token.environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, f"{command[0]}: exit status {done.returncode}: {done.stdout}{done.stderr}"
        return done
