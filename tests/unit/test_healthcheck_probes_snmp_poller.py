"""What needs no agent; with a real one: tests/integration/test_snmp_checks.py."""

from __future__ import annotations

import asyncio

import pytest
from pysnmp.proto import errind  # type: ignore[import-untyped]

from healthcheck.probes.snmp_agent import Agent, Community, User
from healthcheck.probes.snmp_poller import SnmpFailedError, SnmpPoller, SnmpRefusedError, _raise_for
from settings.types import Secret

PUBLIC = Agent("192.0.2.1", 161, Community(Secret("public")))


def user(key: bytes, name: str = "gate") -> Agent:
    return Agent("192.0.2.1", 161, User(name, "sha256", key, "aes128", key))


@pytest.mark.parametrize(
    ("indication", "code"),
    [
        (errind.unknownUserName, "user"),
        (errind.wrongDigest, "digest"),
        (errind.decryptionError, "decryption"),
        (errind.unsupportedSecurityLevel, "level"),
        (errind.notInTimeWindow, "window"),
    ],
)
def test_refusals_have_codes(indication: object, code: str) -> None:
    with pytest.raises(SnmpRefusedError) as raised:
        _raise_for(indication, 0)
    assert raised.value.code == code


def test_other_errors_are_failures_and_none_is_none() -> None:
    _raise_for(None, 0)
    for indication, status in ((None, 5), ("badResponse", 0), (errind.unknownEngineID, 0)):
        with pytest.raises(SnmpFailedError):
            _raise_for(indication, status)


def test_one_engine_serves_all_but_a_second_user_of_the_same_name() -> None:
    async def story() -> None:
        poller = SnmpPoller()
        await asyncio.gather(poller.open(), poller.open())
        assert repr(poller) == "SnmpPoller(1 engines, 0 agents)"
        first = await poller._engine_for(PUBLIC.credential)
        assert await poller._engine_for(user(b"1").credential) is first
        assert await poller._engine_for(user(b"1").credential) is first
        assert await poller._engine_for(user(b"2", "other").credential) is first
        second = await poller._engine_for(user(b"2").credential)
        assert second is not first
        assert await poller._engine_for(PUBLIC.credential) is first

        poller.retain([PUBLIC, user(b"2")])
        assert poller._engines == [first, second]
        assert first.users == {}
        poller.retain([PUBLIC])
        assert poller._engines == [first]
        assert second.retired
        assert await poller._engine_for(user(b"3").credential) is first, "the name is free again"
        await poller.close()
        assert poller._engines == []

    asyncio.run(story())


def test_a_deadline_does_not_stop_the_building_of_an_engine() -> None:
    async def story() -> None:
        poller = SnmpPoller()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await poller.open()
        await poller.open()
        assert len(poller._engines) == 1
        await poller.close()

    asyncio.run(story())


def test_closing_while_an_engine_is_built_leaves_none() -> None:
    async def story() -> None:
        poller = SnmpPoller()
        opening = asyncio.create_task(poller.open())
        await asyncio.sleep(0.001)
        await poller.close()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert poller._engines == []

    asyncio.run(story())


def test_an_engine_in_use_closes_after_its_last_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        poller = SnmpPoller()
        await poller.open()
        engine = await poller._engine_for(PUBLIC.credential)
        closed = []
        engine.snmp.transport_dispatcher = None
        monkeypatch.setattr(type(engine), "close", lambda _engine: closed.append(True))
        engine.busy = 1
        poller._replace([])
        assert closed == []
        engine.busy = 0
        engine.close_if_done()
        assert closed == [True]

    asyncio.run(story())


def test_engines_are_not_renewed_in_a_burst() -> None:
    async def story() -> None:
        poller = SnmpPoller()
        await poller.open()
        before = poller._engines[0]
        poller._renew()
        assert poller._building is not None
        await poller._building
        after = poller._engines[0]
        assert after is not before
        poller._renew()
        assert poller._building is None
        assert poller._engines == [after]
        await poller.close()

    asyncio.run(story())
