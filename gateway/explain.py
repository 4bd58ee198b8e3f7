"""The gateway's own answers: problem documents (RFC 9457), the refusal page, and the response around them.

Decides no status and no reason; says them so that a person and a program understand. Everything foreign in
here (subjects, request numbers, details) is cleaned, cut and escaped for its medium, whoever cleaned it before.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from email.utils import formatdate
from html import escape
from http import HTTPStatus
from typing import Final

from gateway.texts import CALL_SUPPORT, DETAIL, FACTS, REASON, REQUEST_NUMBER, TEXTS, Text

JSON_TYPE: Final = b"application/problem+json"
HTML_TYPE: Final = b"text/html; charset=utf-8"
LONGEST_FACT: Final = 200
"""Characters of anything foreign."""
ALLOWED_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

_STYLE = """
:root{color-scheme:light dark}
body{margin:0;background:#f3f5f7;color:#1c2733;font:16px/1.65 system-ui,-apple-system,"PingFang SC",
"Microsoft YaHei","Noto Sans CJK SC",sans-serif}
main{max-width:42rem;margin:4rem auto;padding:2.25rem 2.5rem;background:#fff;border:1px solid #dde3e9;
border-top:4px solid #b3261e;border-radius:6px}
h1{margin:0;font-size:1.65rem;line-height:1.35}
h2{margin:1.6rem 0 0;font-size:1.1rem;font-weight:600}
p{margin:.6rem 0 0}
.en{color:#4a5866}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.45rem 1.5rem;margin:1.8rem 0 0;padding:1.2rem 0 0;
border-top:1px solid #dde3e9;font-size:.92rem}
dt{color:#4a5866}
dt small{display:block;line-height:1.2}
dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
footer{margin-top:1.6rem;font-size:.88rem;color:#4a5866}
footer p{margin:.1rem 0 0}
@media (max-width:46rem){main{margin:0;padding:1.5rem 1.25rem;border-width:4px 0 0;border-radius:0}
dl{grid-template-columns:1fr;gap:.1rem}dd{margin-bottom:.7rem}}
@media (prefers-color-scheme:dark){body{background:#12181e;color:#e6ebf0}
main{background:#1a222b;border-color:#33404d;border-top-color:#e5675f}dl{border-color:#33404d}
.en,dt,footer{color:#a3b1bf}}
"""

CONTENT_SECURITY_POLICY: Final = (
    b"default-src 'none'; style-src 'sha256-%b'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    % base64.b64encode(hashlib.sha256(_STYLE.encode()).digest())
)

_PAGE = """<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title_zh} · {title_en}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title_zh}</h1>
<p>{help_zh}</p>
<div lang="en" class="en">
<h2>{title_en}</h2>
<p>{help_en}</p>
</div>
<dl>
{facts}
</dl>
<footer>
<p>{support_zh}</p>
<p lang="en">{support_en}</p>
</footer>
</main>
</body>
</html>
"""

_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""Controls, half surrogates, and what reorders or hides the text around it."""

_ACCEPT = re.compile(rb"^accept:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_QUALITY = re.compile(rb";[ \t]*q=([01](?:\.[0-9]{0,3})?)[ \t]*(?:;|\Z)", re.IGNORECASE)


def problem(
    reason: str,
    status: int,
    *,
    request_id: str = "",
    detail: str = "",
    html: bool = False,
    retry_after: int | None = None,
    certificate: Mapping[str, str] | None = None,
) -> tuple[bytes, bytes]:
    """(content type, body) for one reason of `texts.TEXTS`; an unknown one is told as `internal`.

    `detail` is technical English; `retry_after` in seconds; `certificate` holds any of the keys of
    `texts.FACTS`, straight from the wire if need be.
    """
    if reason not in TEXTS:
        reason = "internal"
    facts = {key: clean(certificate[key]) for key in FACTS if certificate and certificate.get(key)}
    text = TEXTS[reason]
    if html:
        return HTML_TYPE, _page(text, reason, status, clean(request_id), clean(detail), facts)
    document: dict[str, object] = {
        "type": f"urn:settlegate:reason:{reason}",
        "title": text.title_en,
        "status": status,
        "detail": text.help_en,
        "reason": reason,
        "title_zh": text.title_zh,
        "detail_zh": text.help_zh,
    }
    optional = {
        "cause": clean(detail),
        "request_id": clean(request_id),
        "retry_after": retry_after,
        "certificate": facts,
    }
    document |= {key: value for key, value in optional.items() if value}
    return JSON_TYPE, json.dumps(document, ensure_ascii=False).encode()


def response(
    reason: str,
    status: int,
    *,
    request_id: str = "",
    detail: str = "",
    html: bool = False,
    retry_after: int | None = None,
    certificate: Mapping[str, str] | None = None,
    close: bool = True,
    head_only: bool = False,
    now: float | None = None,
) -> bytes:
    """The whole HTTP/1.1 response. `now` in Unix seconds for Date; `head_only` answers HEAD."""
    kind, body = problem(
        reason,
        status,
        request_id=request_id,
        detail=detail,
        html=html,
        retry_after=retry_after,
        certificate=certificate,
    )
    fields = [(b"Content-Type", kind), (b"Content-Length", b"%d" % len(body))]
    if html:
        fields.append((b"Content-Security-Policy", CONTENT_SECURITY_POLICY))
        fields.append((b"Referrer-Policy", b"no-referrer"))
    fields.append((b"X-Content-Type-Options", b"nosniff"))
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        fields.append((b"Allow", ALLOWED_METHODS))
    if retry_after is not None:
        fields.append((b"Retry-After", b"%d" % retry_after))
    return _head(status, fields, request_id, close, now) + (b"" if head_only else body)


def options_answer(*, request_id: str = "", close: bool = False, now: float | None = None) -> bytes:
    """The gateway's own answer to OPTIONS whose Max-Forwards is used up (RFC 9110 section 9.3.7)."""
    fields = [(b"Allow", ALLOWED_METHODS), (b"Content-Length", b"0")]
    return _head(HTTPStatus.OK, fields, request_id, close, now)


def wants_html(head: bytes) -> bool:
    """Whether the client that sent this head (raw, or RequestHead.head) is a browser showing a page.

    Only an explicit text/html counts: programs send */* or nothing, and JSON wins where both weigh the same.
    """
    match = _ACCEPT.search(head)
    weights = {} if match is None else _weights(match[1])
    json_weight = max(weights.get(b"application/json", 0.0), weights.get(JSON_TYPE, 0.0))
    return weights.get(b"text/html", 0.0) > json_weight


def clean(foreign: str) -> str:
    """Foreign text without controls and direction marks, at most LONGEST_FACT characters; not yet escaped."""
    text = _HARMFUL.sub("\ufffd", foreign[: LONGEST_FACT + 1])
    return text if len(text) <= LONGEST_FACT else text[: LONGEST_FACT - 1] + "…"


def _page(text: Text, reason: str, status: int, request_id: str, detail: str, facts: Mapping[str, str]) -> bytes:
    rows = [(FACTS[key], value) for key, value in facts.items()]
    rows.append((REASON, f"{reason} ({status})"))
    rows += [(label, value) for label, value in ((DETAIL, detail), (REQUEST_NUMBER, request_id)) if value]
    return _PAGE.format(
        style=_STYLE,
        facts="\n".join(
            f'<dt>{zh}<small lang="en">{en}</small></dt><dd>{escape(value)}</dd>' for (zh, en), value in rows
        ),
        support_zh=CALL_SUPPORT[0],
        support_en=CALL_SUPPORT[1],
        **{key: escape(value) for key, value in text._asdict().items()},
    ).encode()


def _head(status: int, fields: list[tuple[bytes, bytes]], request_id: str, close: bool, now: float | None) -> bytes:
    lines = [b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode())]
    if now is not None:
        lines.append(b"Date: %b" % formatdate(now, usegmt=True).encode())
    lines += [b"%b: %b" % field for field in fields]
    lines.append(b"Cache-Control: no-store")
    if request_id:
        # Never raw: a line end in it would be a response of the attacker's making.
        lines.append(b"X-Request-Id: %b" % re.sub(r"[^A-Za-z0-9._-]", "", request_id)[:128].encode())
    lines.append(b"Connection: close" if close else b"Connection: keep-alive")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _weights(accept: bytes) -> dict[bytes, float]:
    weights = {}
    for part in accept.split(b","):
        quality = _QUALITY.search(part)
        weights[part.partition(b";")[0].strip().lower()] = float(quality[1]) if quality else 1.0
    return weights
