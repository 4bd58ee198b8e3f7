"""Where answers end, too early or too late."""

from __future__ import annotations

from tests.conformance.case import ResponseTable, answer, get

OK = answer(b"Content-Length: 2", body=b"ok")
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
TE = b"Transfer-Encoding: chunked"
CHUNKED = answer(TE, body=b"2\r\nok\r\n0\r\n\r\n")
HEAD = get(method=b"HEAD")

WITHOUT_BODY = ResponseTable(
    "answers without a body",
    "9112 §6.3",
    "1xx, 204, 304 and answers to HEAD end with their head, whatever they announce. A node that sends framing fields "
    "where none may stand is not trusted with the connection.",
)
_T = WITHOUT_BODY
_T.passed("204", answer(status=b"204 No Content"))
# Their connections are not used again: a faulty node sends a body behind them, and it may come late.
_T.passed("304", answer(b"ETag: x", status=b"304 Not Modified"), reused=False)
_T.passed(
    "304 with the length of what it stands for",
    answer(b"Content-Length: 5000", status=b"304 Not Modified"),
    reused=False,
)
_T.passed("HEAD with a length", answer(b"Content-Length: 5000"), asked=HEAD, reused=False)
_T.passed("HEAD without a length", answer(), asked=HEAD, reused=False)
_T.passed("HEAD, chunked", answer(TE), answer(), asked=HEAD, reused=False)
_T.passed(
    "204 with Content-Length: 0",
    answer(b"Content-Length: 0", status=b"204 No Content"),
    answer(status=b"204 No Content"),
)
_T.passed(
    "204 with a length",
    answer(b"Content-Length: 4", status=b"204 No Content"),
    answer(status=b"204 No Content"),
    reused=False,
    rfc="9110 §8.6",
)
_T.passed(
    "204, chunked",
    answer(TE, status=b"204 No Content"),
    answer(status=b"204 No Content"),
    reused=False,
    rfc="9112 §6.1",
)
_T.passed("205 with an empty body", answer(b"Content-Length: 0", status=b"205 Reset Content"), rfc="9110 §15.3.6")

SURPLUS = ResponseTable(
    "octets behind an answer",
    "9112 §6.3",
    "What a node sends unasked would be read as the answer to the next request, perhaps another institution's. The "
    "connection to the node ends with the answer.",
)
_T = SURPLUS
for _name, _more in {
    "a whole answer": EVIL,
    "one octet": b"!",
    "a line end": b"\r\n",
    "a last chunk": b"0\r\n\r\n",
}.items():
    _T.passed(f"{_name} behind a length", OK, surplus=_more)
    _T.passed(f"{_name} behind chunks", CHUNKED, surplus=_more)
_T.passed("behind 204", answer(status=b"204 No Content"), surplus=EVIL)
_T.passed("behind 304", answer(status=b"304 Not Modified"), surplus=EVIL)
_T.passed("behind 304 with a length", answer(b"Content-Length: 4", status=b"304 Not Modified"), surplus=b"evil")
_T.passed(
    "a body of 204",
    answer(b"Content-Length: 4", status=b"204 No Content"),
    answer(status=b"204 No Content"),
    surplus=b"evil",
)
_T.passed("a body for HEAD", answer(b"Content-Length: 4"), surplus=b"evil", asked=HEAD)
_T.passed("a chunked body for HEAD", answer(TE), answer(), surplus=b"4\r\nevil\r\n0\r\n\r\n", asked=HEAD)
_T.passed("a second answer behind Content-Length: 0", answer(b"Content-Length: 0"), surplus=EVIL)

ENDINGS = ResponseTable(
    "ends of answers",
    "9112 §8",
    "An answer that its node did not finish is never finished by the gateway: the client sees a cut connection, "
    "without the last chunk and without close_notify.",
)
_T = ENDINGS
_T.passed("until the connection ends", answer(body=b"ok"), CHUNKED, then="close", rfc="9112 §6.3")
_T.passed("until the connection ends, nothing", answer(), answer(TE, body=b"0\r\n\r\n"), then="close", rfc="9112 §6.3")
_T.passed(
    "Connection: close and a length",
    answer(b"Connection: close", b"Content-Length: 2", body=b"ok"),
    OK,
    reused=False,
    rfc="9112 §9.6",
)
_T.passed(
    "Connection: close and chunks",
    answer(b"Connection: close", TE, body=b"2\r\nok\r\n0\r\n\r\n"),
    CHUNKED,
    reused=False,
    rfc="9112 §9.6",
)
_T.passed("a length, then the end", OK, then="close", rfc="9112 §9.6")
_T.passed("chunks, then the end", CHUNKED, then="close", rfc="9112 §9.6")
for _then in ("close", "reset"):
    _T.cut(f"a length, {_then} before it", answer(b"Content-Length: 20", body=b"ok"), then=_then)
    _T.cut(f"a length, {_then} before the body", answer(b"Content-Length: 20"), then=_then)
    _T.cut(f"chunks, {_then} in a chunk", answer(TE, body=b"9\r\nok"), then=_then)
    _T.cut(f"chunks, {_then} behind a chunk", answer(TE, body=b"2\r\nok\r\n"), then=_then)
    _T.cut(f"chunks, {_then} in the last chunk", answer(TE, body=b"2\r\nok\r\n0\r\n"), then=_then)
    _T.cut(f"chunks, {_then} in a trailer", answer(TE, body=b"2\r\nok\r\n0\r\nX-A: 1\r\n"), then=_then)
_T.cut("until the connection ends, reset", answer(body=b"ok"), then="reset")
