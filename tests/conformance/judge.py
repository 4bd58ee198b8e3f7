"""Whether the gateway did what a case says. Every complaint is a sentence; none means that all is well."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.conformance.case import RequestCase, ResponseCase
from tests.conformance.observe import Seen
from tests.conformance.proxies import without_own
from tests.support import http1_h11
from tests.support.http1_strict import Malformed, Message, requests, take_response

_DATE = re.compile(rb"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")
Plain = tuple[tuple[bytes, bytes], dict[bytes, list[bytes]], bytes, dict[bytes, list[bytes]], bytes]


def plain(message: Message) -> Plain:
    """For comparison: the order of fields matters among those of one name only."""
    fields: dict[bytes, list[bytes]] = {}
    trailers: dict[bytes, list[bytes]] = {}
    for found, into in ((message.fields, fields), (message.trailers, trailers)):
        for name, value in found:
            into.setdefault(name, []).append(value)
    return message.line, fields, message.body, trailers, message.version


def intended(case: RequestCase) -> list[Message]:
    """The messages that shall reach the node."""
    messages: list[Message] = []
    for octets in case.reached:
        read = requests(octets)
        assert not read.rest, case.id
        messages += read.messages
    return messages


def judge_request(case: RequestCase, seen: Seen) -> list[str]:
    complaints = list(seen.ambiguous)
    told = (*case.told, 200) if case.stays and not case.fin else case.told
    if seen.told != told:
        complaints.append(f"the client is told {seen.told}, not {told}")
    complaints += _end(seen, stays=case.stays and not case.fin)
    if seen.caught.ended and not seen.caught.clean:
        complaints.append("the connection ends without close_notify, as if it had been cut")
    complaints += _answers(seen, _methods(case.sent))
    reached = []
    for message in seen.reached:
        bare, wrong = without_own(message)
        complaints += wrong
        reached.append(plain(bare))
    expected = [plain(message) for message in intended(case)]
    complaints += _compare("the node", reached, expected)
    if seen.cut and not case.begun:
        complaints.append(f"the node saw the beginning of a message: {[line.octets for line in seen.lines]}")
    if seen.open_cut:
        complaints.append("a message was begun and its connection to the node left open")
    return complaints


def judge_response(case: ResponseCase, seen: Seen) -> list[str]:
    complaints = list(seen.ambiguous)
    method = case.asked.split(b" ")[0]
    read, rest = _read_answers(seen, [method, b"GET"], complaints)
    refused = bool(case.status) or (case.cut and seen.told[:1] == (502,))
    stays = case.stays or refused
    complaints += _end(seen, stays=stays)
    if stays:
        read = read[:-1]
        if not seen.marker:
            complaints.append("the marker did not reach the node")
    if refused:
        own = read.pop() if read else None
        if own is None or own.line[0] != b"%d" % (case.status or 502):
            complaints.append(f"the client is told {seen.told}, not {case.status}")
        elif own.values(b"content-type") != [b"application/problem+json"]:
            complaints.append("the client is not told by a problem document")
    elif case.cut:
        if read or not rest:
            complaints.append(f"no answer was begun and cut: {seen.caught.octets!r}")
        if seen.caught.clean:
            complaints.append("the cut was called an orderly end")
    if not case.cut:
        if not case.status and b"\r\ndate:" not in b"".join(case.told).lower():
            read = [_undated(message, complaints) for message in read]
        expected = [plain(_without_trace(taken(octets, method))) for octets in case.told]
        complaints += _compare("the client", [plain(_without_trace(message)) for message in read], expected)
    on_one = len({line.number for line in seen.lines}) == 1
    if stays and on_one != case.reused:
        complaints.append(f"the connection to the node was {'' if on_one else 'not '}used again")
    return complaints


def taken(octets: bytes, method: bytes) -> Message:
    found = take_response(octets, 0, method=method, ended=True)
    assert found is not None, octets
    return found[0]


def _methods(sent: bytes) -> list[bytes]:
    """Of the requests as far as it matters for their answers: those to HEAD have no body."""
    return [b"HEAD" if sent.startswith(b"HEAD ") else b"GET", *([b"GET"] * 64)]


def _end(seen: Seen, *, stays: bool) -> list[str]:
    complaints = []
    if seen.caught.ended is stays:
        complaints.append("the connection is closed" if seen.caught.ended else "the connection is not closed")
    if not stays and seen.marker:
        complaints.append("what stood behind has reached the node")
    return complaints


def _answers(seen: Seen, methods: list[bytes]) -> list[str]:
    """What the client got must be unambiguous, too."""
    complaints: list[str] = []
    _, rest = _read_answers(seen, methods, complaints)
    if rest:
        complaints.append(f"octets behind the last answer: {rest!r}")
    return complaints


def _read_answers(seen: Seen, methods: list[bytes], complaints: list[str]) -> tuple[list[Message], bytes]:
    data, ended = seen.caught.octets, seen.caught.ended
    messages: list[Message] = []
    at, turn = 0, 0
    try:
        while at < len(data):
            found = take_response(data, at, method=methods[turn], ended=ended)
            if found is None:
                break
            message, at = found
            messages.append(message)
            turn += not message.line[0].startswith(b"1")
    except (Malformed, IndexError) as error:
        complaints.append(f"an answer that is none: {error} in {data!r}")
        return messages, data[at:]
    try:
        lenient = http1_h11.responses(data, methods[: max(turn, 1)], ended=ended)
    except Malformed as error:
        if at == len(data):
            complaints.append(f"h11 on the answers: {error}")
    else:
        if [plain(message) for message in lenient.messages] != [plain(message) for message in messages]:
            complaints.append(f"two readers of the answers: {lenient.messages} and {messages}")
    return messages, data[at:]


def _without_trace(message: Message) -> Message:
    """Without the fields that say something about this hop or this moment alone."""
    return message._replace(fields=tuple((k, v) for k, v in message.fields if k not in (b"connection",)))


def _undated(message: Message, complaints: list[str]) -> Message:
    """A proxy adds the Date that a final answer lacks (RFC 9110 section 6.6.1)."""
    dates = message.values(b"date")
    if len(dates) != (not message.line[0].startswith(b"1")) or not all(map(_DATE.fullmatch, dates)):
        complaints.append(f"dated {dates}")
    return message._replace(fields=tuple((name, value) for name, value in message.fields if name != b"date"))


def _compare(who: str, got: Iterable[Plain], wanted: Iterable[Plain]) -> list[str]:
    got, wanted = list(got), list(wanted)
    return [] if got == wanted else [f"{who} got {got}, not {wanted}"]
