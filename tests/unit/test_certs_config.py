"""Trust and upstream TLS settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from certs.config import TrustConfig, UpstreamTLSConfig

PEM = Path("a.pem")


def test_trust_refuses_by_default() -> None:
    trust = TrustConfig(anchors=(PEM,))
    assert (trust.stale_crl, trust.unlisted, trust.crls, trust.intermediates) == ("refuse", "refuse", (), ())


def test_trust_without_an_anchor() -> None:
    with pytest.raises(ValidationError):
        TrustConfig(anchors=())


@pytest.mark.parametrize("half", [{"certificate": PEM}, {"key": PEM}])
def test_certificate_and_key_come_together(half: dict[str, Path]) -> None:
    with pytest.raises(ValidationError, match="is missing"):
        UpstreamTLSConfig(anchors=(PEM,), server_name="nodes.internal", **half)
    UpstreamTLSConfig(anchors=(PEM,), server_name="nodes.internal", certificate=PEM, key=PEM)


@pytest.mark.parametrize("name", ["", "a b", "a\n", "x" * 254])
def test_server_name(name: str) -> None:
    with pytest.raises(ValidationError):
        UpstreamTLSConfig(anchors=(PEM,), server_name=name)
