"""Which of the gateway's own answers a client gets; how they look is the affair of `explain`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gateway import explain
from gateway.errors import BadRequest, GatewayError, LimitExceeded, NoNode

if TYPE_CHECKING:
    from certs.credential import Credential
    from gateway.exchange import Exchange
    from gateway.http1 import RequestHead
    from gateway.session import Session

RETRY_AFTER: Final = {503: 2, 429: 1}
"""Seconds a client is asked to wait."""


def problem(error: GatewayError, exchange: Exchange) -> bytes:
    """An exchange failed before its answer began."""
    head = exchange.head
    return explain.response(
        error.reason,
        error.status,
        request_id=exchange.request_id.decode(),
        detail=shown(error),
        html=explain.wants_html(head.head),
        retry_after=error.retry_after if isinstance(error, LimitExceeded) else RETRY_AFTER.get(error.status),
        close=not exchange.keep_alive,
        head_only=head.method == b"HEAD",
        now=time.time(),
    )


def shown(error: GatewayError) -> str:
    """The part of the detail that is the client's business: addresses of nodes are not."""
    return error.detail if isinstance(error, BadRequest | LimitExceeded | NoNode) else ""


def rejected(error: BadRequest, request_id: str) -> bytes:
    """A head that is none."""
    return explain.response(
        error.reason, error.status, request_id=request_id, detail=error.detail, close=True, now=time.time()
    )


def refused(session: Session, head: RequestHead | None) -> bytes:
    """The one answer of a connection that was not admitted."""
    refusal = session.refusal
    reason = refusal.reason if refusal is not None else "internal"
    limited = reason == LimitExceeded.reason
    return explain.response(
        reason,
        429 if limited else 403,
        request_id=session.worker.next_request_id().decode(),
        html=head is not None and explain.wants_html(head.head),
        retry_after=RETRY_AFTER[429] if limited else None,
        certificate=facts(session.credential) if reason != "issuer_unknown" else None,
        close=True,
        head_only=head is not None and head.method == b"HEAD",
        now=time.time(),
    )


def facts(credential: Credential | None) -> dict[str, str] | None:
    """What the holder may be told of the certificate that was presented, and the gateway's own time."""
    if credential is None:
        return None
    return {
        "holder": credential.subject,
        "serial": f"{credential.serial:x}",
        "issuer": credential.issuer,
        "not_before": _time(credential.not_before),
        "not_after": _time(credential.not_after),
        "gateway_time": _time(time.time()),
    }


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def options(head: RequestHead) -> bytes:
    return explain.options_answer(close=not head.keep_alive, now=time.time())


def plain_http(request_id: str) -> bytes:
    """To a client that speaks HTTP where TLS is expected."""
    return explain.response("plain_http", 400, request_id=request_id, close=True, now=time.time())
