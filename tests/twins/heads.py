"""Heads, good and hostile: pieces of real ones, every spelling that means something somewhere, and damage to all."""

from __future__ import annotations

from hypothesis import strategies as st

from gateway.http1 import HeadLimits, lookalikes, request_fields, response

LENGTHS = (
    *(
        b"0",
        b"5",
        b"005",
        b"+5",
        b"-5",
        b"-0",
        b" 5",
        b"5 ",
        b"\t5\t",
        b"5,5",
        b"5, 5",
        b"1_0",
        b"0x5",
        b"5.0",
        b"5e1",
        b"",
    ),
    *(b"%d" % (2**power + more) for power in (31, 32, 63, 64) for more in (-1, 0, 5)),
    *(b"9" * 19, b"0" * 19, b"0" * 18 + b"5", b"0" * 20 + b"5", b"9" * 5000, b"\xd9\xa1", b"5\x00", b"5;", b'"5"'),
)
CODINGS = (
    *(b"chunked", b"Chunked", b"CHUNKED", b"chunked ", b"chunked,", b",chunked", b"chunked, chunked", b"gzip, chunked"),
    *(b"chunked, gzip", b"identity", b"chunked;q=1", b"xchunked", b"chunke", b"chunkedd", b'"chunked"', b"\x0bchunked"),
    *(b"chunked\x0b", b"chun\xc4\xb1ked", b"chun[ed", b"", b"\x00chunked"),
)
CONNECTIONS = (
    *(b"close", b"Close", b"keep-alive", b"Keep-Alive", b"keep_alive", b"close, keep-alive", b"upgrade", b"close,,x"),
    *(
        b"X-Institution-Id",
        b"Content-Length",
        b"Host",
        b"Transfer_Encoding",
        b"Expect",
        b"Date",
        b"X-Request-Id",
        b"a b",
    ),
    *(b"", b",", b"close\x00", b"keep\ralive"),
)
OTHERS = (
    *(
        b"",
        b"a",
        b"text/html, */*;q=0.8",
        b"\xe4\xb8\xad\xe6\x96\x87",
        b"websocket",
        b"WebSocket, h2c",
        b"100-continue",
    ),
    *(
        b"0",
        b"1",
        b"10",
        b"client-cert",
        b"Accept, X-Institution-ID",
        b"*",
        b"x" * 128,
        b"x" * 129,
        b"  a \t b  ",
        b"a\x7f",
    ),
    *(
        b"Tue, 25 Nov 2026 04:00:00 GMT",
        b"8f14e45f-1",
        b"h.example",
        b"H.Example:8443",
        b"h:65536",
        b"[::1]:80",
        b"a,b",
    ),
)
_MEANINGFUL = sorted(
    {*lookalikes.IDENTITY, *lookalikes.HOP_BY_HOP, *lookalikes.FRAMING, *request_fields.RULES, *response.RULES}
)
_PREFIXED = [prefix + more for prefix in lookalikes.IDENTITY_PREFIXES for more in (b"", b"x", b"-x", b"id")]
_PLAIN = (b"Accept", b"User-Agent", b"Cookie", b"X-Trace", b"Content-Type", b"HTTP-X", b"x" * 63, b"x" * 64, b"x" * 65)
_CUT = [name[:-1] for name in (*_MEANINGFUL, *_PREFIXED) if len(name) > 1]
NASTY = (
    *(
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\r\n ",
        b"\r\n\t",
        b"\n\n",
        b"\r\r\n",
        b"\0",
        b"\x7f",
        b"\x80",
        b"\xff",
        b" ",
        b"\t",
    ),
    *(
        b":",
        b",",
        b";",
        b"%2e",
        b"/..",
        b"//",
        b"\\",
        b"#",
        b"?",
        b"%",
        b"%252e%252e/",
        b"\xc0\xae",
        b"*",
        b"@",
        b"http://x",
    ),
    *(
        b"\r\nContent-Length: 5",
        b"\r\nTransfer-Encoding: chunked",
        b"\r\nHost: x",
        b"\r\nX-Institution-Id: 1",
        b" HTTP/1.1",
    ),
)


@st.composite
def spelled(draw: st.DrawFn, names: st.SearchStrategy[bytes]) -> bytes:
    """A name in any case, with any punctuation for its hyphens, as a CGI variable now and then."""
    name = draw(names)
    how = draw(st.integers(0, 5))
    if how == 0:
        return name
    if how == 1:
        return name.title()
    if how == 2:
        return name.upper().replace(b"-", b"_")
    if how == 3:
        return b"HTTP_" + name.upper().replace(b"-", b"_")
    marks = draw(st.lists(st.sampled_from(b"-_.!#$%&'*+^`|~"), min_size=name.count(b"-"), max_size=name.count(b"-")))
    parts = name.swapcase().split(b"-")
    return b"".join(part + bytes([mark]) for part, mark in zip(parts, [*marks, 45], strict=True))[:-1]


VALUES = {
    b"content-length": st.sampled_from(LENGTHS),
    b"transfer-encoding": st.sampled_from(CODINGS),
    b"connection": st.sampled_from(CONNECTIONS),
}
ANY_VALUE = st.one_of(
    st.sampled_from(OTHERS),
    st.sampled_from((*LENGTHS, *CODINGS, *CONNECTIONS)),
    st.text(alphabet=st.characters(max_codepoint=255), max_size=40).map(lambda text: text.encode("latin-1")),
)
NAMES = st.one_of(
    st.sampled_from(_MEANINGFUL), st.sampled_from(_PREFIXED), st.sampled_from(_PLAIN), st.sampled_from(_CUT)
)


@st.composite
def field(draw: st.DrawFn, names: st.SearchStrategy[bytes] = NAMES) -> bytes:
    name = draw(spelled(names))
    value = draw(VALUES.get(name.lower(), ANY_VALUE))
    blanks = st.sampled_from((b" ", b" ", b" ", b"", b"  ", b"\t"))
    after = st.sampled_from((b"", b"", b"", b" ", b"\t "))
    return name + b":" + draw(blanks) + value + draw(after) + b"\r\n"


TARGETS = st.sampled_from(
    (
        *(
            b"/",
            b"/claims/",
            b"/claims/1?x=%20",
            b"/a/../b",
            b"/%2e%2e/a",
            b"/a/./b",
            b"/a%2fb",
            b"//x/y",
            b"/a\\b",
            b"*",
        ),
        *(
            b"http://h.example/a?b",
            b"HTTPS://H:443",
            b"http://u@h/",
            b"/.well-known/x",
            b"/a;b/..;/c",
            b"/%zz",
            b"/a#b",
        ),
        *(
            b"/?../..",
            b"a",
            b"",
            b"/\xe4",
            b"/a\x7f",
            b"/" + b"x" * 8191,
            b"/" + b"x" * 8192,
            b"/%25252e%25252e/",
            b"?a",
        ),
    )
)
METHODS = st.sampled_from(
    (
        *(b"PROPFIND", b"M" * 32, b"M" * 33, b"connect", b"G:T", b""),
        b"GET",
        b"GET",
        b"POST",
        b"POST",
        b"PUT",
        b"PATCH",
        b"DELETE",
        b"HEAD",
        b"OPTIONS",
        b"TRACE",
        b"CONNECT",
        b"Get",
        b"A",
    )
)
VERSIONS = st.sampled_from((*[b"HTTP/1.1"] * 8, b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b""))
STATUSES = st.sampled_from(
    (
        *[b"200 OK"] * 6,
        b"204 No Content",
        b"304 Not Modified",
        b"101 Switching Protocols",
        b"100 Continue",
        b"404 \xe4",
        b"500",
        *(b"200 ", b"200", b"600 x", b"099 x", b"20 x", b"200  OK", b"200\tOK"),
    )
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Mostly sound, then perhaps damaged."""
    line = b"%b %b %b\r\n" % (draw(METHODS), draw(TARGETS), draw(VERSIONS))
    fields = draw(st.lists(field(), max_size=8))
    if draw(st.integers(0, 9)):
        fields.insert(draw(st.integers(0, len(fields))), b"Host: h.example\r\n")
    before = draw(st.sampled_from((*[b""] * 8, b"\r\n", b"\r\n\r\n", b"\r\n" * 3, b"\r", b"\n")))
    return before + damaged(draw, line + b"".join(fields) + b"\r\n") + draw(st.sampled_from((b"", b"body", b"\r\n")))


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    line = b"%b %b\r\n" % (draw(VERSIONS), draw(STATUSES))
    return damaged(draw, line + b"".join(draw(st.lists(field(), max_size=8))) + b"\r\n") + draw(st.just(b"body"))


def damaged(draw: st.DrawFn, head: bytes) -> bytes:
    """Up to three octets, snippets or lines put in, taken out, doubled or moved; more often none."""
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 1, 2, 3)))):
        at = draw(st.integers(0, len(head)))
        piece = draw(st.one_of(st.sampled_from(NASTY), st.binary(min_size=1, max_size=2)))
        how = draw(st.integers(0, 4))
        if how == 0:
            head = head[:at] + piece + head[at:]
        elif how == 1:
            head = head[:at] + piece + head[at + len(piece) :]
        elif how == 2:
            head = head[:at] + head[at + draw(st.integers(1, 4)) :]
        elif how == 3:
            end = draw(st.integers(at, len(head)))
            head = head[:end] + head[at:end] + head[end:]
        else:
            head = head[:at]
    return head


@st.composite
def limits(draw: st.DrawFn, data: bytes) -> HeadLimits:
    """The usual ones, or within a hair of what the data needs."""
    if draw(st.booleans()):
        return HeadLimits()
    near = st.integers(-2, 2)
    line = data.split(b"\r\n", 1)[0]
    return HeadLimits(
        max(1, data.find(b"\r\n\r\n") + draw(near)),
        max(1, data.count(b"\r\n") - 2 + draw(near)),
        max(1, len(line.split(b" ")[1]) + draw(near)) if line.count(b" ") else 8192,
    )
