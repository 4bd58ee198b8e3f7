"""What a target may hold. The route was authorised by the path: nobody may read another one in it."""

from __future__ import annotations

from tests.conformance.case import RequestTable, get

TARGETS = RequestTable(
    "target",
    "9112 §3.2.1",
    "Path and query pass octet by octet. Refused is a path that resolves to another one (dot segments in any escape, "
    "backslashes, NUL) and any octet that must be escaped.",
)
_T = TARGETS
for _name, _target in {
    "a query": b"/case?a=b&c=d",
    "a question mark in the query": b"/case?a=b?c",
    "an empty query": b"/case?",
    "escapes stay as they are": b"/%63ase?%61=%62",
    "an escaped slash stays": b"/a%2Fb",
    "an escaped blank stays": b"/a%20b",
    "escapes beyond ASCII": b"/%E5%8C%BB%E9%99%A2",
    "two slashes inside": b"/a//b",
    "a slash at the end": b"/case/",
    "a matrix parameter": b"/a;v=1/b",
    "an equals sign and an at sign": b"/a=b@c",
    "sub-delims": b"/!$&'()*+,;=:",
    "a dot in a name": b"/a.b/.well-known/x..y",
    "a percent sign in the query": b"/case?100%",
    "a backslash in the query": b"/case?a\\b",
    "dots in the query": b"/case?../../x",
    "two slashes in the query": b"/case?//evil.example",
    "NUL in the query, escaped": b"/case?%00",
    "8,000 octets": b"/" + b"a" * 7999,
}.items():
    _T.passed(_name, get(target=_target), rfc="9112 §3" if "8,000" in _name else "")
for _name, _target in {
    "NUL": b"/ca\x00se",
    "a control octet": b"/ca\x01se",
    "VT": b"/ca\x0bse",
    "FF": b"/ca\x0cse",
    "ESC": b"/ca\x1bse",
    "DEL": b"/ca\x7fse",
    "an octet beyond ASCII": b"/ca\xe9se",
    "UTF-8": "/医院".encode(),
    "a fragment": b"/case#x",
    "NUL in the query": b"/case?\x00",
    "an octet beyond ASCII in the query": b"/case?\xe9",
    "a fragment behind the query": b"/case?a#x",
    "a dot segment": b"/./case",
    "two dots": b"/a/../case",
    "two dots at the end": b"/a/..",
    "two dots, escaped": b"/a/%2e%2e/case",
    "two dots, half escaped": b"/a/.%2E/case",
    "two dots, escaped twice": b"/a/%252e%252e/case",
    "two dots behind an escaped slash": b"/a%2f..%2fcase",
    "two dots and a matrix parameter": b"/a/..;/case",
    "two dots in overlong UTF-8": b"/a/%c0%ae%c0%ae/case",
    "a backslash": b"/a\\b",
    "a backslash, escaped": b"/a%5cb",
    "NUL, escaped": b"/a%00b",
    "CR LF, escaped": b"/a%0d%0aX:%201",
    "a percent sign that escapes nothing": b"/100%",
    "a percent sign and one digit": b"/%4",
    "no hexadecimal digits": b"/%zz",
    "Unicode by %u": b"/%u002e",
}.items():
    _T.refused(_name, get(target=_target), rfc="3986 §6.2.2" if "dot" in _name else "9112 §3.2")
