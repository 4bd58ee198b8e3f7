"""One case through one proxy: what the node saw, what the client was told. It judges nothing."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from tests.conformance.case import RequestCase, ResponseCase
from tests.conformance.proxies import Ours, Proxy, echo
from tests.conformance.wire import Caught
from tests.support import http1_h11, http1_strict
from tests.support.desk import Line, Reply
from tests.support.http1_strict import Malformed, Message, Read

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])")
_NONCES = itertools.count(1)


@dataclass(frozen=True)
class Seen:
    """What came of a case."""

    told: tuple[int, ...]
    """Statuses in order, the answer to the marker included."""
    caught: Caught
    reached: tuple[Message, ...]
    """Complete messages at the node, the marker left out."""
    marker: bool
    """The marker has reached the node as a request of its own."""
    cut: int
    """Messages at the node that began and never completed."""
    open_cut: bool
    """Such a message on a connection that is still open."""
    ambiguous: tuple[str, ...]
    """What two readers would read differently, or one of them not at all."""
    lines: tuple[Line, ...]


def marker(nonce: bytes) -> bytes:
    return b"GET /%b HTTP/1.1\r\nHost: marker.example\r\n\r\n" % nonce


def observe_request(proxy: Proxy, case: RequestCase, *, singly: bool = False) -> Seen:
    nonce = b"marker-%06d" % next(_NONCES)
    proxy.desk.fresh(echo)
    data = case.sent if case.fin else case.sent + marker(nonce)
    caught = proxy.talk(data, singly=singly, fin=case.fin, until=nonce)
    return _seen(proxy, caught, nonce)


def observe_response(proxy: Proxy, case: ResponseCase, *, singly: bool = False) -> Seen:
    nonce = b"marker-%06d" % next(_NONCES)
    last = max(len(case.answer) - 1, 0)
    then = case.then
    if then == "keep" and not isinstance(proxy, Ours):
        then = "close"  # some take what they do not understand for a body that ends with the connection
    mine = Reply(case.answer + case.surplus, then, last if singly else 0)
    proxy.desk.fresh(lambda message: mine if message.line[1] == b"/case" else echo(message))
    caught = proxy.talk(case.asked + marker(nonce), singly=False, fin=False, until=nonce)
    return _seen(proxy, caught, nonce)


def _seen(proxy: Proxy, caught: Caught, nonce: bytes) -> Seen:
    lines = proxy.desk.look()
    messages: list[Message] = []
    ambiguous: list[str] = []
    cut, open_cut = 0, False
    for line in lines:
        strict, lenient = _read(http1_strict.requests, line.octets), _read(http1_h11.requests, line.octets)
        if isinstance(strict, str) or isinstance(lenient, str):
            ambiguous += [word for word in (strict, lenient) if isinstance(word, str)]
            best = lenient if isinstance(strict, str) else strict
            messages += best.messages if isinstance(best, Read) else []
            continue
        if strict != lenient:
            ambiguous.append(f"one reads {strict}, the other {lenient}")
        messages += strict.messages
        if strict.rest:
            cut += 1
            open_cut = open_cut or not line.ended
    marked = [message for message in messages if message.line == (b"GET", b"/" + nonce)]
    reached = tuple(message for message in messages if message not in marked)
    told = tuple(int(status) for status in _STATUS.findall(caught.octets))
    return Seen(told, caught, reached, bool(marked), cut, open_cut, tuple(ambiguous), tuple(lines))


def _read(reader: object, octets: bytes) -> Read | str:
    try:
        return reader(octets)  # type: ignore[operator,no-any-return]
    except Malformed as error:
        return str(error)
