"""Bodies in any split: what comes out is what went in, framed anew, and the end is where it was announced."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bodies import RequestBody, ResponseBody, chunk
from gateway.errors import BadRequest, NodeProtocolError
from gateway.http1 import CHUNKED, UNTIL_CLOSE, ChunkReader

payloads = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
cuts = st.lists(st.integers(0, 400), max_size=8)


def split(data: bytes, at: list[int]) -> list[bytes]:
    """In pieces as they might arrive: none of them empty."""
    places = sorted({place % (len(data) + 1) for place in at} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places) if start < end]


def decoded(wire: bytes) -> tuple[bytes, bytes]:
    """(payload, trailers) of a whole chunked body; nothing may follow it."""
    reader = ChunkReader(AssertionError)  # type: ignore[arg-type]
    out: list[bytes | memoryview] = []
    assert reader.feed(wire, out) == len(wire)
    assert reader.done
    return b"".join(out), reader.trailers


# ---- requests


@given(st.binary(max_size=200), st.binary(max_size=60), cuts)
def test_a_length_ends_a_request_wherever_it_is_split(body: bytes, behind: bytes, at: list[int]) -> None:
    request = RequestBody(len(body))
    wire = rest = b""
    for piece in split(body + behind, at):
        out, left = request.take(piece)
        wire += out
        rest += left
    assert (wire, rest) == (body, behind)
    assert (request.left, request.octets) == (0, len(body))


@given(payloads, st.binary(max_size=60), cuts, st.booleans())
def test_a_chunked_request_keeps_its_payload_and_its_end(
    pieces: list[bytes], behind: bytes, at: list[int], trailer: bool
) -> None:
    coded = b"".join(b"%X;x=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    coded += b"0\r\n" + (b"X-Sum: 1\r\n" if trailer else b"") + b"\r\n"
    request = RequestBody(CHUNKED)
    wire = rest = b""
    for piece in split(coded + behind, at):
        assert request.left or not wire.endswith(b"\r\n0\r\n"), "the end is written once"
        out, left = request.take(piece)
        wire += out
        rest += left
    assert decoded(wire) == (b"".join(pieces), b"X-Sum: 1\r\n" if trailer else b"")
    assert b";x=1" not in wire
    assert rest == behind
    assert (request.left, request.octets) == (0, len(coded))


def test_behind_a_chunked_request_everything_is_somebody_else_s() -> None:
    request = RequestBody(CHUNKED)
    assert request.take(b"0\r\n\r\nGET /") == (b"0\r\n\r\n", b"GET /")
    assert request.take(b"next") == (b"", b"next")
    assert repr(request) == "<RequestBody left=0 octets=5>"


def test_a_request_without_a_body_takes_nothing() -> None:
    assert RequestBody(0).take(b"GET /") == (b"", b"GET /")


def test_a_chunk_that_is_none_is_the_client_s_mistake() -> None:
    with pytest.raises(BadRequest):
        RequestBody(CHUNKED).take(b"nonsense\r\n")


# ---- responses


@given(st.binary(max_size=200), st.binary(max_size=20), cuts, st.booleans())
def test_a_length_ends_a_response_and_hides_what_follows(
    body: bytes, behind: bytes, at: list[int], http10: bool
) -> None:
    response = ResponseBody(len(body), http10=http10)
    assert response.ended is (not body)
    assert b"".join(response.take(piece) for piece in split(body + behind, at)) == body
    assert (response.ended, response.surplus) == (True, bool(behind))


@given(payloads, st.binary(max_size=20), cuts)
def test_a_chunked_response_is_framed_anew_or_not_at_all(pieces: list[bytes], behind: bytes, at: list[int]) -> None:
    coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nX-Sum: 1\r\n\r\n"
    for http10 in (False, True):
        response = ResponseBody(CHUNKED, http10=http10)
        wire = b""
        for piece in split(coded + behind, at):
            if response.ended:
                break  # the relay lets such a connection go
            wire += response.take(piece)
        assert response.ended
        if http10:
            assert wire == b"".join(pieces)
        else:
            assert decoded(wire) == (b"".join(pieces), b"X-Sum: 1\r\n")
        if len(split(coded + behind, at)) == 1:
            assert response.surplus is bool(behind)


@given(st.binary(max_size=100), cuts)
def test_the_end_of_the_connection_ends_a_response_without_framing(body: bytes, at: list[int]) -> None:
    response = ResponseBody(UNTIL_CLOSE, http10=False)
    wire = b"".join(response.take(piece) for piece in split(body, at))
    assert not response.ended
    assert decoded(wire + (response.node_closed() or b"")) == (body, b"")
    plain = ResponseBody(UNTIL_CLOSE, http10=True)
    assert b"".join(plain.take(piece) for piece in split(body, at)) == body
    assert plain.node_closed() == b""
    assert plain.ended


@pytest.mark.parametrize(
    ("length", "got"), [(10, b"half"), (CHUNKED, b"4\r\nhalf\r\n"), (CHUNKED, b"4\r\nha"), (10, b"")]
)
def test_an_end_before_the_end_is_told(length: int, got: bytes) -> None:
    response = ResponseBody(length, http10=False)
    if got:
        response.take(got)
    assert response.node_closed() is None
    assert not response.ended
    assert "ended=False" in repr(response)


def test_a_chunk_that_is_none_is_the_node_s_mistake() -> None:
    with pytest.raises(NodeProtocolError):
        ResponseBody(CHUNKED, http10=False).take(b"nonsense\r\n")


def test_nothing_is_no_chunk() -> None:
    """An empty chunk would end the body."""
    assert chunk([]) == chunk([b"", b""]) == b""
    assert ResponseBody(UNTIL_CLOSE, http10=False).take(b"") == b""
    assert chunk([b"a", memoryview(b"bc")]) == b"3\r\nabc\r\n"
