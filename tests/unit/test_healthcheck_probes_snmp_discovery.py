from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder  # type: ignore[import-untyped]
from pysnmp.proto.mpmod.rfc3412 import SNMPv3Message  # type: ignore[import-untyped]
from pysnmp.proto.secmod.rfc3414.service import UsmSecurityParameters  # type: ignore[import-untyped]

from healthcheck.probes.snmp_discovery import discover, engine_id, request

ENGINE = bytes.fromhex("80001f8803aabbccddeeff")


def report(message_id: int, engine: bytes = ENGINE) -> bytes:
    """Our own request with an engine ID put in: the fields of a report that matter here are the same."""
    plain = request(message_id)
    nobody = bytes.fromhex("0410300e0400020100020100040004000400")
    assert nobody in plain
    named = bytes((4, 16 + len(engine), 0x30, 14 + len(engine), 4, len(engine))) + engine + nobody[6:]
    whole = plain.replace(nobody, named)
    return bytes((0x30, len(whole) - 2)) + whole[2:]


@given(st.integers(0, 2**31 - 1))
def test_the_request_is_what_rfc_3414_wants(message_id: int) -> None:
    message, rest = decoder.decode(request(message_id), asn1Spec=SNMPv3Message())
    assert rest == b""
    assert [int(message[0]), int(message[1][0]), bytes(message[1][2]), int(message[1][3])] == [
        3,
        message_id,
        b"\x04",
        3,
    ]
    parameters, _ = decoder.decode(bytes(message[2]), asn1Spec=UsmSecurityParameters())
    assert bytes(parameters[0]) == b"", "no engine is named"
    assert bytes(parameters[3]) == b"", "and no user"


def test_the_engine_of_an_answer_to_our_question() -> None:
    assert engine_id(report(77), 77) == ENGINE
    assert engine_id(report(77), 78) is None, "an answer to somebody else"
    assert engine_id(report(77, b"1234"), 77) is None, "too short for an engine ID"
    assert engine_id(report(77, b"x" * 33), 77) is None


@given(st.binary(max_size=100))
def test_nonsense_is_no_answer(data: bytes) -> None:
    assert engine_id(data, 77) is None


@given(st.integers(0, 80), st.integers(0, 255))
def test_a_damaged_answer_is_no_crash(at: int, octet: int) -> None:
    data = bytearray(report(77))
    data[at % len(data)] = octet
    found = engine_id(bytes(data), 77)
    assert found is None or 5 <= len(found) <= 32


@pytest.mark.parametrize("answers", [[], [b"nonsense"]])
def test_waits_for_a_real_answer(answers: list[bytes]) -> None:
    class Agent(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            message, _ = decoder.decode(data, asn1Spec=SNMPv3Message())
            number = int(message[1][0])
            for answer in [*answers, report(number + 1), report(number), report(number)]:
                self.transport.sendto(answer, addr)  # type: ignore[attr-defined]

    async def story() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Agent, local_addr=("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        assert await asyncio.wait_for(discover("127.0.0.1", port), 5) == ENGINE
        transport.close()
        await asyncio.sleep(0)
        assert await asyncio.wait_for(discover("127.0.0.1", port), 5) is None, "nobody listens any more"

    asyncio.run(story())
