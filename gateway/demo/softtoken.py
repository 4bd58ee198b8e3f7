"""A hardware token in software: SoftHSM2, driven by the programs an institution would use with a real one.

Needs Debian's softhsm2, opensc, openssl, curl and libengine-pkcs11-openssl; `find` says whether they are all here.
The key is generated inside the token and never leaves it; what comes out is a certificate request.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PIN = "123456"
LABEL = "demo-pharmacy"
KEY = "usbkey"
_PROGRAMS = ("softhsm2-util", "pkcs11-tool", "openssl", "curl")
_MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")


class TokenUnusable(Exception):
    """A program or library is missing, or refused to work; the demo goes on with a key in a file."""


@dataclass(frozen=True, slots=True)
class Token:
    module: Path
    """The PKCS#11 library."""
    folder: Path
    """Where SoftHSM2 keeps what it holds."""

    @property
    def key_uri(self) -> str:
        """RFC 7512. The PIN is no secret: the token is made for one run and thrown away."""
        return f"pkcs11:token={LABEL};object={KEY};type=private;pin-value={PIN}"

    def variables(self) -> dict[str, str]:
        """What a program needs in its environment to reach the token."""
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf"), "PKCS11_MODULE_PATH": str(self.module)}

    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables()}

    def generate_key(self) -> None:
        (self.folder / "tokens").mkdir(parents=True)
        text = f"directories.tokendir = {self.folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
        (self.folder / "softhsm2.conf").write_text(text, encoding="utf-8")
        self._run("softhsm2-util", "--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "87654321")
        module = ("--module", str(self.module), "--login", "--pin", PIN, "--token-label", LABEL)
        kind = ("--keypairgen", "--key-type", "EC:prime256v1", "--label", KEY, "--id", "01")
        self._run("pkcs11-tool", *module, *kind)

    def request(self, subject: str) -> bytes:
        """A certificate request (PEM) for `subject` in openssl's notation, signed inside the token."""
        engine = ("-engine", "pkcs11", "-keyform", "engine", "-key", self.key_uri)
        return self._run("openssl", "req", "-new", "-utf8", *engine, "-subj", subject)

    def curl_options(self, certificate: Path) -> list[str]:
        key = ["--engine", "pkcs11", "--key-type", "ENG", "--key", self.key_uri]
        return [*key, "--cert", str(certificate)]

    def _run(self, *command: str) -> bytes:
        try:
            done = subprocess.run(command, env=self.environment(), capture_output=True, timeout=20, check=True)  # noqa: S603
        except (OSError, subprocess.SubprocessError) as error:
            output = getattr(error, "stderr", None) or b""
            raise TokenUnusable(f"{command[0]}: {error} {output.decode(errors='replace').strip()}"[:400]) from error
        return done.stdout


def find(folder: Path) -> Token:
    """A token still to be made in `folder`; raises TokenUnusable naming what is missing."""
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        raise TokenUnusable(f"not installed: {', '.join(missing)}")
    module = next((Path(path) for path in _MODULES if Path(path).exists()), None)
    if module is None:
        raise TokenUnusable("libsofthsm2.so not found")
    engine = subprocess.run(["openssl", "engine", "pkcs11"], capture_output=True, timeout=10, check=False)  # noqa: S607
    if engine.returncode != 0:
        raise TokenUnusable("openssl has no pkcs11 engine (libengine-pkcs11-openssl)")
    return Token(module, folder)
