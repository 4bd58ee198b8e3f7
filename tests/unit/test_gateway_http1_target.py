from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest
from gateway.http1.target import Target, parse_authority, parse_target


@pytest.mark.parametrize(
    ("raw", "target", "path", "authority"),
    [
        (b"/", b"/", b"/", None),
        (b"/a/b?c=d?e", b"/a/b?c=d?e", b"/a/b", None),
        (b"/a;b=c/d", b"/a;b=c/d", b"/a;b=c/d", None),
        (b"/a//b", b"/a//b", b"/a//b", None),
        (b"/%E7%90%86", b"/%E7%90%86", b"/%E7%90%86", None),
        (b"/.well-known/x", b"/.well-known/x", b"/.well-known/x", None),
        (b"/a.b..c/...", b"/a.b..c/...", b"/a.b..c/...", None),
        (b"/a?b=../../c&d=%zz\\", b"/a?b=../../c&d=%zz\\", b"/a", None),
        (b"/100%25", b"/100%25", b"/100%25", None),
        (b"/a%2Fb", b"/a%2Fb", b"/a%2Fb", None),
        (b"/%c0%ae%b5", b"/%c0%ae%b5", b"/%c0%ae%b5", None),
        (b"http://H.example", b"/", b"/", b"h.example"),
        (b"HTTPS://h:8443/a?b", b"/a?b", b"/a", b"h:8443"),
        (b"http://h?b=/c", b"/?b=/c", b"/", b"h"),
        (b"http://[::1]:80/x", b"/x", b"/x", b"[::1]:80"),
    ],
    ids=repr,
)
def test_targets(raw: bytes, target: bytes, path: bytes, authority: bytes | None) -> None:
    assert parse_target(b"GET", raw) == Target(target, path, authority)


def test_asterisk_is_for_options() -> None:
    assert parse_target(b"OPTIONS", b"*") == Target(b"*", b"*", None)
    assert parse_target(b"OPTIONS", b"http://h") == Target(b"*", b"*", b"h")
    assert parse_target(b"OPTIONS", b"http://h/") == Target(b"/", b"/", b"h")
    with pytest.raises(BadRequest):
        parse_target(b"GET", b"*")


BAD_TARGETS = {
    "empty": b"",
    "relative": b"a/b",
    "authority-form": b"h.example:443",
    "other-scheme": b"ftp://h/",
    "network-path": b"//host/a",
    "network-path-in-absolute-form": b"http://h//host/a",
    "scheme-only": b"http:/h/",
    "no-authority": b"http:///a",
    "user-in-authority": b"http://user@h/",
    "fragment": b"/a#b",
    "fragment-in-query": b"/a?b#c",
    "space": b"/a b",
    "control": b"/a\x01",
    "delete": b"/a\x7f",
    "raw-utf8": "/理".encode(),
    "lone-percent": b"/a%",
    "short-escape": b"/a%2",
    "bad-escape": b"/a%zz",
    "iis-escape": b"/%u002e%u002e/",
    "nul": b"/a%00",
    "encoded-lf": b"/a%0a",
    "encoded-delete": b"/a%7F",
    "back-slash": b"/a\\b",
    "encoded-back-slash": b"/a%5Cb",
    "dot": b"/.",
    "dot-slash": b"/./a",
    "dots": b"/..",
    "dots-inside": b"/a/../b",
    "dots-at-end": b"/a/..",
    "dots-before-query": b"/a/..?b",
    "encoded-dots": b"/%2e%2E/",
    "half-encoded-dots": b"/.%2e/a",
    "half-encoded-dots-2": b"/%2e./a",
    "one-encoded-dot": b"/a/%2e",
    "dots-parameter": b"/..;/a",
    "dots-parameter-2": b"/a/..;x=y/b",
    "dots-encoded-parameter": b"/..%3bx/b",
    "dots-encoded-slash": b"/a/..%2fb",
    "encoded-slash-dots": b"/a%2F..%2Fb",
    "parameter-hides-dots": b"/a;%2f../b",
    "double-encoded-dots": b"/%252e%252e/a",
    "thrice-encoded-dots": b"/%25252e%25252e/a",
    "double-encoded-slash": b"/..%252fa",
    "double-encoded-back-slash": b"/..%255ca",
    "overlong-dots": b"/%c0%ae%c0%ae/a",
    "overlong-slash": b"/..%c0%afa",
    "overlong-back-slash": b"/..%c1%9ca",
    "dots-in-absolute": b"http://h/../a",
}


@pytest.mark.parametrize("raw", BAD_TARGETS.values(), ids=BAD_TARGETS)
def test_bad_targets(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_target(b"GET", raw)


PIECES = [b"a", b".", b"..", b"%2e", b"%2E", b"/", b"%2f", b";", b"%3B", b"%25", b"2e", b"2f", b"%5c", b"%c0%ae"]


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_no_reading_of_an_accepted_path_climbs(pieces: list[bytes]) -> None:
    """Whatever order a node decodes, cuts parameters and splits in: no segment is a dot segment."""
    raw = b"/" + b"".join(pieces)
    try:
        path = parse_target(b"GET", raw).path
    except BadRequest:
        return
    for _ in range(3):
        for cut in (path, b"/".join(part.partition(b";")[0] for part in path.split(b"/"))):
            segments = cut.replace(b"\\", b"/").split(b"/")
            assert not {b".", b".."} & {segment.partition(b";")[0] for segment in segments}
        path = _decode(path)


def _decode(path: bytes) -> bytes:
    for code, plain in ((b"2e", b"."), (b"2f", b"/"), (b"3b", b";"), (b"5c", b"\\")):
        path = path.replace(b"%" + code, plain).replace(b"%" + code.upper(), plain)
    return path.replace(b"%c0%ae", b".").replace(b"%25", b"%")


@pytest.mark.parametrize(
    ("value", "authority"),
    [
        (b"h", b"h"),
        (b"H.Example", b"h.example"),
        (b"h.example.", b"h.example."),
        (b"my_host-1", b"my_host-1"),
        (b"127.0.0.1:8443", b"127.0.0.1:8443"),
        (b"h:", b"h:"),
        (b"h:65535", b"h:65535"),
        (b"[::1]", b"[::1]"),
        (b"[FE80::1]:443", b"[fe80::1]:443"),
        (b"[::ffff:1.2.3.4]", b"[::ffff:1.2.3.4]"),
    ],
    ids=repr,
)
def test_authorities(value: bytes, authority: bytes) -> None:
    assert parse_authority(value) == authority


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b":443",
        b"h:65536",
        b"h:123456",
        b"h:8a",
        b"h:-1",
        b"h:80:80",
        b"h/",
        b"h?x",
        b"h#x",
        b"u@h",
        b"u:p@h",
        b"a b",
        b"a,b",
        b"a%62",
        b"::1",
        b"[::1",
        b"[::1]x",
        b"[]",
        b"[1:2]",
        b"[fe80::1%25eth0]",
        b"[v1.x]",
        "例子".encode(),
        b"h\t",
        b"<h>",
        b"h\n",
    ],
    ids=repr,
)
def test_bad_authorities(value: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_authority(value)
