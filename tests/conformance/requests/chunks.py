"""The chunked coding: sizes, line ends, extensions, trailers."""

from __future__ import annotations

from tests.conformance.case import SMUGGLED, RequestTable, chunked

END = b"0\r\n\r\n"
FIVE = chunked(b"5\r\nhello\r\n" + END)

CHUNKS = RequestTable(
    "chunk sizes and line ends",
    "9112 §7.1",
    "A size is hexadecimal digits and nothing else, at most 16 of them; a line ends in CRLF. The body is decoded and "
    "encoded anew, so that no node sees the client's spelling.",
)
_T = CHUNKS
_T.passed("one chunk", FIVE)
_T.passed("several chunks", chunked(b"2\r\nhe\r\n3\r\nllo\r\n" + END), FIVE)
_T.passed("no chunk", chunked(END))
_T.passed("leading zeros", chunked(b"0005\r\nhello\r\n" + END), FIVE)
_T.passed("sixteen digits", chunked(b"0000000000000005\r\nhello\r\n" + END), FIVE)
_T.passed("a last chunk of many zeros", chunked(b"5\r\nhello\r\n0000\r\n\r\n"), FIVE)
_T.passed("capital digits", chunked(b"A\r\nhellohello\r\n" + END))
_T.passed("small digits", chunked(b"a\r\nhellohello\r\n" + END))
_T.passed("payload that looks like a last chunk", chunked(b"5\r\n" + END + b"\r\n" + END))
_T.passed("payload that looks like a request", chunked(b"%x\r\n%b\r\n" % (len(SMUGGLED), SMUGGLED) + END))
for _name, _size in {
    "0x": b"0x5",
    "0X": b"0X5",
    "a plus sign": b"+5",
    "a minus sign": b"-5",
    "minus zero": b"-0",
    "an underscore": b"1_0",
    "a blank before": b" 5",
    "a tab before": b"\t5",
    "a blank behind": b"5 ",
    "a tab behind": b"5\t",
    "a blank inside": b"5 5",
    "no digits": b"",
    "no hexadecimal digit": b"g",
    "a digit and another letter": b"5g",
    "a comma": b"5,5",
    "a fraction": b"5.0",
    "quotes": b'"5"',
    "NUL": b"5\x00",
    "VT": b"\x0b5",
    "FF": b"5\x0c",
    "a full-width digit": "５".encode(),
    "a no-break blank": b"5\xa0",
    "CR": b"5\r",
    "an h behind": b"5h",
    "2^63": b"8000000000000000",
    "2^64 - 1": b"FFFFFFFFFFFFFFFF",
    "2^64": b"10000000000000000",
    "2^64 + 5": b"10000000000000005",
    "minus one in 64 bits": b"fffffffffffffffb",
    "seventeen digits": b"0" * 16 + b"5",
    "ten thousand zeros": b"0" * 10_000 + b"5",
}.items():
    _T.refused(_name, chunked(_size + b"\r\nhello\r\n" + END), begun=True)
for _name, _body in {
    "a bare LF behind the size": b"5\nhello\r\n" + END,
    "a bare CR behind the size": b"5\rhello\r\n" + END,
    "LF CR behind the size": b"5\n\rhello\r\n" + END,
    "CR CR LF behind the size": b"5\r\r\nhello\r\n" + END,
    "a bare LF behind the payload": b"5\r\nhello\n" + END,
    "a bare CR behind the payload": b"5\r\nhello\r" + END,
    "LF CR behind the payload": b"5\r\nhello\n\r" + END,
    "nothing behind the payload": b"5\r\nhello" + END,
    "two other octets behind the payload": b"5\r\nhelloXX" + END,
    "two line ends behind the payload": b"5\r\nhello\r\n\r\n" + END,
    "payload longer than its size": b"5\r\nhello!\r\n" + END,
    "payload shorter than its size": b"6\r\nhello\r\n" + END,
    "a bare LF behind the last chunk": b"5\r\nhello\r\n0\n\r\n",
    "a bare CR behind the last chunk": b"5\r\nhello\r\n0\r\rX",
    "a bare LF at the very end": b"5\r\nhello\r\n0\r\n\n",
    "a bare CR at the very end": b"5\r\nhello\r\n0\r\n\rX",
    "bare LFs throughout": b"5\nhello\n0\n\n",
    "a blank in the last chunk": b"5\r\nhello\r\n0 \r\n\r\n",
    "an empty line before the size": b"\r\n5\r\nhello\r\n" + END,
    "size and a smuggled request behind LF": b"5\r\nhello\r\n0\n\n" + SMUGGLED,
}.items():
    _T.refused(_name, chunked(_body), begun=True)
for _name, _body in {
    "the body ends in the size": b"5",
    "the body ends in the payload": b"5\r\nhel",
    "the body ends behind the payload": b"5\r\nhello",
    "the body ends behind a chunk": b"5\r\nhello\r\n",
    "the body ends in the last chunk": b"5\r\nhello\r\n0\r\n",
    "2^32 + 5, and the body ends early": b"100000005\r\nhello\r\n" + END,
}.items():
    _T.refused(_name, chunked(_body), fin=True, begun=True, rfc="9112 §8")

EXTENSIONS = RequestTable(
    "chunk extensions",
    "9112 §7.1.1",
    "Extensions end here. Line ends inside them are the newest way to hide a request (one reader ends the line at a "
    "bare LF, another reads on), so every control octet in them is refused.",
)
_T = EXTENSIONS
for _name, _extension in {
    "a name": b";a",
    "a name and a value": b";a=b",
    "a quoted value": b';a="b c"',
    "a semicolon in quotes": b';a="b;c"',
    "several": b";a=b;c;d=e",
    "blanks around it": b" ; a=b",
    "no name": b";",
    "an octet beyond ASCII": b";a=\xe9",
    "a quote that does not end": b';a="b',
}.items():
    _T.passed(_name, chunked(b"5%b\r\nhello\r\n0%b\r\n\r\n" % (_extension, _extension)), FIVE)
_T.passed("2,000 octets", chunked(b"5;a=%b\r\nhello\r\n" % (b"x" * 2000) + END), FIVE)
_HIDING = b"5;%b\r\nhello\r\n" + END
for _name, _extension in {
    "a bare LF": b"\n",
    "a bare LF behind a name": b"a\n",
    "a bare LF, then a chunk": b"a\n5\r\nhello\r\n0\r\n\r\n",
    "a bare CR": b"\r",
    "a bare CR behind a name": b"a\rb",
    "a bare CR, then a chunk": b"a\r5\rhello",
    "CR CR LF": b"a\r",
    "NUL": b"a\x00b",
    "VT": b"a\x0bb",
    "DEL": b"a\x7fb",
    "a bare LF in quotes": b'a="\n"',
    "a bare CR in quotes": b'a="\r"',
}.items():
    _T.refused(_name, chunked(_HIDING % _extension), begun=True)
_T.refused("a bare LF in that of the last chunk", chunked(b"5\r\nhello\r\n0;a\n\r\n"), begun=True)
_T.refused("no semicolon", chunked(b"5 a=b\r\nhello\r\n" + END), begun=True)
_T.refused("a comma for the semicolon", chunked(b"5,a=b\r\nhello\r\n" + END), begun=True)
_T.refused("8 KiB", chunked(b"5;a=%b\r\nhello\r\n" % (b"x" * 8192) + END), begun=True)
_T.refused("4,000 octets on every octet of payload", chunked(b"1;%b\r\nx\r\n" % (b"e" * 4000) * 30 + END), begun=True)
_T.refused(
    "a request in the line that a bare LF begins",
    chunked(b"2;\nxx\r\n%x\r\n0\r\n\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED) + 5, SMUGGLED)), begun=True,
)  # fmt: skip

TRAILERS = RequestTable(
    "trailers",
    "9110 §6.5.1",
    "Trailers pass, but for those that frame, route, authenticate or say who the client is: a reader may merge them "
    "into the head. Their lines are judged as strictly as those of a head.",
)
_T = TRAILERS
_END = b"5\r\nhello\r\n0\r\n%b\r\n"


def _with(*lines: bytes) -> bytes:
    return chunked(_END % b"".join(line + b"\r\n" for line in lines))


_T.passed("one", _with(b"X-Checksum: abc"))
_T.passed("several, and their order", _with(b"X-A: 1", b"X-B: 2", b"X-A: 3"))
_T.passed("announced", chunked(_END % b"X-Checksum: abc\r\n", b"Trailer: X-Checksum"))
_T.passed("blanks around the value", _with(b"X-Checksum: \t abc \t"), _with(b"X-Checksum: abc"))
_T.passed("no value", _with(b"X-Checksum:"))
_T.passed("octets beyond ASCII", _with("X-Name: 医院".encode()))
for _field in (
    b"Content-Length: 99", b"Transfer-Encoding: chunked", b"Host: evil.example", b"Connection: close", b"Upgrade: h2c",
    b"Content-Type: text/html", b"Content-Encoding: gzip", b"Content-Range: bytes 0-1/2", b"Authorization: Basic eDp4",
    b"Cookie: a=b", b"Set-Cookie: a=b", b"Cache-Control: no-store", b"Expect: 100-continue", b"Max-Forwards: 1",
    b"If-Match: *", b"If-Modified-Since: x", b"Range: bytes=0-1", b"TE: trailers", b"Trailer: X", b"Via: 1.1 x",
    b"Proxy-Authorization: x", b"X-Request-Id: forged", b"Keep-Alive: 5", b"Proxy-Connection: close",
):  # fmt: skip
    _T.passed(
        f"{_field.partition(b':')[0].decode()} is removed", _with(_field, b"X-Checksum: 1"), _with(b"X-Checksum: 1")
    )
for _name, _line in {
    "blank before the colon": b"X-A : 1",
    "blank before the name": b" X-A: 1",
    "no colon": b"X-A",
    "no name": b": 1",
    "a name that is no token": b"X(A: 1",
    "NUL in the value": b"X-A: \x00",
    "a bare LF": b"X-A: 1\nX-B: 2",
    "a bare CR": b"X-A: 1\rX-B: 2",
    "a control octet": b"X-A: \x01",
}.items():
    _T.refused(_name, _with(_line), begun=True, rfc="9112 §5")
_T.refused("a folded line", _with(b"X-A: 1", b" 2"), begun=True, rfc="9112 §5.2")
_T.refused("129 lines", _with(*[b"X-A: 1"] * 129), begun=True, rfc="9112 §7.1.2")
_T.refused("more than 16 KiB", _with(b"X-A: " + b"a" * 17_000), begun=True, rfc="9112 §7.1.2")
_T.refused("the body ends in a trailer", chunked(b"5\r\nhello\r\n0\r\nX-A: 1\r\n"), begun=True, fin=True, rfc="9112 §8")
