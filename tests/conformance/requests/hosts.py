"""Host and the absolute form: one authority, the one that was routed by."""

from __future__ import annotations

from tests.conformance.case import HOST, RequestTable, get, head

LINE = b"GET /case HTTP/1.1"
HOSTS = RequestTable(
    "Host",
    "9112 §3.2",
    "The host decides the route; a node must not see another one. Only names, addresses and ports are taken, no "
    "escapes and no sub-delims: a comma would be two Hosts that somebody has joined.",
)
_T = HOSTS
_T.passed("a name", head(LINE, HOST))
_T.passed("a port", head(LINE, b"Host: h.example:8443"))
_T.passed("port 0", head(LINE, b"Host: h.example:0"))
_T.passed("port 65535", head(LINE, b"Host: h.example:65535"))
_T.passed("an empty port", head(LINE, b"Host: h.example:"))
_T.passed("a dot at its end", head(LINE, b"Host: h.example."))
_T.passed("an underscore", head(LINE, b"Host: h_1.example"))
_T.passed("capitals", head(LINE, b"Host: H.Example"), head(LINE, HOST), rfc="9110 §4.2.3")
_T.passed("blanks around it", head(LINE, b"Host: \t h.example \t"), head(LINE, HOST))
_T.passed("an IPv4 address", head(LINE, b"Host: 192.0.2.1"))
_T.passed("an IPv6 address", head(LINE, b"Host: [2001:db8::1]"))
_T.passed("an IPv6 address with a port", head(LINE, b"Host: [::1]:8443"))
_T.passed("last in the head", head(LINE, b"X: 1", HOST))
_T.passed("none in HTTP/1.0", head(b"GET /case HTTP/1.0"), head(LINE, b"Host:"), stays=False)
_T.refused("none", head(LINE, b"X: 1"))
_T.refused("no field at all", LINE + b"\r\n\r\n")
_T.refused("twice, equal", head(LINE, HOST, HOST))
_T.refused("twice, different", head(LINE, HOST, b"Host: evil.example"))
_T.refused("twice, other case", head(LINE, HOST, b"X: 1", b"hOST: evil.example"))
_T.refused("twice in HTTP/1.0", head(b"GET /case HTTP/1.0", HOST, HOST))
for _name, _value in {
    "empty": b"",
    "blanks only": b" \t ",
    "a list": b"h.example, evil.example",
    "a comma": b"h.example,evil.example",
    "userinfo": b"user@h.example",
    "userinfo that looks like a host": b"h.example@evil.example",
    "userinfo with a password": b"user:secret@h.example",
    "a path": b"h.example/x",
    "a query": b"h.example?x",
    "a fragment": b"h.example#x",
    "a scheme": b"http://h.example",
    "a blank inside": b"h.example evil.example",
    "a tab inside": b"h.example\tevil.example",
    "a percent escape": b"h%2eexample",
    "a backslash": b"h.example\\evil.example",
    "quotes": b'"h.example"',
    "an octet beyond ASCII": "医院.example".encode(),
    "NUL": b"h.example\x00.evil.example",
    "VT": b"h.example\x0b",
    "CR": b"h.example\r",
    "a port of six digits": b"h.example:123456",
    "a port beyond 65535": b"h.example:65536",
    "a port with a sign": b"h.example:+80",
    "a port that is none": b"h.example:http",
    "two ports": b"h.example:80:81",
    "a port alone": b":80",
    "an open bracket": b"[::1",
    "a closed bracket": b"::1]",
    "an IPv6 address without brackets": b"2001:db8::1",
    "no IPv6 address in brackets": b"[::g]",
    "a name in brackets": b"[h.example]",
    "an IPv6 address with a zone": b"[fe80::1%25eth0]",
    "something behind the bracket": b"[::1]evil.example",
    "a semicolon": b"h.example;x",
    "an asterisk": b"*",
}.items():
    _T.refused(_name, head(LINE, b"Host: " + _value))
_T.refused("blank before the colon", head(LINE, b"Host : h.example"), rfc="9112 §5.1")
_T.refused("blank before the colon of a second one", head(LINE, HOST, b"Host : evil.example"), rfc="9112 §5.1")
_T.refused("a folded second one", head(LINE, HOST, b" Host: evil.example"), rfc="9112 §5.2")
_T.refused("a second one behind a bare LF", head(LINE, HOST + b"\nHost: evil.example"), rfc="9112 §2.2")
_T.refused("named by Connection", head(LINE, HOST, b"Connection: Host"), rfc="9110 §7.6.1")
_T.refused("a second one that ends in NUL", head(LINE, HOST, b"Host\x00: evil.example"), rfc="9110 §5.1")

ABSOLUTE = RequestTable(
    "forms of the target",
    "9112 §3.2.2",
    "The authority of an absolute target takes the place of Host, and the node gets the origin form. What a reader of"
    " URIs could take for another host is refused.",
)
_T = ABSOLUTE
_T.passed("absolute", head(b"GET http://h.example/case HTTP/1.1", HOST), get())
_T.passed("absolute, https", head(b"GET https://h.example/case HTTP/1.1", HOST), get())
_T.passed("absolute, scheme in capitals", head(b"GET HTTP://H.EXAMPLE/case HTTP/1.1", HOST), get(), rfc="3986 §3.1")
_T.passed("absolute, another Host", head(b"GET http://a.example/case HTTP/1.1", HOST), head(LINE, b"Host: a.example"))
_T.passed(
    "absolute, with a port", head(b"GET http://a.example:81/case HTTP/1.1", HOST), head(LINE, b"Host: a.example:81")
)
_T.passed("absolute, no path", head(b"GET http://h.example HTTP/1.1", HOST), get(target=b"/"), rfc="9112 §3.2.1")
_T.passed(
    "absolute, query and no path", head(b"GET http://h.example?x HTTP/1.1", HOST), get(target=b"/?x"), rfc="9112 §3.2.1"
)
_T.passed("absolute, IPv6", head(b"GET http://[::1]:81/case HTTP/1.1", HOST), head(LINE, b"Host: [::1]:81"))
_T.passed("asterisk with OPTIONS", get(target=b"*", method=b"OPTIONS"), rfc="9112 §3.2.4")
_T.passed(
    "absolute without a path, OPTIONS",
    head(b"OPTIONS http://h.example HTTP/1.1", HOST),
    get(target=b"*", method=b"OPTIONS"),
    rfc="9112 §3.2.4",
)
_T.passed(
    "absolute with a slash, OPTIONS",
    head(b"OPTIONS http://h.example/ HTTP/1.1", HOST),
    get(target=b"/", method=b"OPTIONS"),
    rfc="9112 §3.2.4",
)
_T.refused("absolute without Host", head(b"GET http://h.example/case HTTP/1.1", b"X: 1"), rfc="9112 §3.2")
_T.refused("absolute with an invalid Host", head(b"GET http://h.example/case HTTP/1.1", b"Host: a b"), rfc="9112 §3.2")
_T.refused("absolute with two Hosts", head(b"GET http://h.example/case HTTP/1.1", HOST, HOST), rfc="9112 §3.2")
for _name, _target in {
    "absolute with userinfo": b"http://user@h.example/case",
    "absolute with userinfo like a host": b"http://h.example:80@evil.example/case",
    "absolute without a host": b"http:///case",
    "absolute with a bad port": b"http://h.example:99999/case",
    "absolute with an escape in the host": b"http://h%2eexample/case",
    "absolute with a comma in the host": b"http://h.example,evil.example/case",
    "absolute with a backslash": b"http://h.example\\evil.example/case",
    "absolute with a fragment": b"http://h.example/case#x",
    "another scheme": b"ftp://h.example/case",
    "a websocket scheme": b"ws://h.example/case",
    "a scheme without slashes": b"http:h.example/case",
    "a scheme with one slash": b"http:/h.example/case",
    "javascript": b"javascript:alert(1)",
    "an authority with GET": b"h.example:443",
    "a name without a slash": b"case",
    "a dot": b".",
    "a query alone": b"?x",
    "an asterisk with GET": b"*",
    "an asterisk and a path": b"*/case",
    "an at sign": b"@evil.example/case",
    "two slashes at the beginning": b"//evil.example/case",
    "absolute, two slashes at the beginning": b"http://h.example//evil.example/case",
    "a backslash at the beginning": b"\\evil.example",
}.items():
    _T.refused(_name, head(b"GET %b HTTP/1.1" % _target, HOST))
