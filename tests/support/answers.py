"""What a test node answers, good, bad or cut off: bytes, or scripts for `nodes.RecordingNode`."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from tests.support.links import Call

CRLF = b"\r\n"

Script = Union[bytes, Callable[["Call"], bytes | None]]  # noqa: UP007 - evaluated at run time, where Call is a name only
"""The answer itself, or a function that returns it, or sends it and returns None."""


def head(status: int = 200, *lines: bytes, reason: bytes = b"X") -> bytes:
    """A response head of exactly these field lines."""
    return b"HTTP/1.1 %d %s\r\n" % (status, reason) + b"".join(line + CRLF for line in lines) + CRLF


def ok(body: bytes = b"ok", *lines: bytes, status: int = 200) -> bytes:
    return head(status, b"Content-Length: %d" % len(body), *lines) + body


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n" % len(piece) + piece + CRLF


def chunked(*pieces: bytes, trailers: bytes = b"", lines: Sequence[bytes] = ()) -> bytes:
    """`trailers`: field lines, each with its CRLF."""
    last = b"0\r\n" + trailers + CRLF
    return head(200, b"Transfer-Encoding: chunked", *lines) + b"".join(map(chunk, pieces)) + last


def until_close(body: bytes, *lines: bytes) -> Script:
    def answer(call: Call) -> bytes:
        call.close()
        return head(200, *lines) + body

    return answer


def interim(*statuses: int, final: bytes) -> bytes:
    """1xx answers before the final one."""
    return b"".join(head(status) for status in statuses) + final


def closes_mid_response(sent: bytes = b"half", promised: int = 1000, *, reset: bool = False) -> Script:
    """Announces `promised` octets, sends `sent`, then closes or resets."""

    def answer(call: Call) -> None:
        call.send(head(200, b"Content-Length: %d" % promised) + sent)
        call.abort() if reset else call.close()

    return answer


def closes_without_answer(call: Call) -> None:
    call.close()


def garbage(data: bytes = b"\x16\x03\x01 this is not HTTP\r\n\r\n") -> Script:
    def answer(call: Call) -> bytes:
        call.close()
        return data

    return answer


def hangs(call: Call) -> None:
    call.hang()


def slowly(pieces: Iterable[bytes], delay: float) -> Script:
    """Each piece in its own segment, `delay` seconds apart."""
    kept = tuple(pieces)

    def answer(call: Call) -> None:
        for piece in kept:
            call.send(piece)
            call.pause(delay)

    return answer


def after(delay: float, then: bytes) -> Script:
    def answer(call: Call) -> bytes:
        call.pause(delay)
        return then

    return answer


def big(size: int, *, with_chunks: bool = False) -> Script:
    """`size` octets of a known pattern; nothing is stored. See `pattern_sha256`."""

    def answer(call: Call) -> None:
        framing = b"Transfer-Encoding: chunked" if with_chunks else b"Content-Length: %d" % size
        call.send(head(200, framing))
        for piece in pattern(size):
            call.send(chunk(bytes(piece)) if with_chunks else piece)
        if with_chunks:
            call.send(b"0\r\n\r\n")

    return answer


def in_turn(*scripts: Script) -> Script:
    """The n-th request gets the n-th script; the last one repeats."""
    left = list(scripts)
    lock = threading.Lock()

    def answer(call: Call) -> bytes | None:
        with lock:
            script = left.pop(0) if len(left) > 1 else left[0]
        return script if isinstance(script, bytes) else script(call)

    return answer


_BLOCK = bytes(range(251)) * 1045  # 251 is prime: a shifted or doubled piece shows in the digest


def pattern(size: int) -> Iterable[memoryview]:
    """`size` octets in pieces of about 256 KiB."""
    view = memoryview(_BLOCK)
    while size > 0:
        yield view[: min(size, len(view))]
        size -= len(view)


def pattern_sha256(size: int) -> str:
    digest = hashlib.sha256()
    for piece in pattern(size):
        digest.update(piece)
    return digest.hexdigest()
