"""Field lines: names are tokens, values are text, lines end in CRLF and are not folded."""

from __future__ import annotations

from tests.conformance.case import RequestTable, get, head

NAMES = RequestTable(
    "field names",
    "9110 §5.1",
    "A name is a token, right before its colon. Whatever else one reader may skip or cut off hides a field from "
    "another.",
)
_T = NAMES
_T.passed("unknown ones pass", get(b"X-Anything: 1"))
_T.passed("every octet of a token", get(b"!#$%&'*+-.^_`|~09azAZ: 1"))
_T.passed("a thousand octets", get(b"X" * 1000 + b": 1"))
_T.passed("digits first", get(b"1-A: 1"))
for _name, _line in {
    "blank before the colon": b"X : 1",
    "two blanks before the colon": b"X  : 1",
    "tab before the colon": b"X\t: 1",
    "VT before the colon": b"X\x0b: 1",
    "no name": b": 1",
    "a blank for a name": b" : 1",
    "no colon": b"X",
    "no colon and a blank": b"X 1",
    "a blank inside": b"X A: 1",
    "NUL": b"X\x00A: 1",
    "a control octet": b"X\x01A: 1",
    "DEL": b"X\x7fA: 1",
    "an octet beyond ASCII": b"X\xe9: 1",
    "UTF-8": "医院: 1".encode(),
    "a bracket": b"X(A): 1",
    "a comma": b"X,A: 1",
    "a slash": b"X/A: 1",
    "a semicolon": b"X;A: 1",
    "an equals sign": b"X=A: 1",
    "a question mark": b"X?A: 1",
    "an at sign": b"X@A: 1",
    "a square bracket": b"X[A]: 1",
    "a backslash": b"X\\A: 1",
    "a brace": b"X{A}: 1",
    "quotes": b'"X": 1',
    "a bare CR": b"X\rA: 1",
}.items():
    _T.refused(_name, get(_line), rfc="9112 §5.1" if "before the colon" in _name else "")

VALUES = RequestTable(
    "field values",
    "9110 §5.5",
    "Control octets are refused, not replaced. Folded lines are refused: whoever does not unfold them sees another "
    "field.",
)
_T = VALUES
_T.passed("octets beyond ASCII", get("X: 医院".encode()))
_T.passed("every octet of a value", get(b"X: " + bytes(range(0x21, 0x7F)) + bytes(range(0x80, 0x100))))
_T.passed("blanks and tabs inside", get(b"X: a \t b"))
_T.passed("blanks and tabs around", get(b"X: \t a \t"), get(b"X: a"))
_T.passed("nothing before it", get(b"X:a"), get(b"X: a"))
_T.passed("no value", get(b"X:"))
_T.passed("blanks only", get(b"X: \t "), get(b"X:"))
_T.passed("a colon", get(b"X: a: b"))
_T.passed("a comma", get(b"X: a, b"))
_T.passed("20,000 octets", get(b"X: " + b"a" * 20_000))
_T.passed("the same name again, and its order", get(b"X: 1", b"Y: 2", b"X: 3", b"x: 4"), rfc="9110 §5.3")
_T.passed("two cookies are not joined", get(b"Cookie: a=1", b"Cookie: b=2"), rfc="9110 §5.3")
for _name, _value in {
    "NUL": b"a\x00b",
    "NUL alone": b"\x00",
    "a control octet": b"a\x01b",
    "BEL": b"a\x07b",
    "BS": b"a\x08b",
    "VT": b"a\x0bb",
    "FF": b"a\x0cb",
    "VT before it": b"\x0ba",
    "FF behind it": b"a\x0c",
    "ESC": b"a\x1bb",
    "US": b"a\x1fb",
    "DEL": b"a\x7fb",
    "a bare CR": b"a\rb",
    "a bare CR before it": b"\ra",
    "a bare CR behind it": b"a\r",
    "a bare LF": b"a\nb",
    "a bare LF and a field": b"a\nY: 1",
    "LF CR and a field": b"a\n\rY: 1",
}.items():
    _T.refused(_name, get(b"X: " + _value))
_T.refused("folded by a blank", get(b"X: a", b" b"), rfc="9112 §5.2")
_T.refused("folded by a tab", get(b"X: a", b"\tb"), rfc="9112 §5.2")
_T.refused("folded, a field in the fold", get(b"X: a", b" Y: b"), rfc="9112 §5.2")
_T.refused("folded, nothing in the fold", get(b"X: a", b" "), rfc="9112 §5.2")
_T.refused("folded twice", get(b"X: a", b" b", b" c"), rfc="9112 §5.2")
_T.refused("folded at the end of the head", get(b"X: a", b"\t"), rfc="9112 §5.2")
_T.refused("a whole head in folds", head(b"GET /case HTTP/1.1", b" Host: h.example"), rfc="9112 §5.2")

LINE_ENDS = RequestTable(
    "line ends in a head",
    "9112 §2.2",
    "RFC 9112 lets a recipient take a bare LF for a line end. A reader that does and one that does not see two "
    "messages, so it is refused.",
)
_T = LINE_ENDS
_HEAD = b"GET /case HTTP/1.1\r\nHost: h.example\r\nX: 1"
_T.passed("CRLF", _HEAD + b"\r\n\r\n")
for _name, _end in {
    "two bare LFs at the end": b"\n\n",
    "CRLF and a bare LF at the end": b"\r\n\n",
    "a bare LF and CRLF at the end": b"\n\r\n",
    "two bare CRs at the end": b"\r\r",
    "CR CR LF at the end": b"\r\r\n",
    "LF CR at the end": b"\n\r\n\r",
    "CRLF and a bare CR at the end": b"\r\n\rX",
    "CRLF and CR CR LF at the end": b"\r\n\r\r\n",
    "bare LF behind a field": b"\nY: 1\r\n\r\n",
    "NUL at the end": b"\r\n\x00\r\n",
    "a blank before the end": b"\r\n \r\n\r\n",
}.items():
    _T.refused(_name, _HEAD + _end)
_T.refused("bare LFs throughout", b"GET /case HTTP/1.1\nHost: h.example\n\n")
_T.refused("bare CRs throughout", b"GET /case HTTP/1.1\rHost: h.example\r\r")
