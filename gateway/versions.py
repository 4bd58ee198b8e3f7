"""Which versions are at work: what to quote in a fault report."""

from __future__ import annotations

import platform
import tomllib
from importlib import metadata
from pathlib import Path

from settings import twins


def settlegate() -> str:
    """Of the installed package, else of the source tree this runs from."""
    try:
        return metadata.version("settlegate")
    except metadata.PackageNotFoundError:
        pass
    try:
        project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])
    except (OSError, ValueError, LookupError):
        return "unknown"


def openssl() -> str:
    """Of the library that the gateway's connections use, not of the one Python's own ssl module has."""
    from OpenSSL import SSL

    return SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode("ascii", "replace").removeprefix("OpenSSL ")


def everything() -> dict[str, str]:
    """By name, in the order to show them."""
    return {
        "settlegate": settlegate(),
        "python": platform.python_version(),
        "pyopenssl": _installed("pyopenssl"),
        "openssl": openssl(),
        "cryptography": _installed("cryptography"),
        "uvloop": _installed("uvloop"),
        "twins": twins.in_use(),
    }


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
