from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import BadRequest, GatewayError, HeadTooLarge, NotImplementedCoding
from gateway.http1 import CHUNKED, HeadLimits, parse_request
from tests.support.http1 import LIMITS, field_lines, post, refused_request, request
from tests.unit.test_gateway_http1_lookalikes import spellings


def test_a_request_is_understood_and_written_anew() -> None:
    data = (
        b"POST http://Settle.Example:8443/claims/?id=1 HTTP/1.1\r\n"
        b"hOST: other.example\r\n"
        b"accept:text/html\r\n"
        b"X-Request-Id: 8f14e45f\r\n"
        b"Connection: keep-alive, X-Hop\r\n"
        b"X-Hop: 1\r\n"
        b"Content-Length: 005\r\n"
        b"Accept: \t application/json \r\n"
        b"\r\n"
        b"12345"
    )
    head = request(data)
    assert head.method == b"POST"
    assert head.target == b"/claims/?id=1"
    assert head.path == b"/claims/"
    assert head.host == b"settle.example:8443"
    assert head.length == 5
    assert head.keep_alive
    assert not any((head.http10, head.expect_continue, head.upgrade, head.final))
    assert head.request_id == b"8f14e45f"
    assert data[head.end :] == b"12345"
    assert head.head == (
        b"POST /claims/?id=1 HTTP/1.1\r\n"
        b"Host: settle.example:8443\r\n"
        b"accept: text/html\r\n"
        b"Accept: application/json\r\n"
        b"X-Request-Id: 8f14e45f\r\n"
        b"Content-Length: 5\r\n"
    )


def test_its_repr_tells_no_secret() -> None:
    assert b"tell".decode() not in repr(request(post(b"Authorization: tell")))


REFUSED: dict[str, tuple[bytes, type[GatewayError]]] = {
    "no-host": (b"GET / HTTP/1.1\r\n\r\n", BadRequest),
    "two-hosts": (post(b"Host: h.example"), BadRequest),
    "two-hosts-1.0": (b"GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n", BadRequest),
    "empty-host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", BadRequest),
    "bad-host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", BadRequest),
    "host-list": (b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", BadRequest),
    "absolute-without-host": (b"GET http://h/ HTTP/1.1\r\n\r\n", BadRequest),
    "absolute-with-bad-host": (b"GET http://h/ HTTP/1.1\r\nHost: a b\r\n\r\n", BadRequest),
    "absolute-two-hosts": (b"GET http://h/ HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", BadRequest),
    "length-twice": (post(b"Content-Length: 5", b"Content-Length: 6"), BadRequest),
    "length-twice-the-same": (post(b"Content-Length: 5", b"Content-Length: 5"), BadRequest),
    "length-list": (post(b"Content-Length: 5, 5"), BadRequest),
    "length-empty": (post(b"Content-Length:"), BadRequest),
    "length-plus": (post(b"Content-Length: +5"), BadRequest),
    "length-minus": (post(b"Content-Length: -5"), BadRequest),
    "length-underscore": (post(b"Content-Length: 1_0"), BadRequest),
    "length-hex": (post(b"Content-Length: 0x10"), BadRequest),
    "length-blank-inside": (post(b"Content-Length: 1 0"), BadRequest),
    "length-64-bits": (post(b"Content-Length: 9223372036854775808"), BadRequest),
    "length-5000-digits": (post(b"Content-Length: " + b"1" * 5000), BadRequest),
    "coding-and-length": (post(b"Transfer-Encoding: chunked", b"Content-Length: 5"), BadRequest),
    "length-and-coding": (post(b"Content-Length: 5", b"Transfer-Encoding: chunked"), BadRequest),
    "coding-and-length-0": (post(b"Content-Length: 0", b"Transfer-Encoding: chunked"), BadRequest),
    "coding-twice": (post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), BadRequest),
    "coding-split": (post(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"), BadRequest),
    "coding-1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", BadRequest),
    "coding-empty": (post(b"Transfer-Encoding:"), BadRequest),
    "coding-identity": (post(b"Transfer-Encoding: identity"), BadRequest),
    "coding-gzip": (post(b"Transfer-Encoding: gzip"), BadRequest),
    "coding-not-last": (post(b"Transfer-Encoding: chunked, gzip"), BadRequest),
    "coding-chunked-twice": (post(b"Transfer-Encoding: chunked, chunked"), BadRequest),
    "coding-parameter": (post(b"Transfer-Encoding: chunked;a=b"), BadRequest),
    "coding-quoted": (post(b'Transfer-Encoding: "chunked"'), BadRequest),
    "coding-vertical-tab": (post(b"Transfer-Encoding: \x0bchunked"), BadRequest),
    "coding-unknown": (post(b"Transfer-Encoding: gzip, chunked"), NotImplementedCoding),
    "length-with-underscore": (post(b"Content_Length: 5"), BadRequest),
    "length-with-dot": (post(b"Content.Length: 5"), BadRequest),
    "coding-with-underscore": (post(b"Transfer_Encoding: chunked"), BadRequest),
    "coding-with-underscore-mixed": (post(b"tRANSFER_eNCODING: chunked"), BadRequest),
    "space-before-colon": (post(b"Content-Length : 5"), BadRequest),
    "tab-before-colon": (post(b"Transfer-Encoding\t: chunked"), BadRequest),
    "empty-name": (post(b": 5"), BadRequest),
    "no-colon": (post(b"Content-Length"), BadRequest),
    "folded": (post(b"A: b", b" c"), BadRequest),
    "folded-tab": (post(b"A: b", b"\tContent-Length: 5"), BadRequest),
    "folded-first": (b"GET / HTTP/1.1\r\n Host: h\r\n\r\n", BadRequest),
    "bare-lf": (b"GET / HTTP/1.1\nHost: h\n\n\r\n\r\n", BadRequest),
    "bare-lf-in-fields": (post(b"A: b\nContent-Length: 5"), BadRequest),
    "bare-lf-end": (b"GET / HTTP/1.1\r\nHost: h\r\n\n\r\n\r\n", BadRequest),
    "bare-cr-in-fields": (post(b"A: b\rContent-Length: 5"), BadRequest),
    "cr-cr-lf": (post(b"A: b\r"), BadRequest),
    "nul": (post(b"A: \x00"), BadRequest),
    "escape": (post(b"A: \x1b"), BadRequest),
    "expectation": (post(b"Expect: 200-ok"), BadRequest),
    "connection-names-host": (post(b"Connection: close, Host"), BadRequest),
    "connection-names-length": (post(b"Connection: content-length", b"Content-Length: 5"), BadRequest),
    "connection-names-coding": (post(b"Connection: Transfer-Encoding"), BadRequest),
    "connection-names-length-oddly": (post(b"Connection: content_length"), BadRequest),
    "connection-names-expect": (post(b"Connection: expect"), BadRequest),
    "connection-not-tokens": (post(b'Connection: "close"'), BadRequest),
    "three-empty-lines": (b"\r\n\r\n\r\n" + post(), BadRequest),
    "empty-line-lf": (b"\n" + post(), BadRequest),
    "empty-line-cr": (b"\r" + post(), BadRequest),
    "forwards-not-a-number": (b"OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: x\r\n\r\n", BadRequest),
    "forwards-huge": (b"OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: %b\r\n\r\n" % (b"9" * 5000), BadRequest),
    "forwards-twice": (
        b"OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 1\r\nMax-Forwards: 1\r\n\r\n",
        BadRequest,
    ),
}


@pytest.mark.parametrize(("data", "error"), REFUSED.values(), ids=REFUSED)
def test_refused(data: bytes, error: type[GatewayError]) -> None:
    assert refused_request(data) is error


EARLY = {
    "bare-lf-head": b"GET / HTTP/1.1\r\nHost: h\n\n",
    "bare-lf": b"GET / HTTP/1.1\r\nA: b\n",
    "cr": b"GET / HTTP/1.1\r\nA: b\rc",
    "nul": b"GET / HTTP/1.1\r\n\x00",
    "lf-line-end": b"GET / HTTP/1.1\n",
    "tls": b"\x16\x03\x01\x02\x00\x01",
    "second-line-lf": b"GET / HTTP/1.1\r\nHost: h\r\n\n",
}


@pytest.mark.parametrize("data", EARLY.values(), ids=EARLY)
def test_refused_before_the_head_is_complete(data: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_request(data, LIMITS)


@pytest.mark.parametrize("lines", [b"\r\n", b"\r\n\r\n"])
def test_empty_lines_before_a_request_are_skipped(lines: bytes) -> None:
    data = lines + post(b"Content-Length: 1") + b"x"
    head = request(data)
    assert data[head.end :] == b"x"
    assert head.head.startswith(b"POST")


def test_limits_of_the_head() -> None:
    data = post(b"A: b")
    exact = HeadLimits(head=len(data) - 4)
    assert request(data, exact)
    assert refused_request(data, HeadLimits(head=len(data) - 5)) is HeadTooLarge
    assert refused_request(post(b"A: " + b"x" * 100), exact) is HeadTooLarge
    with pytest.raises(HeadTooLarge):
        parse_request(data[:-4] + b"xxxx", exact)


def test_limits_of_the_field_lines() -> None:
    data = post(b"A: b", b"A: c")
    assert request(data, HeadLimits(fields=3))
    assert refused_request(data, HeadLimits(fields=2)) is HeadTooLarge
    with pytest.raises(HeadTooLarge):
        parse_request(data[:-2], HeadLimits(fields=2))


@pytest.mark.parametrize(
    ("lines", "length", "framing"),
    [
        ([], 0, []),
        ([b"content-length: 0"], 0, [b"Content-Length: 0"]),
        ([b"Content-Length:007"], 7, [b"Content-Length: 7"]),
        ([b"Content-Length: 9223372036854775807"], 2**63 - 1, [b"Content-Length: 9223372036854775807"]),
        ([b"transfer-encoding: Chunked"], CHUNKED, [b"Transfer-Encoding: chunked"]),
    ],
)
def test_framing_is_written_anew(lines: list[bytes], length: int, framing: list[bytes]) -> None:
    head = request(post(*lines))
    assert head.length == length
    assert field_lines(head.head)[1:] == framing


@pytest.mark.parametrize(
    ("data", "keep_alive"),
    [
        (post(), True),
        (post(b"Connection: keep-alive"), True),
        (post(b"Connection: CLOSE"), False),
        (post(b"Connection: keep-alive", b"Connection: x, close"), False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False),
    ],
    ids=repr,
)
def test_keep_alive(data: bytes, keep_alive: bool) -> None:
    assert request(data).keep_alive is keep_alive


def test_http10_needs_no_host() -> None:
    head = request(b"GET / HTTP/1.0\r\n\r\n")
    assert head.host == b""
    assert head.head == b"GET / HTTP/1.1\r\nHost:\r\n"


DROPPED = [
    b"Connection: x",
    b"Proxy-Connection: keep-alive",
    b"Keep-Alive: timeout=5",
    b"TE: trailers",
    b"Upgrade: h2c",
    b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    b"Proxy-Authorization: Basic eA==",
    b"Proxy-Authenticate: Basic",
    b"Keep_Alive: 1",
    b"X-Institution-Id: H1",
    b"x_institution_id: H1",
    b"X-INSTITUTION.ID: H1",
    b"Client-Cert: :AA==:",
    b"X-Forwarded-For: 1.2.3.4",
    b"Forwarded: for=1.2.3.4",
    b"X_Request_Id: a",
    b"X-Request-Id: not sound",
]


@pytest.mark.parametrize("line", DROPPED, ids=repr)
def test_dropped(line: bytes) -> None:
    head = request(post(b"A: b", line, b"C: d"))
    assert field_lines(head.head) == [b"Host: h.example", b"A: b", b"C: d"]
    assert head.request_id is None


KEPT = [
    b"Via: 1.0 fred",
    b"Trailer: X-Sum",
    b"Max-Forwards: 0",
    b"Cookie: a=b; c=d",
    b"Authorization: Bearer x",
    b"X-Unknown: \xe7\x90\x86",
    b"X_Underscore: 1",
    b"Sec-WebSocket-Key: x",
    b"Content-Type: text/plain",
    b"Empty:",
]


@pytest.mark.parametrize("line", KEPT, ids=repr)
def test_kept(line: bytes) -> None:
    assert field_lines(request(post(line)).head) == [b"Host: h.example", line]


@given(spellings(), st.binary(max_size=20).map(bytes.hex))
def test_no_look_alike_passes(name: bytes, value: str) -> None:
    head = parse_request(post(b"A: b", name + b": " + value.encode(), b"C: d"), LIMITS)
    assert head is not None
    assert field_lines(head.head) == [b"Host: h.example", b"A: b", b"C: d"]


def test_same_named_fields_keep_their_order() -> None:
    lines = [b"A: 1", b"B: 2", b"a: 3", b"A: 1"]
    assert field_lines(request(post(*lines)).head)[1:] == lines


def test_named_fields_are_removed() -> None:
    head = request(post(b"X-A: 1", b"Connection: x-a, close", b"x_a: 2", b"B: 3"))
    assert field_lines(head.head) == [b"Host: h.example", b"B: 3"]


@pytest.mark.parametrize(
    "named", [b"X-Institution-Id, Client-Cert, X-Forwarded-For", b"Via", b"Close, Upgrade, Keep-Alive"]
)
def test_connection_cannot_strip_what_the_gateway_adds(named: bytes) -> None:
    """Only the client's own lines can go: the session appends its own behind them."""
    data = post(b"Connection: " + named, b"Content-Length: 3")
    head = request(data)
    assert head.length == 3
    assert field_lines(head.head) == [b"Host: h.example", b"Content-Length: 3"]


@pytest.mark.parametrize(
    ("lines", "request_id"),
    [
        ([b"X-Request-Id: a.B_9-"], b"a.B_9-"),
        ([b"x-request-id:" + b"x" * 128], b"x" * 128),
        ([b"X-Request-Id: " + b"x" * 129], None),
        ([b"X-Request-Id:"], None),
        ([b"X-Request-Id: a", b"X-Request-Id: a"], None),
        ([b"X-Request-Id: a", b"X-Request-Id: "], None),
        ([b"X-Request_Id: a"], None),
        ([b"X-Request-Id: a", b"X_Request_Id: b"], b"a"),
        ([b"Connection: x-request-id", b"X-Request-Id: a"], None),
    ],
    ids=repr,
)
def test_request_ids(lines: list[bytes], request_id: bytes | None) -> None:
    head = request(post(*lines))
    assert head.request_id == request_id
    assert field_lines(head.head)[1:] == ([b"X-Request-Id: " + request_id] if request_id else [])


@pytest.mark.parametrize(
    ("data", "expects"),
    [
        (post(b"Expect: 100-Continue", b"Content-Length: 1"), True),
        (post(b"Expect: 100-continue", b"Transfer-Encoding: chunked"), True),
        (post(b"Expect: 100-continue", b"Expect: 100-continue", b"Content-Length: 1"), True),
        (post(b"Expect: 100-continue"), False),
        (post(b"Expect: 100-continue", b"Content-Length: 0"), False),
        (b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", False),
    ],
    ids=repr,
)
def test_expect(data: bytes, expects: bool) -> None:
    head = request(data)
    assert head.expect_continue is expects
    assert head.head.count(b"Expect: 100-continue\r\n") == expects


def websocket(
    method: bytes = b"GET", version: bytes = b"1.1", lines: bytes = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
) -> bytes:
    return b"%b /ws HTTP/%b\r\nHost: h\r\n%bSec-WebSocket-Key: x\r\n\r\n" % (method, version, lines)


UPGRADES = {
    "plain": (websocket(), True),
    "list": (websocket(lines=b"Connection: keep-alive, upgrade\r\nUpgrade: h2c, WebSocket\r\n"), True),
    "two-lines": (websocket(lines=b"Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n"), True),
    "empty-body": (websocket(lines=b"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n"), True),
    "other": (websocket(lines=b"Connection: upgrade\r\nUpgrade: h2c\r\n"), False),
    "other-version": (websocket(lines=b"Connection: upgrade\r\nUpgrade: websocket/2\r\n"), False),
    "two-words": (websocket(lines=b"Connection: upgrade\r\nUpgrade: web socket\r\n"), False),
    "not-in-connection": (websocket(lines=b"Upgrade: websocket\r\n"), False),
    "only-in-connection": (websocket(lines=b"Connection: upgrade\r\n"), False),
    "post": (websocket(b"POST"), False),
    "1.0": (websocket(version=b"1.0"), False),
    "body": (websocket(lines=b"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n"), False),
    "chunked": (
        websocket(lines=b"Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n"),
        False,
    ),
}


@pytest.mark.parametrize(("data", "upgrade"), UPGRADES.values(), ids=UPGRADES)
def test_only_a_well_formed_websocket_upgrade_passes(data: bytes, upgrade: bool) -> None:
    head = request(data)
    assert head.upgrade is upgrade
    assert head.head.endswith(b"\r\nConnection: upgrade\r\nUpgrade: websocket\r\n") is upgrade
    assert head.head.count(b"pgrade") == 2 * upgrade


@pytest.mark.parametrize(
    ("method", "value", "final", "sent"),
    [
        (b"OPTIONS", b"0", True, b"0"),
        (b"OPTIONS", b"1", False, b"0"),
        (b"OPTIONS", b"10", False, b"9"),
        (b"GET", b"0", False, b"0"),
        (b"GET", b"x", False, b"x"),
    ],
)
def test_max_forwards(method: bytes, value: bytes, final: bool, sent: bytes) -> None:
    head = request(method + b" / HTTP/1.1\r\nHost: h\r\nMax-Forwards: " + value + b"\r\n\r\n")
    assert head.final is final
    assert field_lines(head.head)[1:] == [b"Max-Forwards: " + sent]


def test_options_of_the_whole_host() -> None:
    head = request(b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (head.target, head.path) == (b"*", b"*")


# ---- properties

TOKENS = st.text("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ", min_size=1, max_size=12).map(
    str.encode
)
TEXT = st.binary(max_size=30).map(lambda raw: bytes(octet for octet in raw if octet >= 32 and octet != 127))
NAMES = st.one_of(
    TOKENS,
    spellings(),
    st.sampled_from(
        [b"Accept", b"Connection", b"Upgrade", b"Expect", b"X-Request-Id", b"Max-Forwards", b"TE", b"Trailer", b"Via"]
    ),
)
VALUES = st.one_of(
    TEXT,
    TOKENS,
    st.sampled_from([b"close", b"upgrade, keep-alive", b"websocket", b"100-continue", b"chunked", b"0", b"5"]),
)
FRAMING = st.sampled_from([b"", b"", b"Content-Length: 12\r\n", b"Transfer-Encoding: chunked\r\n"])


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    method = draw(st.one_of(st.sampled_from([b"GET", b"POST", b"OPTIONS", b"HEAD"]), TOKENS))
    target = draw(st.sampled_from([b"/", b"/a//b;c=d?e=%zz", b"http://h.example:1/x?y", b"*", b"http://h"]))
    lines = b"".join(b"%b:%b\r\n" % pair for pair in draw(st.lists(st.tuples(NAMES, VALUES), max_size=6)))
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.0"]))
    return b"%b %b HTTP/%b\r\nHost: h.example\r\n%b%b\r\n" % (method, target, version, lines, draw(FRAMING))


@given(heads())
def test_what_is_sent_reads_the_same(data: bytes) -> None:
    """What the next reader understands is what was understood here: the root of all smuggling is otherwise."""
    try:
        first = parse_request(data, LIMITS)
    except BadRequest:
        return
    assert first is not None
    sent = first.head + b"\r\n"
    assert sent.count(b"\r\n\r\n") == 1
    assert sent.replace(b"\r\n", b"").translate(None, bytes([9, *range(32, 127), *range(128, 256)])) == b""
    second = parse_request(sent, LIMITS)
    assert second is not None
    assert second.end == len(sent)
    for member in ("method", "target", "path", "host", "length", "upgrade", "expect_continue", "request_id"):
        assert getattr(second, member) == getattr(first, member)
    if first.method != b"OPTIONS":  # whose Max-Forwards counts down
        assert sorted(field_lines(second.head)) == sorted(field_lines(first.head))


PIECES = st.sampled_from(
    [
        b"GET",
        b"POST",
        b" ",
        b"/",
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"\r\n",
        b"\r",
        b"\n",
        b":",
        b"Host: h\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: ",
        b"Max-Forwards: 1",
        b"OPTIONS",
        b"\x00",
        b"%2e",
        b"..",
        b"\xff",
    ]
)


@given(st.one_of(st.binary(max_size=80), st.lists(PIECES, max_size=16).map(b"".join)))
@example(b"\r\n\r\n")
@example(b"\r\n\r\n\r\n\r\n")
def test_only_documented_errors_escape(data: bytes) -> None:
    try:
        head = parse_request(data, HeadLimits(head=64, fields=4, target=20))
    except BadRequest:
        return
    assert head is None or head.end <= len(data)


@given(heads(), st.integers(0, 400))
def test_a_prefix_is_incomplete_or_refused(data: bytes, size: int) -> None:
    piece = data[: min(size, len(data) - 1)]
    try:
        assert parse_request(piece, LIMITS) is None
    except BadRequest:
        with pytest.raises(BadRequest):
            parse_request(data, LIMITS)


@given(heads())
def test_a_remembered_head_reads_like_a_new_one(data: bytes) -> None:
    def outcome() -> object:
        try:
            return parse_request(data, LIMITS)
        except BadRequest as error:
            return type(error)

    assert outcome() == outcome()
