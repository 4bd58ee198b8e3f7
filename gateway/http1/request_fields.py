"""What becomes of each field of a request, told by its name and value alone."""

from __future__ import annotations

from typing import Final

from gateway.errors import BadRequest, NotImplementedCoding
from gateway.http1 import fields as f
from gateway.http1.framing import CHUNKED, body_length, transfer_coding
from gateway.http1.lookalikes import FRAMING, HOP_BY_HOP, claims_identity, fold, sound_request_id
from gateway.http1.target import parse_authority

_UNREMOVABLE = FRAMING | {b"expect"}
"""Connection must not name these: without them the message would mean or end something else."""


def _classify(name: bytes) -> f.Rule:
    """What becomes of a request's fields of this name."""
    folded = fold(name)
    exact = name.lower() == folded
    if folded in FRAMING and not exact:
        raise BadRequest("a framing field in a misleading spelling")
    if exact and folded in RULES:
        return RULES[folded]
    if folded in HOP_BY_HOP or folded == b"x-request-id" or claims_identity(folded):
        return f.Rule(f.drop)
    return f.Rule(f.canonical, folded not in f.NOT_REMEMBERED)


def _host(_name: bytes, value: bytes) -> f.Note:
    return f.Note(f.HOST, parse_authority(value))


def _length(_name: bytes, value: bytes) -> f.Note:
    length = body_length(value)
    if length is None:
        raise BadRequest("Content-Length is not a plain number")
    return f.Note(f.LENGTH, b"Content-Length: %d\r\n" % length, length)


def _coding(_name: bytes, value: bytes) -> f.Note:
    judged = transfer_coding(value)
    if judged == "faulty":
        raise BadRequest("Transfer-Encoding does not end in one chunked")
    if judged == "unknown":
        raise NotImplementedCoding("a transfer coding other than chunked")
    return f.Note(f.CODING, b"Transfer-Encoding: chunked\r\n", CHUNKED)


def _connection(_name: bytes, value: bytes) -> f.Note:
    return f.connection_note(value, _UNREMOVABLE, BadRequest)


def _upgrade(_name: bytes, value: bytes) -> f.Note:
    protocols = [protocol.strip(b" \t") for protocol in value.lower().split(b",")]
    return f.Note(f.UPGRADE, b"", int(b"websocket" in protocols))


def _expect(_name: bytes, value: bytes) -> f.Note:
    if value.lower() != b"100-continue":
        raise BadRequest("an expectation other than 100-continue")
    return f.Note(f.EXPECT)


def _request_id(_name: bytes, value: bytes) -> f.Note:
    return f.Note(f.REQUEST_ID, value if sound_request_id(value) else b"")


def _max_forwards(name: bytes, value: bytes) -> f.Note:
    return f.Note(f.MAX_FORWARDS, f.canonical(name, value))


RULES: Final = {
    b"connection": f.Rule(_connection),
    b"content-length": f.Rule(_length),
    b"expect": f.Rule(_expect),
    b"host": f.Rule(_host),
    b"max-forwards": f.Rule(_max_forwards),
    b"transfer-encoding": f.Rule(_coding),
    b"upgrade": f.Rule(_upgrade),
    b"x-request-id": f.Rule(_request_id, remember=False),
}

memo = f.FieldMemo(_classify, BadRequest)
