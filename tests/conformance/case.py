"""What a case is, and the few words in which tables of cases are written.

A table has a reason why the gateway does what its cases say; a case has a name, a section of an RFC, octets, and what
must come of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tests.support.http1_strict import requests

CRLF: Final = b"\r\n"
HOST: Final = b"Host: h.example"
SMUGGLED: Final = b"GET /smuggled HTTP/1.1\r\nHost: h.example\r\n\r\n"
"""What an attacker hides: it must never reach a node as a request of its own unless it is one."""


@dataclass(frozen=True)
class Case:
    """Common to both directions."""

    table: str
    name: str
    rfc: str
    fault: str = field(default="", kw_only=True)
    """Why today's gateway does not do what the case says; empty if it does."""

    @property
    def id(self) -> str:
        return f"{self.table}: {self.name}"


@dataclass(frozen=True)
class RequestCase(Case):
    """Octets of a client."""

    sent: bytes
    told: tuple[int, ...]
    """The statuses that the client is told, interim ones included."""
    reached: tuple[bytes, ...]
    """The messages that reach the node, but for what the gateway adds."""
    stays: bool
    """The connection is kept: the marker behind the case is served. Else it is closed and the marker lost."""
    fin: bool = False
    """The client ends its side behind the case; there is no marker."""
    begun: bool = False
    """The node may have seen the beginning of a message that never completes."""


@dataclass(frozen=True)
class ResponseCase(Case):
    """Octets of a node, as the answer to `asked`."""

    answer: bytes
    surplus: bytes
    """What the node sends together with the last octet of its answer, though the answer is over."""
    then: str
    """What the node does when all is sent: `keep`, `close` or `reset`."""
    asked: bytes
    told: tuple[bytes, ...]
    """The responses that the client gets, but for what the gateway adds; only interim ones if `status` follows."""
    status: int
    """Of the gateway's own answer; 0 if the node's is passed on."""
    cut: bool
    """The client is given part of the answer, and then the connection is cut so that it can see it; if nothing had
    been passed on by then it is told 502 instead."""
    stays: bool
    """The client's connection is kept."""
    reused: bool
    """The connection to the node is used for the next request."""


def head(start: bytes, *lines: bytes) -> bytes:
    return CRLF.join((start, *lines, b"", b""))


def get(*lines: bytes, target: bytes = b"/case", method: bytes = b"GET") -> bytes:
    return head(b"%b %b HTTP/1.1" % (method, target), HOST, *lines)


def post(*lines: bytes, body: bytes = b"", target: bytes = b"/case") -> bytes:
    return head(b"POST %b HTTP/1.1" % target, HOST, *lines) + body


def chunked(body: bytes, *lines: bytes) -> bytes:
    """A POST whose chunked body is `body`, framing included."""
    return post(b"Transfer-Encoding: chunked", *lines, body=body)


def _all_200(octets: tuple[bytes, ...]) -> tuple[int, ...]:
    return (200,) * sum(len(requests(piece).messages) for piece in octets)


def answer(*lines: bytes, body: bytes = b"", status: bytes = b"200 OK") -> bytes:
    """A response with a Date, which the gateway would add otherwise."""
    return head(b"HTTP/1.1 " + status, b"Date: Wed, 25 Nov 2026 08:00:00 GMT", *lines) + body


class RequestTable:
    """Cases of one kind. `why`: what the gateway gains by being as strict as it is, for the document."""

    def __init__(self, name: str, rfc: str, why: str) -> None:
        self.name, self.rfc, self.why = name, rfc, why
        self.cases: list[RequestCase] = []

    def refused(
        self,
        name: str,
        sent: bytes,
        status: int = 400,
        *before: bytes,
        rfc: str = "",
        begun: bool = False,
        fin: bool = False,
        fault: str = "",
    ) -> None:
        """The client is told `status` and the connection closed; of this nothing reaches the node but `before`."""
        told = (*_all_200(before), status)
        self._add(name, sent, told, before, stays=False, rfc=rfc, begun=begun, fin=fin, fault=fault)

    def passed(
        self,
        name: str,
        sent: bytes,
        *reached: bytes,
        told: tuple[int, ...] = (),
        stays: bool = True,
        rfc: str = "",
        fin: bool = False,
        fault: str = "",
    ) -> None:
        """`reached`, by default just what was sent, reaches the node."""
        reached = reached or (sent,)
        self._add(
            name, sent, told or _all_200(reached), reached, stays=stays, rfc=rfc, begun=False, fin=fin, fault=fault
        )

    def answered(self, name: str, sent: bytes, status: int, *, rfc: str = "", fault: str = "") -> None:
        """The gateway answers by itself, and the connection goes on."""
        self._add(name, sent, (status,), (), stays=True, rfc=rfc, begun=False, fin=False, fault=fault)

    def _add(
        self,
        name: str,
        sent: bytes,
        told: tuple[int, ...],
        reached: tuple[bytes, ...],
        *,
        stays: bool,
        rfc: str,
        begun: bool,
        fin: bool,
        fault: str,
    ) -> None:
        where = rfc or self.rfc
        self.cases.append(RequestCase(self.name, name, where, sent, told, reached, stays, fin, begun, fault=fault))


class ResponseTable:
    """The same for what nodes answer."""

    def __init__(self, name: str, rfc: str, why: str) -> None:
        self.name, self.rfc, self.why = name, rfc, why
        self.cases: list[ResponseCase] = []

    def refused(
        self,
        name: str,
        octets: bytes,
        *interim: bytes,
        then: str = "keep",
        asked: bytes = b"",
        status: int = 502,
        rfc: str = "",
        fault: str = "",
    ) -> None:
        """The client is told 502, behind `interim` answers, and may go on; the connection to the node ends."""
        where = rfc or self.rfc
        self.cases.append(
            ResponseCase(
                self.name, name, where, octets, b"", then, asked or get(), interim, status,
                cut=False, stays=True, reused=False, fault=fault,
            )
        )  # fmt: skip

    def cut(self, name: str, octets: bytes, *, then: str = "keep", asked: bytes = b"", rfc: str = "") -> None:
        """An answer that has begun and cannot be finished."""
        where = rfc or self.rfc
        self.cases.append(
            ResponseCase(
                self.name, name, where, octets, b"", then, asked or get(), (), 0, cut=True, stays=False, reused=False
            )
        )

    def passed(
        self,
        name: str,
        octets: bytes,
        *told: bytes,
        surplus: bytes = b"",
        then: str = "keep",
        asked: bytes = b"",
        stays: bool = True,
        reused: bool = True,
        rfc: str = "",
        fault: str = "",
    ) -> None:
        """`told`, by default just what was answered, comes to the client."""
        where = rfc or self.rfc
        self.cases.append(
            ResponseCase(
                self.name, name, where, octets, surplus, then, asked or get(), told or (octets,), 0,
                cut=False, stays=stays, reused=reused and then == "keep" and not surplus, fault=fault,
            )
        )  # fmt: skip
