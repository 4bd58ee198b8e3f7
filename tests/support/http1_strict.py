"""The stricter of two independent readers of HTTP/1.1: what it takes is what RFC 9112's grammar generates, no more.

It shares no code with the gateway and judges what the gateway has sent. Its counterpart is `http1_h11`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
VALUE = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/(1\.[01])")
STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) ([1-5][0-9][0-9]) ([\t \x21-\x7e\x80-\xff]*)")
NUMBER = re.compile(rb"[0-9]{1,19}")
SIZE = re.compile(rb"([0-9a-fA-F]{1,15})\r\n")

Fields = tuple[tuple[bytes, bytes], ...]


class Malformed(Exception):
    """Not what the grammar generates."""


class Message(NamedTuple):
    """One request or response. Names of fields are in lower case; the body is free of its framing."""

    line: tuple[bytes, bytes]
    """Method and target, or status and reason phrase."""
    fields: Fields
    body: bytes = b""
    trailers: Fields = ()
    version: bytes = b"1.1"

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key == name]


class Read(NamedTuple):
    messages: list[Message]
    rest: bytes
    """Octets behind the last complete message: the beginning of another one, or nothing."""


def requests(data: bytes) -> Read:
    """Every request in `data`; Malformed if they are not followed by a beginning of a further one or by nothing."""
    messages: list[Message] = []
    at = 0
    while (found := take_request(data, at)) is not None:
        message, at = found
        messages.append(message)
    return Read(messages, data[at:])


def take_request(data: bytes, at: int = 0) -> tuple[Message, int] | None:
    """The request that begins at `at` and where it ends; None while it is incomplete."""
    head = _head(data, at)
    if head is None:
        return None
    first, fields, at = head
    match = REQUEST_LINE.fullmatch(first)
    if match is None:
        raise Malformed(f"request line {first!r}")
    if len(_values(fields, b"host")) > 1 or not (_values(fields, b"host") or match[3] == b"1.0"):
        raise Malformed("not one Host")
    length = _framing(fields)
    body = _body(data, at, 0 if length is None else length)
    if body is None:
        return None
    payload, trailers, at = body
    return Message((match[1], match[2]), fields, payload, trailers, match[3]), at


def take_response(data: bytes, at: int, *, method: bytes, ended: bool) -> tuple[Message, int] | None:
    """The response to a request with `method`; `ended`: nothing follows `data`, which may end a body."""
    head = _head(data, at)
    if head is None:
        return None
    first, fields, at = head
    match = STATUS_LINE.fullmatch(first)
    if match is None:
        raise Malformed(f"status line {first!r}")
    version, status, reason = match.groups()
    length = _framing(fields)
    if status[:1] == b"1" or status == b"204":
        if length is not None:
            raise Malformed(f"{status!r} with a framing field")
        length = 0
    elif method == b"HEAD" or status == b"304":
        length = 0
    if length is None:
        return (Message((status, reason), fields, data[at:], (), version), len(data)) if ended else None
    body = _body(data, at, length)
    if body is None:
        return None
    payload, trailers, at = body
    return Message((status, reason), fields, payload, trailers, version), at


def _head(data: bytes, at: int) -> tuple[bytes, Fields, int] | None:
    end = data.find(b"\r\n\r\n", at)
    if end < 0:
        if b"\n" in data[at:].replace(b"\r\n", b""):
            raise Malformed("a bare LF")
        return None
    first, *lines = data[at:end].split(b"\r\n")
    return first, tuple(map(_field, lines)), end + 4


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    value = value.strip(b" \t")
    if not colon or not TOKEN.fullmatch(name) or not VALUE.fullmatch(value):
        raise Malformed(f"field line {line!r}")
    name = name.lower()
    return name, value.lower() if name == b"transfer-encoding" else value


def _values(fields: Fields, name: bytes) -> list[bytes]:
    return [value for key, value in fields if key == name]


def _framing(fields: Fields) -> int | None:
    """The announced length, -1 for the chunked coding, None without any."""
    lengths, codings = _values(fields, b"content-length"), _values(fields, b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise Malformed("more than one field that frames")
    if codings:
        if codings[0].lower() != b"chunked":
            raise Malformed(f"coding {codings[0]!r}")
        return -1
    if not lengths:
        return None
    if not NUMBER.fullmatch(lengths[0]):
        raise Malformed(f"length {lengths[0]!r}")
    return int(lengths[0])


def _body(data: bytes, at: int, length: int) -> tuple[bytes, Fields, int] | None:
    if length >= 0:
        return (data[at : at + length], (), at + length) if len(data) >= at + length else None
    payload = b""
    while True:
        match = SIZE.match(data, at)
        if match is None:
            if b"\n" in data[at : at + 17]:
                raise Malformed(f"chunk size {data[at : at + 17]!r}")
            return None
        at, size = match.end(), int(match[1], 16)
        if not size:
            break
        if len(data) < at + size + 2:
            return None
        if data[at + size : at + size + 2] != b"\r\n":
            raise Malformed("a chunk without its line end")
        payload += data[at : at + size]
        at += size + 2
    if data.startswith(b"\r\n", at):
        return payload, (), at + 2
    end = data.find(b"\r\n\r\n", at)
    if end < 0:
        return None
    return payload, tuple(map(_field, data[at:end].split(b"\r\n"))), end + 4
