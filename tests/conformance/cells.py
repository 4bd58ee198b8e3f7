"""What came of a case, in a word or two: the cells of the document."""

from __future__ import annotations

from collections.abc import Set

from tests.conformance.case import RequestCase, ResponseCase
from tests.conformance.judge import Plain, intended, plain, taken
from tests.conformance.observe import Seen
from tests.conformance.proxies import without_own
from tests.support.http1_strict import Malformed, Message, take_response

_FRAMING = {b"content-length", b"transfer-encoding"}
"""A proxy that gathers chunks into a length changes nothing that matters here: the bodies are compared."""
_HOP = {b"connection", b"keep-alive", b"date", b"server", b"via"}
"""Fields by which answers of three proxies differ though they say the same."""


def request_cell(case: RequestCase, seen: Seen) -> str:
    """`passed`: just what shall reach the node has reached it. A status: that is what the client was told instead."""
    told = seen.told[:-1] if seen.marker else seen.told
    said = " ".join(map(str, told)) or "closed"
    hidden = [message for message in seen.reached if message.line[1] == b"/smuggled"]
    wanted = [_bare(message) for message in intended(case)]
    reached = [_bare(without_own(message)[0]) for message in seen.reached]
    smuggled = len(hidden) > sum(line[1] == b"/smuggled" for line, *_ in wanted)
    if seen.ambiguous:
        return "passed, **ambiguous**"
    if smuggled:
        return "passed, **and what it hides**"
    if not reached or reached == wanted:
        refused = next((str(status) for status in told if status >= 300), "")
        if case.reached and reached == wanted and not refused:
            return "passed"
        return refused or said
    return "passed" if not case.reached else _differences(reached, wanted)


def _differences(reached: list[Plain], wanted: list[Plain]) -> str:
    if len(reached) != len(wanted):
        return f"passed, {len(reached)} of {len(wanted)}"
    words: list[str] = []
    for (line, fields, body, trailers, version), (line2, fields2, body2, trailers2, version2) in zip(
        reached, wanted, strict=True
    ):
        if version != version2:
            words.append("other version")
        if line != line2:
            words.append("other target" if line[0] == line2[0] else "other method")
        if body != body2:
            words.append("other body")
        for got, expected in ((fields, fields2), (trailers, trailers2)):
            words += [f"with {name.decode()}" for name in got if name not in expected]
            words += [f"without {name.decode()}" for name in expected if name not in got]
            words += [f"other {name.decode()}" for name in got if name in expected and got[name] != expected[name]]
    return f"passed, {', '.join(dict.fromkeys(words))}"


def response_cell(case: ResponseCase, seen: Seen) -> str:
    """The same for what the client got of a node's answer."""
    if b"evil" in seen.caught.octets:
        return "passed, **and what it hides**"
    final = [status for status in seen.told if status >= 200 or status == 101]
    if final[:1] == [502]:
        return "502"
    method = case.asked.split(b" ")[0]
    messages, rest = _messages(seen, method)
    if messages is None:
        return "passed, **ambiguous**"
    if not final:
        return "closed"
    if seen.marker and messages:
        messages = messages[:-1]
    if rest or not messages or int(messages[-1].line[0]) < 200:
        return "cut"
    if case.cut or case.status:
        return "passed"
    wanted = [_bare(taken(octets, method), _HOP) for octets in case.told]
    got = [_bare(message, _HOP) for message in messages]
    return "passed" if got == wanted else _differences(got, wanted)


def _messages(seen: Seen, method: bytes) -> tuple[list[Message] | None, bytes]:
    data, at = seen.caught.octets, 0
    messages: list[Message] = []
    try:
        while at < len(data):
            first = all(message.line[0].startswith(b"1") for message in messages)
            found = take_response(data, at, method=method if first else b"GET", ended=seen.caught.ended)
            if found is None:
                break
            message, at = found
            messages.append(message)
    except Malformed:
        return None, b""
    return messages, data[at:]


def _bare(message: Message, more: Set[bytes] = frozenset()) -> Plain:
    ignored = _FRAMING | more
    return plain(message._replace(fields=tuple((k, v) for k, v in message.fields if k not in ignored)))
