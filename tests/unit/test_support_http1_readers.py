"""The two readers that judge what the gateway forwards: each can say no, and they differ where others do."""

from __future__ import annotations

import pytest

from tests.support import http1_h11, http1_strict
from tests.support.http1_strict import Malformed, take_response

GET = b"GET /a HTTP/1.1\r\nHost: h\r\nX: 1\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"


@pytest.mark.parametrize("data", [GET, POST, CHUNKED, GET + POST + CHUNKED + GET, POST + GET[:9], b""])
def test_they_read_the_same_where_there_is_one_reading(data: bytes) -> None:
    assert http1_strict.requests(data) == http1_h11.requests(data)


def test_a_body_is_freed_of_its_framing() -> None:
    ((message,), rest) = http1_strict.requests(CHUNKED)
    assert (message.line, message.body, message.trailers, rest) == ((b"POST", b"/c"), b"hello", ((b"x-t", b"1"),), b"")


@pytest.mark.parametrize(
    "data",
    [
        b"GET /a HTTP/1.1\nHost: h\n\n",
        b"GET /a HTTP/1.1\r\nHost: h\r\nX: 1\r\n 2\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\na",
        b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n",
    ],
    ids=["bare LF", "folded", "two framings", "a list of lengths", "an extension"],
)
def test_one_is_strict_where_the_other_is_lenient(data: bytes) -> None:
    assert len(http1_h11.requests(data).messages) == 1
    with pytest.raises(Malformed):
        http1_strict.requests(data)


@pytest.mark.parametrize(
    "data",
    [
        b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /a HTTP/1.1\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: h\r\nX : 1\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\na",
        b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n\r\n",
    ],
    ids=["a blank in the target", "no Host", "a blank before the colon", "a sign", "two lengths", "no chunk size"],
)
def test_both_refuse_what_nobody_should_read(data: bytes) -> None:
    for reader in (http1_strict, http1_h11):
        with pytest.raises(Malformed):
            reader.requests(data)


def test_answers_are_read_by_the_methods_they_answer() -> None:
    data = b"HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\n\r\nrest"
    read = http1_h11.responses(data, [b"HEAD", b"GET"], ended=True)
    assert [message.line[0] for message in read.messages] == [b"103", b"200", b"200"]
    assert (read.messages[-1].body, read.rest) == (b"rest", b"")
    at, strict = 0, []
    for method in (b"HEAD", b"HEAD", b"GET"):
        found = take_response(data, at, method=method, ended=True)
        assert found is not None
        message, at = found
        strict.append(message)
    assert strict == read.messages
