from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http1.lookalikes import allowed_in_trailer, claims_identity, fold, sound_request_id

IDENTITY = [
    b"X-Institution-Id",
    b"X-Institution-Name",
    b"X-Institution",
    b"Client-Cert",
    b"Client-Cert-Chain",
    b"X-Forwarded-For",
    b"X-Forwarded-Proto",
    b"X-Forwarded-Host",
    b"X-Forwarded-Client-Cert",
    b"X-Forwarded-Tls-Client-Cert-Info",
    b"X-Forwarded-Anything",
    b"Forwarded",
    b"X-Real-IP",
    b"X-SSL-Client-S-DN",
    b"SSL-Client-Verify",
    b"X-Client-Cert",
    b"X-Client-Verify",
    b"X-Client-DN",
    b"X-ARR-ClientCert",
    b"WL-Proxy-Client-Cert",
    b"WL-Proxy-SSL",
    b"Proxy-Client-IP",
    b"True-Client-IP",
    b"CF-Connecting-IP",
    b"HTTP_CLIENT_IP",
    b"HTTP_X_FORWARDED_FOR",
    b"Remote-User",
    b"Proxy",
    b"X-Original-URL",
    b"X-Rewrite-URL",
    b"SCRIPT_NAME",
    b"Path-Info",
    b"X-Script-Name",
]
HARMLESS = [
    b"X-Client-Version",
    b"Client-Version",
    b"X-Forward",
    b"Via",
    b"User-Agent",
    b"X-Real-Estate",
    b"Authorization",
    b"Institution",
    b"Accept",
    b"X-Request-Id",
    b"Sec-WebSocket-Key",
]
PUNCTUATION = b"-_.!#$%&'*+^`|~"


@pytest.mark.parametrize("name", IDENTITY, ids=bytes.decode)
def test_claims_identity(name: bytes) -> None:
    assert claims_identity(fold(name))


@pytest.mark.parametrize("name", HARMLESS, ids=bytes.decode)
def test_harmless(name: bytes) -> None:
    assert not claims_identity(fold(name))


@st.composite
def spellings(draw: st.DrawFn) -> bytes:
    """An identity field as some adapter might still understand it."""
    name = draw(st.sampled_from(IDENTITY))
    return b"".join(
        bytes([draw(st.sampled_from(PUNCTUATION))])
        if octet in b"-_"
        else draw(st.sampled_from([bytes([octet]).lower(), bytes([octet]).upper()]))
        for octet in name
    )


@given(spellings())
def test_no_spelling_escapes(name: bytes) -> None:
    assert claims_identity(fold(name))


@pytest.mark.parametrize("name", [b"Content-Digest", b"Server-Timing", b"X-Checksum", b"ETag"])
def test_plain_trailers_pass(name: bytes) -> None:
    assert allowed_in_trailer(fold(name))


@pytest.mark.parametrize(
    "name",
    [
        b"Content-Length",
        b"content_length",
        b"Transfer-Encoding",
        b"Host",
        b"Trailer",
        b"Connection",
        b"TE",
        b"Upgrade",
        b"Keep-Alive",
        b"Authorization",
        b"Proxy-Authorization",
        b"Cookie",
        b"Set-Cookie",
        b"Content-Type",
        b"Content-Encoding",
        b"If-Match",
        b"Range",
        b"Expect",
        b"X-Request-Id",
        *IDENTITY,
    ],
    ids=bytes.decode,
)
def test_trailers_that_a_reader_could_obey_do_not(name: bytes) -> None:
    assert not allowed_in_trailer(fold(name))


@pytest.mark.parametrize(
    ("value", "sound"),
    [
        (b"a", True),
        (b"8f14.e4_5-F", True),
        (b"x" * 128, True),
        (b"", False),
        (b"x" * 129, False),
        (b"a b", False),
        (b"a/b", False),
        (b"a\xe4", False),
        (b"a\n", False),
        (b"<b>", False),
    ],
    ids=repr,
)
def test_request_ids(value: bytes, sound: bool) -> None:
    assert sound_request_id(value) is sound
