"""Content-Length: one plain decimal number, once."""

from __future__ import annotations

from tests.conformance.case import HOST, SMUGGLED, RequestTable, get, head, post

LENGTHS = RequestTable(
    "Content-Length",
    "9112 §6.3",
    "A number that one reader takes and another does not is where one request becomes two. Lists, signs and repeated "
    "fields are refused even where RFC 9112 lets a recipient repair them.",
)
_T = LENGTHS

_T.passed("a number", post(b"Content-Length: 5", body=b"hello"))
_T.passed("zero", post(b"Content-Length: 0"))
_T.passed("none at all", post())
_T.passed("name in lower case", post(b"content-length: 5", body=b"hello"))
_T.passed(
    "blank and tab before it", post(b"Content-Length: \t 5", body=b"hello"), post(b"Content-Length: 5", body=b"hello")
)
_T.passed("no blank before it", post(b"Content-Length:5", body=b"hello"), post(b"Content-Length: 5", body=b"hello"))
_T.passed("blanks behind it", post(b"Content-Length: 5 \t ", body=b"hello"), post(b"Content-Length: 5", body=b"hello"))
_T.passed("leading zeros", post(b"Content-Length: 0005", body=b"hello"), post(b"Content-Length: 5", body=b"hello"))
_T.passed("a body with GET", get(b"Content-Length: 5") + b"hello", rfc="9110 §9.3.1")
_T.passed("a body with DELETE", get(b"Content-Length: 5", method=b"DELETE") + b"hello", rfc="9110 §9.3.5")
_T.passed("a body with HEAD", get(b"Content-Length: 5", method=b"HEAD") + b"hello", rfc="9110 §9.3.2")
_T.passed("a body with OPTIONS", get(b"Content-Length: 5", method=b"OPTIONS") + b"hello", rfc="9110 §9.3.7")
_T.passed(
    "X-Content-Length is another field",
    post(b"X-Content-Length: 99", b"Content-Length: 5", body=b"hello"),
)
_T.passed("a body that looks like a request", post(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED))

for _name, _value in {
    "a plus sign": b"+5",
    "a minus sign": b"-5",
    "minus zero": b"-0",
    "an underscore": b"1_0",
    "hexadecimal": b"0x5",
    "octal": b"0o5",
    "a fraction": b"5.0",
    "an exponent": b"5e0",
    "a blank inside": b"5 5",
    "a tab inside": b"5\t5",
    "a comma": b"5,5",
    "a list of equals": b"5, 5",
    "a list of others": b"5, 6",
    "an empty first member": b",5",
    "an empty last member": b"5,",
    "a semicolon": b"5;a=b",
    "quotes": b'"5"',
    "a letter behind": b"5a",
    "a letter before": b"a5",
    "no value": b"",
    "blanks only": b" \t ",
    "full-width digits": "５".encode(),
    "Arabic digits": "٥".encode(),
    "a superscript": b"\xb2",
    "NUL behind": b"5\x00",
    "VT before": b"\x0b5",
    "FF behind": b"5\x0c",
    "a no-break blank behind": b"5\xa0",
    "NEL behind": b"5\x85",
    "CR behind": b"5\r",
    "2^63": b"9223372036854775808",
    "2^64": b"18446744073709551616",
    "2^64 + 5": b"18446744073709551621",
    "minus 2^64 - 5": b"-18446744073709551611",
    "two hundred digits": b"1" * 200,
    "zeros beyond 19 digits": b"0" * 20 + b"5",
}.items():
    _T.refused(_name, post(b"Content-Length: " + _value, body=b"hello"))

_T.refused("twice, equal", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"))
_T.refused("twice, different", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"))
_T.refused("twice, the other way round", post(b"Content-Length: 6", b"Content-Length: 5", body=b"hello!"))
_T.refused("twice, other fields between", post(b"Content-Length: 0", b"X: 1", b"content-length: 5", body=b"hello"))
_T.refused("three times", post(*[b"Content-Length: 5"] * 3, body=b"hello"))
_T.refused("twice, zero", get(b"Content-Length: 0", b"Content-Length: 0"))
_T.refused("blank before the colon", post(b"Content-Length : 5", body=b"hello"), rfc="9112 §5.1")
_T.refused("tab before the colon", post(b"Content-Length\t: 5", body=b"hello"), rfc="9112 §5.1")
_T.refused(
    "blank before the name", head(b"POST /case HTTP/1.1", b" Content-Length: 5", HOST) + b"hello", rfc="9112 §2.2"
)
_T.refused("folded into the next line", post(b"Content-Length:", b" 5", body=b"hello"), rfc="9112 §5.2")
_T.refused("folded inside", post(b"Content-Length: 1", b" 0", body=b"hello"), rfc="9112 §5.2")
_T.refused("behind a bare LF", post(b"X: 1\nContent-Length: 5", body=b"hello"), rfc="9112 §2.2")
_T.refused("behind a bare CR", post(b"X: 1\rContent-Length: 5", body=b"hello"), rfc="9112 §2.2")
for _field in (b"Content_Length", b"Content.Length", b"CONTENT_LENGTH", b"Content~Length"):
    _T.refused(f"spelled {_field.decode()}", post(_field + b": 5", body=b"hello"), rfc="9110 §17.10")
_T.refused("a name that ends in NUL", post(b"Content-Length\x00: 5", body=b"hello"), rfc="9110 §5.1")
_T.refused("a name that ends in VT", post(b"Content-Length\x0b: 5", body=b"hello"), rfc="9110 §5.1")
_T.refused("the body ends early", post(b"Content-Length: 50", body=b"hello"), fin=True, begun=True, rfc="9112 §8")
_T.refused(
    "2^63 - 1, and the body ends early",
    post(b"Content-Length: 9223372036854775807", body=b"hello"), fin=True, begun=True, rfc="9112 §8",
)  # fmt: skip
