from __future__ import annotations

import pytest
from OpenSSL import SSL, crypto

from certs import binding


def test_the_installed_binding_has_everything() -> None:
    binding.probe()


@pytest.mark.parametrize("name", binding._NEEDED)
def test_a_missing_call_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    class Lacking:
        def __getattr__(self, asked: str) -> object:
            if asked == name:
                raise AttributeError(asked)
            return object()

    monkeypatch.setattr(binding, "lib", Lacking())
    with pytest.raises(binding.BindingMissingError, match=name):
        binding.probe()


def test_the_constants_are_those_of_openssl() -> None:
    assert SSL.OP_IGNORE_UNEXPECTED_EOF == 0x80
    assert SSL.OP_NO_RENEGOTIATION == 0x40000000


def test_a_connection_without_a_session_cannot_be_sealed() -> None:
    connection = SSL.Connection(SSL.Context(SSL.TLS_SERVER_METHOD))
    with pytest.raises(binding.BindingMissingError):
        binding.seal(connection)


def test_a_fresh_connection_has_resumed_nothing() -> None:
    assert binding.session_reused(SSL.Connection(SSL.Context(SSL.TLS_SERVER_METHOD))) is False


def test_the_purpose_can_be_required() -> None:
    binding.require_client_purpose(crypto.X509Store())
