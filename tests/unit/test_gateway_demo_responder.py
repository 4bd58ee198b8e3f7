"""The small SNMP agent: every kind of request, and silence for whatever is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyasn1.codec.ber import decoder, encoder  # type: ignore[import-untyped]
from pysnmp.proto.api import v2c  # type: ignore[import-untyped]

from gateway.demo import mib
from gateway.demo.responder import MOST_ROWS, respond

NOW = 100.0


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "load.json"
    mib.write(str(file), mib.initial(NOW))
    return str(file)


def message(pdu: Any, rows: list[tuple[mib.Oid, Any]], community: str = "public") -> bytes:
    api = v2c.apiBulkPDU if isinstance(pdu, v2c.GetBulkRequestPDU) else v2c.apiPDU
    api.set_defaults(pdu)
    api.set_varbinds(pdu, rows)
    whole = v2c.Message()
    v2c.apiMessage.set_defaults(whole)
    v2c.apiMessage.set_community(whole, community)
    v2c.apiMessage.set_pdu(whole, pdu)
    return bytes(encoder.encode(whole))


def ask(path: str, datagram: bytes) -> tuple[int, list[tuple[mib.Oid, Any]]]:
    answer = respond(datagram, community="public", path=path, now=NOW)
    assert answer is not None
    whole, rest = decoder.decode(answer, asn1Spec=v2c.Message())
    assert rest == b""
    pdu = v2c.apiMessage.get_pdu(whole)
    assert pdu.isSameTypeWith(v2c.ResponsePDU())
    return int(v2c.apiPDU.get_error_status(pdu)), [(tuple(oid), value) for oid, value in v2c.apiPDU.get_varbinds(pdu)]


def null(*oids: mib.Oid) -> list[tuple[mib.Oid, Any]]:
    return [(oid, v2c.null) for oid in oids]


def test_get(path: str) -> None:
    status, rows = ask(path, message(v2c.GetRequestPDU(), null(mib.MEM_SYS_AVAIL, (1, 2, 3))))
    assert status == 0
    assert rows[0] == (mib.MEM_SYS_AVAIL, 5_600_000)
    assert isinstance(rows[0][1], v2c.Counter64)
    assert isinstance(rows[1][1], v2c.NoSuchInstance)


def test_getnext_walks_to_the_end(path: str) -> None:
    oid: mib.Oid = (1, 3)
    seen = []
    while True:
        _, [(oid, value)] = ask(path, message(v2c.GetNextRequestPDU(), null(oid)))
        if isinstance(value, v2c.EndOfMibView):
            break
        seen.append(oid)
    assert seen == list(mib.rows(mib.read(path), NOW))


def test_getbulk(path: str) -> None:
    pdu = v2c.GetBulkRequestPDU()
    v2c.apiBulkPDU.set_defaults(pdu)
    datagram = message(pdu, null(mib.MEM_TOTAL_REAL[:-1], mib.PROCESSOR_LOAD))
    whole, _ = decoder.decode(datagram, asn1Spec=v2c.Message())
    bulk = v2c.apiMessage.get_pdu(whole)
    v2c.apiBulkPDU.set_non_repeaters(bulk, 1)
    v2c.apiBulkPDU.set_max_repetitions(bulk, 2)
    _, rows = ask(path, bytes(encoder.encode(whole)))
    assert [oid for oid, _ in rows] == [
        mib.MEM_TOTAL_REAL,
        (*mib.PROCESSOR_LOAD, 196608),
        (*mib.PROCESSOR_LOAD, 196609),
    ]
    v2c.apiBulkPDU.set_max_repetitions(bulk, 10_000)
    _, rows = ask(path, bytes(encoder.encode(whole)))
    assert len(rows) <= MOST_ROWS


def test_set(path: str) -> None:
    assert ask(path, message(v2c.SetRequestPDU(), [(mib.SET_MEMORY, v2c.Integer32(99))]))[0] == 0
    assert mib.read(path)["memory"] == 99
    status, _ = ask(path, message(v2c.SetRequestPDU(), [(mib.MEM_TOTAL_REAL, v2c.Integer32(1))]))
    assert status == 17
    assert ask(path, message(v2c.SetRequestPDU(), [(mib.SET_MEMORY, v2c.OctetString("5"))]))[0] == 17
    assert mib.read(path)["memory"] == 99


def test_everything_else_is_dropped(path: str) -> None:
    good = message(v2c.GetRequestPDU(), null(mib.SET_CPU))
    foreign = message(v2c.GetRequestPDU(), null(mib.SET_CPU), community="private")
    trap = message(v2c.SNMPv2TrapPDU(), null(mib.SET_CPU))
    version_one = good.replace(b"\x02\x01\x01", b"\x02\x01\x00", 1)
    for datagram in (b"", b"\x30", b"GET / HTTP/1.1\r\n\r\n", good[:-3], foreign, trap, version_one):
        assert respond(datagram, community="public", path=path, now=NOW) is None
    assert respond(good, community="public", path=path, now=NOW) is not None
