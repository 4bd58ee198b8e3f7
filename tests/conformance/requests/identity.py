"""Fields by which some node or framework believes who the client is. Only the gateway may say that."""

from __future__ import annotations

from tests.conformance.case import RequestTable, chunked, get

FORGED = b"FORGED"
IDENTITY = RequestTable(
    "identity in the head",
    "9440 §4",
    "A client's word about itself is removed, in every spelling that CGI, WSGI or servlet adapters fold into the same"
    " name. The request is served with what the gateway has verified.",
)
_T = IDENTITY
NAMES = (
    # ours, and RFC 9440's
    b"X-Institution-Id", b"X-Institution-Name", b"X-Institution", b"Institution-Id", b"Client-Cert",
    b"Client-Cert-Chain",
    # where the request comes from
    b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"X-Forwarded-Port", b"X-Forwarded-Server",
    b"X-Forwarded-Prefix", b"X-Forwarded-By", b"X-Forwarded-Ssl", b"X-Forwarded-Scheme", b"X-Forwarded", b"Forwarded",
    b"Forwarded-For", b"X-Real-IP", b"Client-IP", b"X-Client-IP", b"True-Client-IP", b"CF-Connecting-IP",
    b"CF-Connecting-IPv6", b"Fastly-Client-IP", b"X-Cluster-Client-IP", b"X-Originating-IP", b"X-Remote-IP",
    b"X-Remote-Addr", b"Remote-Addr", b"X-Envoy-External-Address", b"X-Azure-ClientIP", b"X-Original-Forwarded-For",
    # the user
    b"Remote-User", b"X-Remote-User", b"X-Forwarded-User", b"X-Forwarded-Email", b"X-Authenticated-User",
    b"X-Auth-Request-User", b"X-Proxy-User",
    # the certificate, by product
    b"X-Forwarded-Client-Cert", b"X-Forwarded-Tls-Client-Cert", b"X-Forwarded-Tls-Client-Cert-Info", b"X-Client-Cert",
    b"X-Client-Certificate", b"X-Client-Verify", b"X-Client-Verified", b"X-Client-DN", b"X-Client-S-DN",
    b"X-Client-I-DN", b"X-Client-Serial", b"X-Client-Subject", b"X-Client-Issuer", b"X-Client-Fingerprint",
    b"X-Client-SSL-CN", b"X-ClientCert", b"X-SSL-Client-Cert", b"X-SSL-Client-Verify", b"X-SSL-Client-S-DN",
    b"X-SSL-Client-DN", b"X-SSL-Cert", b"X-SSL-CN", b"X-TLS-Client-Cert", b"SSL-Client-Cert", b"SSL-Client-Verify",
    b"SSL-Client-S-DN", b"SSL-Client-M-Serial", b"SSL-Cipher", b"SSL-Session-ID", b"TLS-Client-Cert",
    b"WL-Proxy-Client-Cert", b"WL-Proxy-Client-IP", b"WL-Proxy-SSL", b"WL-Proxy-Client-Keysize", b"Proxy-Client-IP",
    b"Proxy-Client-Cert", b"X-ARR-ClientCert", b"X-ARR-SSL", b"X-Amzn-Mtls-Clientcert",
    b"X-Amzn-Mtls-Clientcert-Leaf",
    # the target, for frameworks that prefer a field to it
    b"X-Original-URL", b"X-Rewrite-URL", b"X-Original-URI", b"X-Original-Host", b"X-Host", b"X-HTTP-Host-Override",
    # a CGI variable that many clients of others obey
    b"Proxy",
    # WebSphere's plug-in, Jetty's ForwardedRequestCustomizer, some CDNs, Grafana, SiteMinder, WebSEAL
    b"$WSCC", b"$WSRA", b"$WSRU", b"$WSSC", b"Proxy-Auth-Cert", b"Proxy-SSL-Id", b"X-Proxied-Https", b"X-ProxyUser-Ip",
    b"X-WebAuth-User", b"SM-User", b"IV-User",
)  # fmt: skip
SPELLINGS = (
    b"x-institution-id", b"X-INSTITUTION-ID", b"X_Institution_Id", b"X_Institution-Id", b"X.Institution.Id",
    b"X-Institution~Id", b"X'Institution'Id", b"X|Institution|Id", b"HTTP_X_INSTITUTION_ID", b"Http-X-Institution-Id",
    b"Client_Cert", b"CLIENT_CERT", b"client.cert", b"HTTP_CLIENT_CERT", b"X_Forwarded_For", b"X_FORWARDED-FOR",
    b"SSL_CLIENT_CERT", b"SSL_CLIENT_VERIFY", b"WL_Proxy_Client_Cert", b"X_SSL_Client_Cert", b"X_Forwarded_Client_Cert",
    b"REMOTE_USER", b"HTTP_REMOTE_USER", b"X_Real_IP",
)  # fmt: skip
for _field in (*NAMES, *SPELLINGS):
    _T.passed(_field.decode(), get(_field + b": " + FORGED, b"X: 1"), get(b"X: 1"))
_T.passed("the same three times", get(*[b"X-Institution-Id: " + FORGED] * 3), get())
_T.passed("an empty one", get(b"X-Institution-Id:"), get())
_T.passed("kept by Connection", get(b"X-Institution-Id: " + FORGED, b"Connection: keep-alive"), get())
_T.passed(
    "with a body", get(b"Client-Cert: " + FORGED, b"Content-Length: 5") + b"hello", get(b"Content-Length: 5") + b"hello"
)
_T.passed("X-Request-Id, a sound one is kept", get(b"X-Request-Id: abc-123"), get())
_T.passed("X-Request-Id, an unsound one is replaced", get(b"X-Request-Id: a b"), get())
_T.passed("X-Request-Id, two are replaced", get(b"X-Request-Id: a", b"X-Request-Id: b"), get())
_T.passed("X_Request_Id is removed", get(b"X_Request_Id: a"), get())
_T.passed("Via of the client stays", get(b"Via: 1.0 fred"), rfc="9110 §7.6.3")
for _name, _line in {
    "blank before the colon": b"X-Institution-Id : " + FORGED,
    "behind a bare LF": b"X: 1\nX-Institution-Id: " + FORGED,
    "behind a bare CR": b"X: 1\rX-Institution-Id: " + FORGED,
    "a name that ends in NUL": b"X-Institution-Id\x00: " + FORGED,
    "a name with a blank": b"X Institution-Id: " + FORGED,
    "a name with a soft hyphen": b"X\xadInstitution\xadId: " + FORGED,
    "a name in full width": "Ｘ-Institution-Id: ".encode() + FORGED,
}.items():
    _T.refused(_name, get(_line), rfc="9110 §5.1")
_T.refused("in a folded line", get(b"X: 1", b" X-Institution-Id: " + FORGED), rfc="9112 §5.2")

IDENTITY_TRAILERS = RequestTable(
    "identity in trailers",
    "9110 §6.5.1",
    "The same behind the body, for a reader that merges trailers into the head.",
)
_END = b"5\r\nhello\r\n0\r\n%b\r\n"
for _field in (*NAMES, *SPELLINGS):
    IDENTITY_TRAILERS.passed(
        _field.decode(), chunked(_END % (b"%b: FORGED\r\nX: 1\r\n" % _field)), chunked(_END % b"X: 1\r\n")
    )
