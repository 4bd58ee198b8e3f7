"""A small SNMP v2c agent for machines without snmpd: `python -m gateway.demo.responder --port N --state FILE`.

Answers GET, GETNEXT, GETBULK and SET over the rows of `mib`. Everything else, other versions, other
communities and whatever does not decode is dropped without a word, as agents do. For loopback only.
"""

from __future__ import annotations

import argparse
import socket
import time
from typing import Any

from pyasn1.codec.ber import decoder, encoder  # type: ignore[import-untyped]
from pyasn1.error import PyAsn1Error  # type: ignore[import-untyped]
from pysnmp.proto.api import v2c  # type: ignore[import-untyped]

from gateway.demo import mib

MOST_ROWS = 50
"""In one answer, so that it stays within a datagram."""
NO_SUCH_NAME, NOT_WRITABLE = 2, 17
_KINDS = {"integer": v2c.Integer32, "counter": v2c.Counter32, "counter64": v2c.Counter64}


def respond(datagram: bytes, *, community: str, path: str, now: float) -> bytes | None:
    """The answer to one datagram; None if it deserves none."""
    try:
        message, _ = decoder.decode(datagram, asn1Spec=v2c.Message())
        if int(message["version"]) != 1 or bytes(message["community"]) != community.encode():
            return None
        request = v2c.apiMessage.get_pdu(message)
    except (PyAsn1Error, IndexError, ValueError):
        return None
    table = mib.rows(mib.read(path), now)
    asked = [(tuple(oid), value) for oid, value in v2c.apiPDU.get_varbinds(request)] if _is_known(request) else None
    if asked is None:
        return None
    answer = v2c.apiMessage.get_response(message)
    response = v2c.apiMessage.get_pdu(answer)
    if request.isSameTypeWith(v2c.SetRequestPDU()):
        for at, (oid, value) in enumerate(asked, 1):
            if not (isinstance(value, v2c.Integer32) and mib.assign(path, oid, int(value), now)):
                v2c.apiPDU.set_error_status(response, NOT_WRITABLE)
                v2c.apiPDU.set_error_index(response, at)
                break
        v2c.apiPDU.set_varbinds(response, asked)
    elif request.isSameTypeWith(v2c.GetBulkRequestPDU()):
        once = int(v2c.apiBulkPDU.get_non_repeaters(request))
        times = int(v2c.apiBulkPDU.get_max_repetitions(request))
        v2c.apiPDU.set_varbinds(response, _bulk(table, [oid for oid, _ in asked], once, times))
    elif request.isSameTypeWith(v2c.GetNextRequestPDU()):
        v2c.apiPDU.set_varbinds(response, [_next(table, oid) for oid, _ in asked])
    else:
        v2c.apiPDU.set_varbinds(response, [_get(table, oid) for oid, _ in asked])
    return bytes(encoder.encode(answer))


def _is_known(request: Any) -> bool:
    kinds = (v2c.GetRequestPDU, v2c.GetNextRequestPDU, v2c.GetBulkRequestPDU, v2c.SetRequestPDU)
    return any(request.isSameTypeWith(kind()) for kind in kinds)


def _get(table: dict[mib.Oid, tuple[str, int]], oid: mib.Oid) -> tuple[mib.Oid, Any]:
    return (oid, _value(table[oid])) if oid in table else (oid, v2c.NoSuchInstance(""))


def _next(table: dict[mib.Oid, tuple[str, int]], oid: mib.Oid) -> tuple[mib.Oid, Any]:
    found = next((each for each in table if each > oid), None)
    return (oid, v2c.EndOfMibView("")) if found is None else (found, _value(table[found]))


def _bulk(table: dict[mib.Oid, tuple[str, int]], oids: list[mib.Oid], once: int, times: int) -> list[Any]:
    """RFC 3416, 4.2.3: the first `once` names one step, the others `times` steps, row by row."""
    answers = [_next(table, oid) for oid in oids[:once]]
    walking = oids[once:]
    for _ in range(times):
        if not walking or len(answers) + len(walking) > MOST_ROWS:
            break
        step = [_next(table, oid) for oid in walking]
        answers += step
        walking = [oid for oid, _ in step]
    return answers


def _value(row: tuple[str, int]) -> Any:
    return _KINDS[row[0]](row[1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m gateway.demo.responder")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", required=True, help="file shared with whoever sets the load")
    parser.add_argument("--community", default="public")
    options = parser.parse_args()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", options.port))
        while True:
            datagram, peer = sock.recvfrom(65535)
            now = time.monotonic()
            answer = respond(datagram, community=options.community, path=options.state, now=now)
            if answer is not None:
                sock.sendto(answer, peer)


if __name__ == "__main__":
    main()
