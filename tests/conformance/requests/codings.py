"""Transfer-Encoding: `chunked`, alone and once, or nothing."""

from __future__ import annotations

from tests.conformance.case import HOST, SMUGGLED, RequestTable, chunked, get, head, post

END = b"0\r\n\r\n"
BOTH = END + SMUGGLED
"""For a reader of chunks an empty body and a further request; for a reader of lengths all of it is the body."""
LENGTH = b"Content-Length: %d" % len(BOTH)

CODINGS = RequestTable(
    "Transfer-Encoding",
    "9112 §6.1",
    "RFC 9112 lets a recipient take Transfer-Encoding and ignore Content-Length; a message with both is refused, "
    "because nobody honest sends it. Codings before `chunked` would have to be understood by every reader behind: "
    "501.",
)
_T = CODINGS
_T.passed("chunked", chunked(b"5\r\nhello\r\n" + END), rfc="9112 §7.1")
_T.passed("in capitals", post(b"Transfer-Encoding: CHUNKED", body=END), chunked(END), rfc="9112 §7")
_T.passed("in mixed case", post(b"tRANSFER-eNCODING: cHuNkEd", body=END), chunked(END), rfc="9112 §7")
_T.passed(
    "blanks and tabs around it", post(b"Transfer-Encoding: \t chunked\t ", body=END), chunked(END), rfc="9112 §5.1"
)
_T.passed("with GET", get(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n" + END, rfc="9110 §9.3.1")
_T.passed(
    "X-Transfer-Encoding is another field", post(b"X-Transfer-Encoding: chunked", b"Content-Length: 5", body=b"hello")
)
_T.passed("Content-Encoding is another field", post(b"Content-Encoding: chunked", b"Content-Length: 5", body=b"hello"))

_T.refused("behind a Content-Length (CL.TE)", post(LENGTH, b"Transfer-Encoding: chunked", body=BOTH), rfc="9112 §6.3")
_T.refused("before a Content-Length (TE.CL)", post(b"Transfer-Encoding: chunked", LENGTH, body=BOTH), rfc="9112 §6.3")
_T.refused(
    "with Content-Length: 0", post(b"Content-Length: 0", b"Transfer-Encoding: chunked", body=END), rfc="9112 §6.3"
)
_T.refused("with an invalid Content-Length", post(b"Content-Length: x", b"Transfer-Encoding: chunked", body=END))
_T.refused("in HTTP/1.0", head(b"POST /case HTTP/1.0", HOST, b"Transfer-Encoding: chunked") + END)
_T.refused(
    "in HTTP/1.0 with a Content-Length", head(b"POST /case HTTP/1.0", LENGTH, b"Transfer-Encoding: chunked") + BOTH
)
_T.refused("twice", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=END))
for _name, _value, _status in (
    ("twice in a list", b"chunked, chunked", 400),
    ("chunked, then identity", b"chunked, identity", 400),
    ("identity", b"identity", 400),
    ("identity, then chunked", b"identity, chunked", 501),
    ("gzip alone", b"gzip", 400),
    ("gzip, then chunked", b"gzip, chunked", 501),
    ("chunked, then gzip", b"chunked, gzip", 400),
    ("an unknown coding, then chunked", b"x, chunked", 501),
    ("an unknown coding", b"x", 400),
    ("no value", b"", 400),
    ("a comma", b",", 400),
    ("a comma before", b", chunked", 400),
    ("a comma behind", b"chunked,", 400),
    ("a parameter", b"chunked;q=1", 400),
    ("a blank and a parameter", b"chunked ;q=1", 400),
    ("quotes", b'"chunked"', 400),
    ("a letter before", b"xchunked", 400),
    ("a letter behind", b"chunkedx", 400),
    ("a blank inside", b"chun ked", 400),
    ("another word behind", b"chunked x", 400),
    ("VT before", b"\x0bchunked", 400),
    ("VT behind", b"chunked\x0b", 400),
    ("FF before", b"\x0cchunked", 400),
    ("NUL behind", b"chunked\x00", 400),
    ("a no-break blank before", b"\xa0chunked", 400),
    ("NEL behind", b"chunked\x85", 400),
    ("DEL behind", b"chunked\x7f", 400),
    ("a Kelvin sign for the k", "chun\u212aed".encode(), 400),
    ("CR before", b"\rchunked", 400),
    ("CR behind", b"chunked\r", 400),
    ("a backslash", b"chunked\\", 400),
):
    _T.refused(_name, post(b"Transfer-Encoding: " + _value, body=END), _status)

HIDDEN_CODINGS = RequestTable(
    "Transfer-Encoding, hidden",
    "9112 §6.1",
    "The TE.TE family: spellings that one of two proxies overlooks. With a Content-Length beside it, whoever "
    "overlooks it reads another body.",
)
for _name, _lines, _rfc in (
    ("blank before the colon", (b"Transfer-Encoding : chunked",), "9112 §5.1"),
    ("tab before the colon", (b"Transfer-Encoding\t: chunked",), "9112 §5.1"),
    ("CR before the colon", (b"Transfer-Encoding\r: chunked",), "9112 §2.2"),
    ("VT before the colon", (b"Transfer-Encoding\x0b: chunked",), "9110 §5.1"),
    ("NUL before the colon", (b"Transfer-Encoding\x00: chunked",), "9110 §5.1"),
    ("a no-break blank before the colon", (b"Transfer-Encoding\xa0: chunked",), "9110 §5.1"),
    ("a semicolon for the colon", (b"Transfer-Encoding; chunked",), "9112 §5"),
    ("no colon", (b"Transfer-Encoding chunked",), "9112 §5"),
    ("blank before the name", (b" Transfer-Encoding: chunked",), "9112 §5.2"),
    ("tab before the name", (b"\tTransfer-Encoding: chunked",), "9112 §5.2"),
    ("VT before the name", (b"\x0bTransfer-Encoding: chunked",), "9110 §5.1"),
    ("NUL before the name", (b"\x00Transfer-Encoding: chunked",), "9110 §5.1"),
    ("a blank in the name", (b"Transfer Encoding: chunked",), "9110 §5.1"),
    ("an octet beyond ASCII in the name", (b"Transfer-Encod\xefng: chunked",), "9110 §5.1"),
    ("an underscore", (b"Transfer_Encoding: chunked",), "9110 §17.10"),
    ("an underscore, capitals", (b"TRANSFER_ENCODING: chunked",), "9110 §17.10"),
    ("a dot", (b"Transfer.Encoding: chunked",), "9110 §17.10"),
    ("a value on the next line", (b"Transfer-Encoding:", b" chunked"), "9112 §5.2"),
    ("a value on the next line, by tab", (b"Transfer-Encoding:", b"\tchunked"), "9112 §5.2"),
    ("a folded value", (b"Transfer-Encoding: chun", b" ked"), "9112 §5.2"),
    ("a fold behind the value", (b"Transfer-Encoding: chunked", b" ", b"X: 1"), "9112 §5.2"),
    ("behind a bare LF", (b"X: 1\nTransfer-Encoding: chunked",), "9112 §2.2"),
    ("behind a bare CR", (b"X: 1\rTransfer-Encoding: chunked",), "9112 §2.2"),
    ("behind LF CR", (b"X: 1\n\rTransfer-Encoding: chunked",), "9112 §2.2"),
    ("value behind a bare LF", (b"Transfer-Encoding:\n chunked",), "9112 §2.2"),
    ("two, one of them identity", (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"), "9112 §6.1"),
    ("two, identity first", (b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"), "9112 §6.1"),
    ("two, one of them unknown", (b"Transfer-Encoding: chunked", b"Transfer-Encoding: cow"), "9112 §6.1"),
    ("two, one of them empty", (b"Transfer-Encoding: chunked", b"Transfer-Encoding:"), "9112 §6.1"),
    ("identity beside a length", (b"Transfer-Encoding: identity",), "9112 §6.3"),
    ("nothing beside a length", (b"Transfer-Encoding:",), "9112 §6.3"),
    ("gzip beside a length", (b"Transfer-Encoding: gzip",), "9112 §6.3"),
    ("named by Connection", (b"Transfer-Encoding: chunked", b"Connection: Transfer-Encoding"), "9110 §7.6.1"),
):
    HIDDEN_CODINGS.refused(_name, post(LENGTH, *_lines, body=BOTH), rfc=_rfc)
HIDDEN_CODINGS.refused(
    "blank before it in the first line",
    head(b"POST /case HTTP/1.1", b" Transfer-Encoding: chunked", HOST, LENGTH) + BOTH, rfc="9112 §2.2",
)  # fmt: skip
HIDDEN_CODINGS.refused(
    "in HTTP/1.0, with keep-alive",
    head(b"POST /case HTTP/1.0", HOST, LENGTH, b"Connection: keep-alive", b"Transfer-Encoding: chunked") + BOTH,
)
HIDDEN_CODINGS.passed(
    "TE: chunked is about the answer", post(b"TE: chunked", b"Content-Length: 5", body=b"hello"),
    post(b"Content-Length: 5", body=b"hello"), rfc="9110 §10.1.4",
)  # fmt: skip
