"""How an answer's body is framed: what a node says wrongly must not become the next client's answer."""

from __future__ import annotations

from tests.conformance.case import ResponseTable, answer

OK = answer(b"Content-Length: 2", body=b"ok")
END = b"0\r\n\r\n"
TE = b"Transfer-Encoding: chunked"
CHUNKED = answer(TE, body=b"2\r\nok\r\n" + END)

LENGTHS = ResponseTable(
    "Content-Length of an answer",
    "9112 §6.3",
    "An invalid length closes the connection to the node, and the client is told 502: RFC 9112 asks for just that.",
)
_T = LENGTHS
_T.passed("a number", OK)
_T.passed("zero", answer(b"Content-Length: 0"))
_T.passed("leading zeros", answer(b"Content-Length: 0002", body=b"ok"), OK)
_T.passed("twice, equal", answer(b"Content-Length: 2", b"Content-Length: 2", body=b"ok"), OK)
_T.passed("X-Content-Length is another field", answer(b"X-Content-Length: 9", b"Content-Length: 2", body=b"ok"))
for _name, _value in {
    "a plus sign": b"+2",
    "a minus sign": b"-2",
    "minus zero": b"-0",
    "an underscore": b"0_2",
    "hexadecimal": b"0x2",
    "a fraction": b"2.0",
    "a list of equals": b"2, 2",
    "a list of others": b"2, 3",
    "nothing": b"",
    "a word": b"two",
    "a blank inside": b"0 2",
    "a letter behind": b"2a",
    "full-width digits": "２".encode(),
    "NUL": b"2\x00",
    "VT": b"\x0b2",
    "2^63": b"9223372036854775808",
    "2^64 + 2": b"18446744073709551618",
}.items():
    _T.refused(_name, answer(b"Content-Length: " + _value, body=b"ok"))
_T.refused("twice, different", answer(b"Content-Length: 2", b"Content-Length: 3", body=b"ok!"))
_T.refused("twice, the other way round", answer(b"Content-Length: 3", b"Content-Length: 2", body=b"ok!"))
_T.refused(
    "twice, one in another spelling", answer(b"Content-Length: 2", b"Content_Length: 3", body=b"ok!"), rfc="9110 §17.10"
)
_T.refused("blank before the colon", answer(b"Content-Length : 2", body=b"ok"), rfc="9112 §5.1")
_T.refused("folded", answer(b"Content-Length:", b" 2", body=b"ok"), rfc="9112 §5.2")
_T.refused(
    "named by Connection", answer(b"Content-Length: 2", b"Connection: Content-Length", body=b"ok"), rfc="9110 §7.6.1"
)

CODINGS = ResponseTable(
    "Transfer-Encoding of an answer",
    "9112 §6.3",
    "As for requests: `chunked`, alone and once. Together with a length it is refused rather than guessed at.",
)
_T = CODINGS
_T.passed("chunked", CHUNKED)
_T.passed("in capitals", answer(b"TRANSFER-ENCODING: CHUNKED", body=b"2\r\nok\r\n" + END), CHUNKED)
_T.passed(
    "named by Connection",
    answer(TE, b"Connection: Transfer-Encoding", body=b"2\r\nok\r\n" + END),
    CHUNKED,
    rfc="9110 §7.6.1",
)
_T.refused("with a length", answer(b"Content-Length: 12", TE, body=b"2\r\nok\r\n" + END))
_T.refused("before a length", answer(TE, b"Content-Length: 2", body=b"2\r\nok\r\n" + END))
_T.refused("with a length of zero", answer(TE, b"Content-Length: 0", body=END))
_T.refused("twice", answer(TE, TE, body=END))
for _name, _value in {
    "twice in a list": b"chunked, chunked",
    "gzip, then chunked": b"gzip, chunked",
    "chunked, then gzip": b"chunked, gzip",
    "gzip": b"gzip",
    "identity": b"identity",
    "an unknown coding": b"xchunked",
    "nothing": b"",
    "a parameter": b"chunked;a=b",
    "quotes": b'"chunked"',
    "VT": b"\x0bchunked",
    "NUL": b"chunked\x00",
    "a comma behind": b"chunked,",
}.items():
    _T.refused(_name, answer(b"Transfer-Encoding: " + _value, body=END))
_T.refused("in another spelling", answer(b"Transfer_Encoding: chunked", body=END), rfc="9110 §17.10")
_T.refused("blank before the colon", answer(b"Transfer-Encoding : chunked", body=END), rfc="9112 §5.1")
_T.refused("folded", answer(b"Transfer-Encoding:", b" chunked", body=END), rfc="9112 §5.2")

CHUNKS = ResponseTable(
    "chunks of an answer",
    "9112 §7.1",
    "Decoded and encoded anew. An error in the middle cuts the client's connection without the last chunk, so that it"
    " sees an incomplete answer and no end that is none.",
)
_T = CHUNKS
_HEAD = answer(TE)
_HI = b"5\r\nhello\r\n"
_T.passed("several", answer(TE, body=b"1\r\no\r\n1\r\nk\r\n" + END), CHUNKED)
_T.passed("an extension", answer(TE, body=b"2;a=b\r\nok\r\n0;c\r\n\r\n"), CHUNKED, rfc="9112 §7.1.1")
_T.passed("leading zeros", answer(TE, body=b"0002\r\nok\r\n000\r\n\r\n"), CHUNKED)
_T.passed("none", answer(TE, body=END))
for _name, _body in {
    "a size with 0x": b"0x5\r\nhello\r\n" + END,
    "a size with a sign": b"+5\r\nhello\r\n" + END,
    "a size with an underscore": b"0_5\r\nhello\r\n" + END,
    "a size with a blank behind": b"5 \r\nhello\r\n" + END,
    "a size with a blank before": b" 5\r\nhello\r\n" + END,
    "no size": b"\r\nhello\r\n" + END,
    "a size of 2^64 + 5": b"10000000000000005\r\nhello\r\n" + END,
    "a bare LF behind the size": b"5\nhello\r\n" + END,
    "a bare LF in an extension": b"5;a\nhello\r\n" + END,
    "a bare CR in an extension": b"5;a\rb\r\nhello\r\n" + END,
    "payload longer than its size": b"4\r\nhello\r\n" + END,
    "nothing behind the payload": b"5\r\nhello" + END,
    "text for a size": b"nonsense\r\n",
    "a bare LF behind the last chunk": b"0\n\n",
    "an extension of 8 KiB": b"5;" + b"a" * 8192 + b"\r\nhello\r\n" + END,
}.items():
    _T.cut(f"{_name}, behind a good one", _HEAD + _HI + _body)

TRAILERS = ResponseTable(
    "trailers of an answer",
    "9110 §6.5.1",
    "Pass, but for those that frame or describe the answer. A trailer that is none cuts the answer.",
)
_T = TRAILERS


def _with(*lines: bytes) -> bytes:
    return answer(TE, body=b"2\r\nok\r\n0\r\n%b\r\n" % b"".join(line + b"\r\n" for line in lines))


_T.passed("one", _with(b"X-Checksum: 1"))
_T.passed("several, and their order", _with(b"X-A: 1", b"X-B: 2", b"X-A: 3"))
_T.passed("announced", answer(b"Trailer: X-A", TE, body=b"2\r\nok\r\n0\r\nX-A: 1\r\n\r\n"))
for _field in (
    b"Content-Length: 9", b"Transfer-Encoding: chunked", b"Set-Cookie: a=b", b"Connection: close", b"Upgrade: h2c",
    b"Content-Type: text/html", b"Content-Encoding: gzip", b"Location: /x", b"Cache-Control: no-store", b"Vary: *",
    b"WWW-Authenticate: Basic", b"Age: 1", b"Date: x",
):  # fmt: skip
    _T.passed(f"{_field.partition(b':')[0].decode()} is removed", _with(_field, b"X-A: 1"), _with(b"X-A: 1"))
for _name, _line in {
    "blank before the colon": b"X-A : 1",
    "no colon": b"X-A",
    "NUL in the value": b"X-A: \x00",
    "a bare LF": b"X-A: 1\nX-B: 2",
}.items():
    _T.cut(_name, _with(_line))
_T.cut("a folded line", _with(b"X-A: 1", b" 2"), rfc="9112 §5.2")
