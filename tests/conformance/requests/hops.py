"""What concerns one connection only: Connection and the fields it names, Upgrade, Expect, Max-Forwards."""

from __future__ import annotations

from tests.conformance.case import HOST, RequestTable, get, head, post

CONNECTION = RequestTable(
    "Connection and hop-by-hop fields",
    "9110 §7.6.1",
    "Every field that Connection names is removed, and Connection itself; what the gateway says in its own name is "
    "not. Naming a field that frames or routes the message is refused.",
)
_T = CONNECTION
_T.passed("close", get(b"Connection: close"), get(), stays=False, rfc="9112 §9.6")
_T.passed("close in capitals", get(b"Connection: CLOSE"), get(), stays=False, rfc="9112 §9.6")
_T.passed("close in a list", get(b"Connection: keep-alive, close"), get(), stays=False, rfc="9112 §9.6")
_T.passed(
    "close in a second line", get(b"Connection: keep-alive", b"Connection: close"), get(), stays=False, rfc="9112 §9.6"
)
_T.passed("close with a body", post(b"Connection: close", b"Content-Length: 5", body=b"hello"),
          post(b"Content-Length: 5", body=b"hello"), stays=False, rfc="9112 §9.6")  # fmt: skip
_T.passed("keep-alive", get(b"Connection: keep-alive"), get())
_T.passed("nothing", get(b"Connection:"), get())
_T.passed("empty members", get(b"Connection: ,, X-A ,"), get(), rfc="9110 §5.6.1")
_T.passed("a private field", get(b"Connection: X-Private", b"X-Private: 1", b"X-Public: 1"), get(b"X-Public: 1"))
_T.passed("a private field before it", get(b"X-Private: 1", b"Connection: x-PRIVATE"), get())
_T.passed("a private field, each line of it", get(b"X-A: 1", b"Connection: X-A", b"X-A: 2"), get())
_T.passed("several", get(b"Connection: X-A", b"X-A: 1", b"Connection: X-B, X-C", b"X-B: 1", b"X-C: 1"), get())
_T.passed("a field that is not there", get(b"Connection: X-A"), get())
_T.passed("a field in another spelling", get(b"Connection: X_A", b"X-A: 1"), get())
for _field in (b"Cookie", b"Authorization", b"Content-Type", b"X-Request-Id"):
    _T.passed(f"names {_field.decode()}", get(b"Connection: " + _field, _field + b": abc"), get())
for _own in (
    b"X-Institution-Id",
    b"Client-Cert",
    b"X-Forwarded-For",
    b"X-Forwarded-Proto",
    b"X-Forwarded-Host",
    b"Via",
):
    _T.passed(f"names {_own.decode()}, which the gateway adds", get(b"Connection: close, " + _own), get(), stays=False)
for _field in (b"Host", b"Content-Length", b"Transfer-Encoding", b"Expect", b"content_length", b"HOST"):
    _T.refused(f"names {_field.decode()}", post(b"Connection: " + _field, b"Content-Length: 0"))
for _name, _value in {
    "a blank inside": b"a b",
    "a semicolon": b"close;x",
    "quotes": b'"close"',
    "a colon": b"X: 1",
}.items():
    _T.refused(_name, get(b"Connection: " + _value))
for _line in (
    b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", b"TE: trailers", b"TE: gzip", b"Upgrade: h2c",
    b"Proxy-Authorization: Basic eA==", b"Proxy-Authenticate: Basic", b"HTTP2-Settings: AAMAAABkAAQAAP__",
    b"Keep_Alive: 5", b"Proxy_Connection: close",
):  # fmt: skip
    _T.passed(f"{_line.decode()} is removed", get(_line, b"X: 1"), get(b"X: 1"))

UPGRADE = RequestTable(
    "Upgrade",
    "9110 §7.8",
    "Only `websocket` passes, and only where it can succeed. With `h2c` a client would leave the gateway behind: all "
    "that follows would reach the node unread, under another institution's name if it likes.",
)
_T = UPGRADE
_WS = (b"Connection: upgrade", b"Upgrade: websocket")
_KEY = (b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Version: 13")
_T.passed("websocket", get(*_WS, *_KEY))
_T.passed("websocket in other letters", get(b"Connection: Upgrade", b"Upgrade: WebSocket", *_KEY), get(*_WS, *_KEY))
_T.passed(
    "websocket with keep-alive", get(b"Connection: keep-alive, Upgrade", b"Upgrade: websocket", *_KEY), get(*_WS, *_KEY)
)
_T.passed("websocket and another", get(b"Connection: upgrade", b"Upgrade: h2c, websocket", *_KEY), get(*_WS, *_KEY))
_T.passed(
    "websocket and another behind", get(b"Connection: upgrade", b"Upgrade: websocket, h2c", *_KEY), get(*_WS, *_KEY)
)
_T.passed(
    "websocket and another line",
    get(b"Connection: upgrade", b"Upgrade: h2c", b"Upgrade: websocket", *_KEY),
    get(*_WS, *_KEY),
)
_T.passed("websocket without Connection", get(b"Upgrade: websocket", *_KEY), get(*_KEY))
_T.passed("websocket with another Connection", get(b"Connection: keep-alive", b"Upgrade: websocket", *_KEY), get(*_KEY))
_T.passed("websocket with POST", post(*_WS, b"Content-Length: 0"), post(b"Content-Length: 0"), rfc="6455 §4.1")
_T.passed("websocket with HEAD", get(*_WS, method=b"HEAD"), get(method=b"HEAD"), rfc="6455 §4.1")
_T.passed(
    "websocket with a body",
    get(*_WS, b"Content-Length: 5") + b"hello",
    get(b"Content-Length: 5") + b"hello",
    rfc="6455 §4.1",
)
_T.passed("websocket with a chunked body", get(*_WS, b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
          get(b"Transfer-Encoding: chunked") + b"0\r\n\r\n", rfc="6455 §4.1")  # fmt: skip
_T.passed("websocket in HTTP/1.0", head(b"GET /case HTTP/1.0", HOST, *_WS), get(), stays=False)
_T.passed("websocket to be closed", get(b"Connection: upgrade, close", b"Upgrade: websocket"), get(*_WS), stays=False)
_T.passed("a version of websocket", get(b"Connection: upgrade", b"Upgrade: websocket/13"), get())
for _token in (
    b"h2c", b"H2C", b" h2c", b"h2c,", b"h2", b"HTTP/2.0", b"TLS/1.0", b"IRC/6.9", b"wss", b"xwebsocket", b"websocketx",
    b"websocket websocket", b"websocket;a=b", b'"websocket"', b"connect-udp", b"connect-ip", b"SPDY/3.1", b"*", b"",
):  # fmt: skip
    _T.passed(f"[{_token.decode()}]", get(b"Connection: upgrade", b"Upgrade: " + _token), get())
_T.passed(
    "h2c with its settings",
    get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"),
    get(),
    rfc="7540 §3.2",
)
_T.passed("h2c without Connection", get(b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"), get(), rfc="7540 §3.2")
_T.passed(
    "h2c with POST",
    post(b"Connection: upgrade", b"Upgrade: h2c", b"Content-Length: 0"),
    post(b"Content-Length: 0"),
    rfc="7540 §3.2",
)
_T.passed(
    "h2c folded by an underscore", get(b"Connection: HTTP2_Settings", b"HTTP2_Settings: AAMA"), get(), rfc="7540 §3.2"
)
_T.passed("Connection: upgrade alone", get(b"Connection: upgrade"), get())
_T.refused("h2c behind a bare CR", get(b"Connection: upgrade", b"Upgrade: \rh2c"), rfc="9110 §5.5")
_T.refused("h2c behind a bare LF", get(b"Connection: upgrade", b"Upgrade: websocket\n h2c"), rfc="9110 §5.5")
_T.refused("h2c with a blank before the colon", get(b"Connection: upgrade", b"Upgrade : h2c"), rfc="9112 §5.1")
_T.refused(
    "HTTP/2 with prior knowledge",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    505,
    rfc="9113 §3.3",
)

EXPECT = RequestTable(
    "Expect",
    "9110 §10.1.1",
    "The node says whether it wants the body. An expectation that some reader might take for 100-continue is refused.",
)
_T = EXPECT
_FIVE = b"Content-Length: 5"
_T.passed(
    "100-continue, and the client does not wait", post(b"Expect: 100-continue", _FIVE, body=b"hello"), told=(100, 200)
)
_T.passed("in capitals", post(b"Expect: 100-Continue", _FIVE, body=b"hello"),
          post(b"Expect: 100-continue", _FIVE, body=b"hello"), told=(100, 200))  # fmt: skip
_T.passed(
    "with a chunked body",
    post(b"Expect: 100-continue", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
    told=(100, 200),
)
_T.passed("without a body", get(b"Expect: 100-continue"), get())
_T.passed("with a body of no octets", post(b"Expect: 100-continue", b"Content-Length: 0"), post(b"Content-Length: 0"))
_T.passed("in HTTP/1.0", head(b"POST /case HTTP/1.0", HOST, b"Expect: 100-continue", _FIVE) + b"hello",
          post(_FIVE, body=b"hello"), stays=False)  # fmt: skip
_T.passed("twice", post(b"Expect: 100-continue", b"Expect: 100-continue", _FIVE, body=b"hello"),
          post(b"Expect: 100-continue", _FIVE, body=b"hello"), told=(100, 200))  # fmt: skip
_T.refused("twice, one of them another", post(b"Expect: 100-continue", b"Expect: x", _FIVE, body=b"hello"))
for _name, _value in {
    "another": b"200-ok",
    "another with it": b"100-continue, x",
    "a parameter": b"100-continue;a=b",
    "quotes": b'"100-continue"',
    "a word before it": b"y 100-continue",
    "nothing": b"",
    "100": b"100",
}.items():
    _T.refused(_name, post(b"Expect: " + _value, _FIVE, body=b"hello"))

MAX_FORWARDS = RequestTable(
    "Max-Forwards",
    "9110 §7.6.2",
    "Counted down for OPTIONS, and answered here at 0. It means nothing for other methods and passes.",
)
_T = MAX_FORWARDS
_T.passed("OPTIONS, 5", get(b"Max-Forwards: 5", method=b"OPTIONS"), get(b"Max-Forwards: 4", method=b"OPTIONS"))
_T.passed("OPTIONS, 1", get(b"Max-Forwards: 1", method=b"OPTIONS"), get(b"Max-Forwards: 0", method=b"OPTIONS"))
_T.passed("OPTIONS, 007", get(b"Max-Forwards: 007", method=b"OPTIONS"), get(b"Max-Forwards: 6", method=b"OPTIONS"))
_T.answered("OPTIONS, 0", get(b"Max-Forwards: 0", method=b"OPTIONS"), 200)
_T.answered("OPTIONS *, 0", get(b"Max-Forwards: 0", method=b"OPTIONS", target=b"*"), 200)
_T.passed("GET, 0", get(b"Max-Forwards: 0"))
_T.passed("GET, no number", get(b"Max-Forwards: x"))
for _name, _value in {
    "a sign": b"+1",
    "minus one": b"-1",
    "no number": b"x",
    "a list": b"1, 2",
    "nothing": b"",
    "2^64": b"18446744073709551616",
}.items():
    _T.refused(f"OPTIONS, {_name}", get(b"Max-Forwards: " + _value, method=b"OPTIONS"))
_T.refused("OPTIONS, twice", get(b"Max-Forwards: 0", b"Max-Forwards: 5", method=b"OPTIONS"))
