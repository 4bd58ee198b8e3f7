"""Which field names could be taken for something only the gateway may say.

A node believes X-Institution-Id, Client-Cert and X-Forwarded-For because the gateway wrote them. CGI, WSGI
and servlet adapters fold every punctuation mark of a name into one, so `X_Institution.Id` arrives as the same
variable; hence all comparisons are made on folded names.
"""

from __future__ import annotations

import re
from typing import Final

_PUNCTUATION = b"!#$%&'*+.^_`|~"
_FOLD = bytes.maketrans(
    _PUNCTUATION + b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    b"-" * len(_PUNCTUATION) + b"abcdefghijklmnopqrstuvwxyz",
)

FRAMING: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""Another spelling of these (`Content_Length`) is refused: a folding reader would frame by it."""

HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Say something about one connection only and end here (RFC 9110 section 7.6.1)."""

IDENTITY = frozenset(
    {
        b"cf-connecting-ip",
        b"cf-connecting-ipv6",
        b"client-ip",
        b"fastly-client-ip",
        b"forwarded",
        b"forwarded-for",
        b"institution-id",
        b"proxy",  # becomes HTTP_PROXY in a CGI environment, which many clients obey
        b"remote-addr",
        b"remote-user",
        b"true-client-ip",
        b"x-arr-clientcert",
        b"x-authenticated-user",
        b"x-azure-clientip",
        b"x-client-ip",
        b"x-clientcert",
        b"x-cluster-client-ip",
        b"x-envoy-external-address",
        b"x-forwarded",
        b"x-original-forwarded-for",
        b"x-originating-ip",
        b"x-proxy-user",
        b"x-real-ip",
        b"x-remote-addr",
        b"x-remote-ip",
        b"x-remote-user",
        # Some frameworks take the path or the host from these: the route was authorised by the real ones.
        b"path-info",
        b"script-name",  # gunicorn cuts it off the path
        b"x-host",
        b"x-http-host-override",
        b"x-original-host",
        b"x-original-uri",
        b"x-original-url",
        b"x-rewrite-url",
        b"x-script-name",
        # Single sign-on in front of application servers: Access Manager, SiteMinder, and what proxies of theirs add.
        b"x-proxied-https",
        b"x-webauth-user",
    }
)
IDENTITY_PREFIXES = (
    b"-ws",  # WebSphere's plug-in: $WSCC is the certificate, $WSRU the user
    b"client-cert",
    b"iv-",
    b"proxy-auth-cert",
    b"proxy-client-",
    b"proxy-ssl-",
    b"sm-",
    b"ssl-",
    b"tls-client-",
    b"wl-proxy-",
    b"x-amzn-mtls-",
    b"x-arr-ssl",
    b"x-auth-request-",
    b"x-client-cert",
    b"x-client-dn",
    b"x-client-fingerprint",
    b"x-client-i-dn",
    b"x-client-issuer",
    b"x-client-s-dn",
    b"x-client-serial",
    b"x-client-ssl",
    b"x-client-subject",
    b"x-client-verif",
    b"x-forwarded-",
    b"x-institution",
    b"x-proxyuser-",
    b"x-ssl-",
    b"x-tls-",
)

_TRAILER_FORBIDDEN = frozenset(
    {
        b"age",
        b"authorization",
        b"cache-control",
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-location",
        b"content-range",
        b"content-type",
        b"cookie",
        b"date",
        b"expect",
        b"expires",
        b"location",
        b"max-forwards",
        b"pragma",
        b"range",
        b"retry-after",
        b"set-cookie",
        b"trailer",
        b"vary",
        b"via",
        b"warning",
        b"www-authenticate",
        b"x-request-id",
    }
)

_SOUND_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


def fold(name: bytes) -> bytes:
    """The name as an adapter that cannot tell cases and punctuation apart would see it."""
    return name.translate(_FOLD)


def claims_identity(folded: bytes) -> bool:
    """Whether a client's field of this folded name could pass for the gateway's word about the client.

    `HTTP_CLIENT_IP` and its like are CGI variables sent as header fields; much Java code asks for them.
    """
    name = folded.removeprefix(b"http-")
    return name in IDENTITY or name.startswith(IDENTITY_PREFIXES)


def allowed_in_trailer(folded: bytes) -> bool:
    """Whether a trailer of this folded name may pass: nothing that frames, routes, authenticates or
    describes the content (RFC 9110 section 6.5.1), for a reader that merges trailers into the head."""
    return not (
        folded in FRAMING
        or folded in HOP_BY_HOP
        or folded in _TRAILER_FORBIDDEN
        or folded.startswith(b"if-")
        or claims_identity(folded)
    )


def sound_request_id(value: bytes) -> bool:
    """Whether a client's X-Request-Id is safe to log, to pass on and to answer with."""
    return _SOUND_REQUEST_ID.fullmatch(value) is not None
