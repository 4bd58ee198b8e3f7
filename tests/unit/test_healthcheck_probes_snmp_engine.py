from __future__ import annotations

import asyncio
import logging

import pytest
from pysnmp.proto.rfc3412 import MsgAndPduDispatcher  # type: ignore[import-untyped]

from healthcheck.probes.snmp_agent import Agent, Community, User
from healthcheck.probes.snmp_engine import login, new_engine
from settings.types import Secret

GATE = User("gate", "sha256", b"a" * 32, "aes128", b"p" * 32)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_only_who_was_asked_is_heard(
    host: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def raising(*_arguments: object) -> bytes:
        raise KeyError("from deep inside")

    async def story() -> None:
        engine = new_engine()
        transport = await engine.transport(Agent(host, 161, Community(Secret("public"))))
        assert await engine.transport(Agent(host, 161, GATE)) is transport
        asked = transport.transport_address
        monkeypatch.setattr(MsgAndPduDispatcher, "receive_message", raising)
        caplog.set_level(logging.DEBUG)
        hear = engine.snmp.message_dispatcher.receive_message
        assert hear(engine.snmp, (), ("192.0.2.66", 161), b"x") == b""
        assert caplog.text == ""
        assert hear(engine.snmp, (), asked, b"x") == b""
        assert "no SNMP message" in caplog.text
        engine.close()

    asyncio.run(story())


def test_logins_carry_keys_and_not_phrases() -> None:
    user = login(GATE)
    assert (user.security_level, user.authentication_key, user.privacy_key) == ("authPriv", b"a" * 32, b"p" * 32)
    assert login(Community(Secret("public"))).communityName == "public"
