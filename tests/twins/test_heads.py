"""The compiled head reader and its Python twin say the same of every octet sequence, and refuse the same."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import HeadTooLarge, NodeProtocolError, TargetTooLong
from gateway.http1 import HeadLimits
from gateway.http1.request import parse_request as pure_request
from gateway.http1.response import parse_response as pure_response
from tests.support import heads
from tests.support.http1 import answer, post
from tests.twins import heads as made

scan = pytest.importorskip("gateway.http1._scan", reason="not compiled", exc_type=ImportError)

MANY = settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])

REQUEST = post(
    b"Accept: */*", b"X-Institution-Id: H1", b"X-Request-Id: a-1", b"Connection: keep-alive", b"Content-Length: 5"
)
CHUNKED_REQUEST = post(b"Cookie:a=b", b"Transfer-Encoding: chunked", b"X_Forwarded-For: 10.0.0.1")
RESPONSE = answer(b"Date: today", b"Vary: Accept", b"Server: x", b"Connection: close", b"Content-Length: 5")


def same_request(data: bytes, limits: HeadLimits = heads.LIMITS) -> heads.Outcome:
    pure = heads.of_request(pure_request, data, limits)
    assert heads.of_request(scan.parse_request, data, limits) == pure
    if isinstance(pure, dict):
        heads.check_request_again(scan.parse_request, pure)
        heads.check_request_again(pure_request, pure)
    return pure


def same_response(
    data: bytes, limits: HeadLimits = heads.LIMITS, method: bytes = b"GET", *, upgrade: bool = False
) -> heads.Outcome:
    pure = heads.of_response(pure_response, data, limits, method, upgrade)
    assert heads.of_response(scan.parse_response, data, limits, method, upgrade) == pure
    if isinstance(pure, dict):
        heads.check_response_again(scan.parse_response, pure, method, upgrade)
        heads.check_response_again(pure_response, pure, method, upgrade)
    return pure


@MANY
@given(st.data())
def test_requests(data: st.DataObject) -> None:
    head = data.draw(made.requests())
    same_request(head, data.draw(made.limits(head)))


@MANY
@given(st.data())
def test_responses(data: st.DataObject) -> None:
    head = data.draw(made.responses())
    method = data.draw(st.sampled_from((b"GET", b"HEAD", b"POST")))
    same_response(head, data.draw(made.limits(head)), method, upgrade=data.draw(st.booleans()))


def test_every_octet_in_every_place_of_a_request() -> None:
    for place, octet in product(range(len(REQUEST)), range(256)):
        same_request(REQUEST[:place] + bytes([octet]) + REQUEST[place + 1 :])


def test_every_octet_that_means_something_between_every_two_of_a_request() -> None:
    for place, piece in product(range(len(CHUNKED_REQUEST)), made.NASTY):
        same_request(CHUNKED_REQUEST[:place] + piece + CHUNKED_REQUEST[place:])


def test_every_octet_in_every_place_of_a_response() -> None:
    for place, octet in product(range(len(RESPONSE)), range(256)):
        same_response(RESPONSE[:place] + bytes([octet]) + RESPONSE[place + 1 :])


@pytest.mark.parametrize("data", [REQUEST, CHUNKED_REQUEST], ids=["length", "chunked"])
def test_every_beginning_of_a_request(data: bytes) -> None:
    assert {same_request(data[:size]) is None for size in range(len(data))} == {True}


@pytest.mark.parametrize(("first", "second"), list(product((None, b"content-length", b"transfer-encoding"), repeat=2)))
def test_every_pair_of_framing_fields(first: bytes | None, second: bytes | None) -> None:
    """The two that say where a message ends, in every value, alone and together."""
    values = {b"content-length": made.LENGTHS, b"transfer-encoding": made.CODINGS}
    for one, two in product(values.get(first, [None]), values.get(second, [None])):
        lines = [
            name + b": " + value
            for name, value in ((first, one), (second, two))
            if name is not None and value is not None
        ]
        same_request(post(*lines))
        same_response(answer(*lines))


def test_two_lengths_are_refused_and_so_is_what_wraps_around() -> None:
    """Spelled out: that the twins agree must not mean that they err together."""
    for bad in (b"+5", b"1_0", b"%d" % (2**64 + 5), b"5, 5", b"0x5", b"-0", b"\xd9\xa1"):
        assert isinstance(same_request(post(b"Content-Length: " + bad)), type), bad
        assert same_response(answer(b"Content-Length: " + bad)) is NodeProtocolError, bad
    assert isinstance(same_request(post(b"Content-Length: 5", b"Content-Length: 5")), type)
    assert isinstance(same_request(post(b"Content-Length: 5", b"Transfer-Encoding: chunked")), type)


@pytest.mark.parametrize("value", [*made.CONNECTIONS, *made.OTHERS])
def test_every_connection_option_with_every_field_it_may_name(value: bytes) -> None:
    fields = (b"X-Request-Id: a", b"Date: x", b"Upgrade: websocket", b"Expect: 100-continue", b"X: 1")
    for line in fields:
        same_request(post(b"Connection: " + value, line))
        same_request(post(line, b"Content-Length: 3", b"connection:" + value))
        same_response(answer(b"Connection: " + value, line))


@pytest.mark.parametrize("count", [1, 94, 95, 96, 97, 98, 126, 127, 128, 129, 130])
@pytest.mark.parametrize("line", [b"A:b", b"A: b", b"A:  b ", b"X-Forwarded-For: 1", b"A:"])
def test_as_many_fields_as_the_limit_and_one_more(line: bytes, count: int) -> None:
    """Host is one of them; the compiled twin keeps track of 96 runs of octets that stay as they are."""
    read = same_request(post(*[line] * (count - 1)))
    assert (read is HeadTooLarge) == (count > 128)
    same_response(answer(*[line] * count))
    mixed = [line, b"B: c"] * (count // 2)
    same_request(post(*mixed))
    same_response(answer(*mixed))


@pytest.mark.parametrize("over", [-3, -2, -1, 0, 1, 2, 3])
def test_heads_as_long_as_the_limits(over: int) -> None:
    frame = len(post(b"X: ")) - 4
    read = same_request(post(b"X: " + b"v" * (heads.LIMITS.head - frame + over)))
    assert (read is HeadTooLarge) == (over > 0)
    same_response(answer(b"X: " + b"v" * (heads.LIMITS.head - len(answer(b"X: ")) + 4 + over)))
    target = b"/" + b"t" * (heads.LIMITS.target - 1 + over)
    read = same_request(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (read is TargetTooLong) == (over > 0)
    name = b"n" * (64 + over)
    same_request(post(name + b": 1"))
    same_response(answer(name + b": 1"))


@pytest.mark.parametrize(
    "fold", [b"\r\n X: y", b"\r\n\tX: y", b"\n X: y", b"\r X: y", b"\n", b"\r", b"\n\n", b"\r\r\n"]
)
def test_folded_lines_and_half_line_ends(fold: bytes) -> None:
    for place in range(len(REQUEST) - 4):
        same_request(REQUEST[:place] + fold + REQUEST[place:])
        same_response(RESPONSE[:place] + fold + RESPONSE[place:])


@settings(max_examples=150)
@given(made.spelled(made.NAMES), made.ANY_VALUE)
def test_names_in_all_spellings(name: bytes, value: bytes) -> None:
    read = same_request(post(name + b": " + value))
    same_response(answer(name + b": " + value))
    if isinstance(read, dict):
        lines = read["head"].lower().replace(b"_", b"-").split(b"\r\n")[2:]
        assert not any(
            line.startswith((b"x-institution", b"client-cert", b"x-forwarded-", b"http-x-forw")) for line in lines
        )
