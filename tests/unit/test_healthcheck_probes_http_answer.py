from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcheck.config import HttpCheck
from healthcheck.probes.http_answer import BODY_LIMIT, HEAD_LIMIT, HttpAnswer
from healthcheck.target import Verdict

PLAIN = HttpCheck()
WANTS = HttpCheck(body_contains="好 fine")
FINE = "it is 好 fine today".encode()


def fed(check: HttpCheck, *pieces: bytes, end: bool = True) -> Verdict | None:
    answer = HttpAnswer(check)
    for piece in pieces:
        if (verdict := answer.feed(piece)) is not None:
            return verdict
    return answer.end() if end else None


def said(check: HttpCheck, *pieces: bytes) -> str | None:
    verdict = fed(check, *pieces)
    assert verdict is not None
    return verdict.label


def response(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def chunks(*pieces: bytes) -> bytes:
    framed = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return response(framed + b"0\r\n\r\n", b"Transfer-Encoding: chunked")


def test_a_head_is_enough_where_no_body_is_wanted() -> None:
    verdict = fed(PLAIN, response(b"", b"Content-Length: 999999"), end=False)
    assert verdict is not None
    assert (verdict.passed, verdict.words.code) == (True, "http_passes")


@pytest.mark.parametrize("status", [b"404 Not Found", b"500 X", b"301 Moved", b"204 ", b"101 Switching Protocols"])
def test_other_statuses_fail(status: bytes) -> None:
    assert said(PLAIN, response(b"", status=status)) == "status"


def test_the_wanted_status_may_be_any() -> None:
    assert said(HttpCheck(status=(401, 403)), response(b"", status=b"403 No")) is None
    assert said(HttpCheck(status=(100,)), response(b"", status=b"100 Continue")) is None


def test_interim_answers_are_passed_over() -> None:
    early = response(b"", status=b"100 Continue") + response(b"", b"Link: </x>", status=b"103 Early Hints")
    assert said(PLAIN, early + response(b"")) is None
    assert said(PLAIN, early + response(b"", status=b"503 X")) == "status"
    assert said(PLAIN, early) == "protocol"


@pytest.mark.parametrize(
    "data",
    [
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\n\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_LIMIT,
        b"",
        b"HTTP/1.1 200 OK\r\nServer: x\r\n",
    ],
)
def test_what_is_not_an_answer(data: bytes) -> None:
    assert said(PLAIN, data) == "protocol"


def test_garbage_is_refused_before_the_end_of_the_connection() -> None:
    assert fed(PLAIN, b"HTTQ", end=False) is not None
    assert fed(PLAIN, b"HTTP", end=False) is None
    assert fed(PLAIN, b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_LIMIT, end=False) is not None


@pytest.mark.parametrize(
    "whole",
    [
        response(FINE),
        response(FINE, b"Content-Length: %d" % len(FINE)),
        response(FINE + b"more", b"content-LENGTH:%d " % len(FINE)),
        chunks(FINE),
        chunks(FINE[:7], FINE[7:9], FINE[9:]),
    ],
    ids=["to the end", "length", "more than announced", "a chunk", "chunks"],
)
@given(data=st.data())
def test_a_text_is_found_in_any_framing_and_any_split(whole: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert said(WANTS, *pieces) is None
    assert said(WANTS, *(bytes((octet,)) for octet in whole)) is None


@pytest.mark.parametrize(
    ("whole", "label"),
    [
        (response(b"nothing", b"Content-Length: 7"), "body"),
        (response(b"", b"Content-Length: 0"), "body"),
        (response(b"nothing"), "body"),
        (response(FINE, b"Content-Length: 5"), "body"),
        (chunks(b"nothing", b"at all"), "body"),
        (response(FINE[:5], b"Content-Length: 50"), "protocol"),
        (chunks(b"nothing")[:-5], "protocol"),
        (response(b"zz\r\n" + FINE, b"Transfer-Encoding: chunked"), "protocol"),
        (response(b"1" * 2000, b"Transfer-Encoding: chunked"), "protocol"),
        (response(b"x" * (BODY_LIMIT + 9) + FINE), "body"),
        (response(b"x" * (BODY_LIMIT - 4) + FINE, b"Content-Length: %d" % (BODY_LIMIT + 100)), "body"),
    ],
)
def test_a_body_without_the_text_or_cut_short(whole: bytes, label: str) -> None:
    assert said(WANTS, whole) == label


@given(st.lists(st.binary(max_size=200), max_size=10), st.booleans())
def test_anything_ends_in_a_verdict(pieces: list[bytes], head: bool) -> None:
    start = [response(b"", b"Transfer-Encoding: chunked")] if head else []
    verdict = fed(WANTS, *start, *pieces)
    assert verdict is not None
    assert verdict.passed is (verdict.label is None)
