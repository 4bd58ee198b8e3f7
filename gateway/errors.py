"""Everything that can go wrong with an exchange, as one tree.

Each error knows which side failed, the reason (metric label and problem type), the status the client gets
and whether the request may be tried on another node. Foreign exceptions are translated once, at the edge.

    GatewayError
    ├── BadRequest            400  the client's message cannot be forwarded safely
    │   ├── MethodNotAllowed  405  TRACE and CONNECT
    │   ├── BodyTooLarge      413
    │   ├── TargetTooLong     414
    │   ├── HeadTooLarge      431
    │   ├── RequestTimeout    408  the head or the body did not arrive in time
    │   ├── NotImplementedCoding 501  a transfer coding other than chunked
    │   └── VersionNotSupported  505
    ├── NoRoute               404
    ├── RouteForbidden        403  the institution may not use this route
    ├── LimitExceeded         429
    ├── NodeError
    │   ├── NodeUnreachable   502  connect failed: nothing was sent, another node may be tried
    │   ├── NodeProtocolError 502  the node's answer is not HTTP or ended early
    │   └── NodeTimeout       504
    └── NoNode                503  no node of the pool takes requests
        └── QueueFull         503
"""

from __future__ import annotations

from typing import ClassVar, Literal

Side = Literal["downstream", "upstream", "internal"]


class GatewayError(Exception):
    """`detail` goes to the log and, in English, into the problem document; it never repeats a secret."""

    side: ClassVar[Side] = "internal"
    reason: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class BadRequest(GatewayError):
    side = "downstream"
    reason = "bad_request"
    status = 400


class MethodNotAllowed(BadRequest):
    reason = "method_not_allowed"
    status = 405


class BodyTooLarge(BadRequest):
    reason = "body_too_large"
    status = 413


class TargetTooLong(BadRequest):
    reason = "target_too_long"
    status = 414


class HeadTooLarge(BadRequest):
    reason = "head_too_large"
    status = 431


class RequestTimeout(BadRequest):
    reason = "request_timeout"
    status = 408


class NotImplementedCoding(BadRequest):
    reason = "coding_not_implemented"
    status = 501


class VersionNotSupported(BadRequest):
    reason = "version_not_supported"
    status = 505


class NoRoute(GatewayError):
    side = "downstream"
    reason = "no_route"
    status = 404


class RouteForbidden(GatewayError):
    side = "downstream"
    reason = "route_forbidden"
    status = 403


class LimitExceeded(GatewayError):
    side = "downstream"
    reason = "limit_exceeded"
    status = 429

    def __init__(self, detail: str = "", *, retry_after: int = 1) -> None:
        """`retry_after` in seconds."""
        super().__init__(detail)
        self.retry_after = retry_after


class NodeError(GatewayError):
    side = "upstream"


class NodeUnreachable(NodeError):
    reason = "node_unreachable"
    status = 502
    retryable = True


class NodeProtocolError(NodeError):
    reason = "node_protocol_error"
    status = 502


class NodeTimeout(NodeError):
    reason = "node_timeout"
    status = 504


class NoNode(GatewayError):
    side = "upstream"
    reason = "no_node"
    status = 503


class QueueFull(NoNode):
    reason = "queue_full"
