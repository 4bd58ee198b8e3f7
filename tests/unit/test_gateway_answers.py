"""The gateway's own answers: which words, which status, and what is nobody else's business."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import Authority
from certs.credential import Credential, parse
from certs.verdict import Refusal
from gateway import answers
from gateway.errors import (
    BadRequest,
    GatewayError,
    HeadTooLarge,
    LimitExceeded,
    NodeProtocolError,
    NodeTimeout,
    NodeUnreachable,
    NoNode,
    NoRoute,
    QueueFull,
    RouteForbidden,
)
from gateway.http1 import HeadLimits, RequestHead, parse_request

EPOCH = datetime(2001, 2, 3, tzinfo=UTC)


def request(*lines: str, method: str = "GET") -> RequestHead:
    text = f"{method} / HTTP/1.1\r\nHost: x\r\n" + "".join(f"{line}\r\n" for line in lines) + "\r\n"
    head = parse_request(text.encode(), HeadLimits())
    assert head is not None
    return head


def exchange(head: RequestHead | None = None, *, keep_alive: bool = True) -> Any:
    return SimpleNamespace(head=head or request(), request_id=b"abc-1", keep_alive=keep_alive)


def read(page: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = page.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), fields, body


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NoNode("pool: 0 of 3 (3 down)"), True),
        (QueueFull("pool: 3 of 3 (all at max_requests)"), True),
        (LimitExceeded("32 requests at a time"), True),
        (BadRequest("no Host"), True),
        (NodeUnreachable("10.1.2.3:8080: Connection refused"), False),
        (NodeTimeout("10.1.2.3:8080 did not answer in time"), False),
        (NodeProtocolError("10.1.2.3:8080 closed"), False),
        (NoRoute("no route matches"), False),
        (RouteForbidden("route catalogue"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_told_by_status_and_reason_and_keeps_the_inside_inside(error: GatewayError, told: bool) -> None:
    status, fields, body = read(answers.problem(error, exchange()))
    problem = json.loads(body)
    assert (status, problem["status"], problem["reason"]) == (error.status, error.status, error.reason)
    assert fields["X-Request-Id"] == problem["request_id"] == "abc-1"
    assert problem.get("cause") == (error.detail if told else None)
    assert b"10.1.2.3" not in body
    assert fields.get("Retry-After") == {503: "2", 429: "1"}.get(status)
    assert fields["Connection"] == "keep-alive"
    assert int(fields["Content-Length"]) == len(body)


def test_a_browser_gets_html_and_head_gets_no_body() -> None:
    html = exchange(request("Accept: text/html"))
    assert read(answers.problem(NoRoute(), html))[1]["Content-Type"] == "text/html; charset=utf-8"
    _, fields, body = read(answers.problem(NoRoute(), exchange(request(method="HEAD"), keep_alive=False)))
    assert (body, fields["Connection"]) == (b"", "close")
    assert int(fields["Content-Length"]) > 0


def test_a_head_that_is_none_is_answered_and_closed() -> None:
    status, fields, body = read(answers.rejected(HeadTooLarge("the head is longer than the limit"), "abc-2"))
    assert (status, fields["Connection"], fields["X-Request-Id"]) == (431, "close", "abc-2")
    assert json.loads(body)["cause"] == "the head is longer than the limit"


@pytest.fixture(scope="module")
def credential() -> Credential:
    issued = Authority.create("CA").issue("Hospital One", not_before=EPOCH, not_after=EPOCH + timedelta(days=1))
    return parse(issued.certificate.public_bytes(Encoding.DER))


def session(reason: str | None, credential: Credential | None = None) -> Any:
    worker = SimpleNamespace(next_request_id=lambda: b"abc-3")
    return SimpleNamespace(refusal=None if reason is None else Refusal(reason), credential=credential, worker=worker)


def test_a_refusal_shows_the_holder_its_certificate(credential: Credential) -> None:
    status, fields, body = read(answers.refused(session("certificate_expired", credential), request()))
    assert (status, fields["Connection"]) == (403, "close")
    shown = json.loads(body)["certificate"]
    assert "Hospital One" in shown["holder"]
    assert int(shown["serial"], 16) == credential.serial
    assert (shown["not_before"], shown["not_after"]) == ("2001-02-03 00:00:00 UTC", "2001-02-04 00:00:00 UTC")
    assert shown["gateway_time"].endswith(" UTC")


def test_a_stranger_is_shown_nothing(credential: Credential) -> None:
    problem = json.loads(read(answers.refused(session("issuer_unknown", credential), request()))[2])
    assert "certificate" not in problem
    assert "certificate" not in json.loads(read(answers.refused(session("certificate_missing"), request()))[2])


def test_a_limit_on_connections_asks_to_come_back() -> None:
    status, fields, body = read(answers.refused(session("limit_exceeded"), request()))
    assert (status, fields["Retry-After"], json.loads(body)["reason"]) == (429, "1", "limit_exceeded")


@pytest.mark.parametrize("head", [None, request("Accept: text/html"), request(method="HEAD")])
def test_a_refusal_without_a_reason_is_one_all_the_same(head: RequestHead | None) -> None:
    status, fields, body = read(answers.refused(session(None), head))
    assert status == 403
    if head is None:
        assert json.loads(body)["reason"] == "internal"
    elif head.method == b"HEAD":
        assert not body
    else:
        assert fields["Content-Type"].startswith("text/html")


def test_options_and_plain_http_are_answered_here() -> None:
    assert read(answers.options(request("Max-Forwards: 0", method="OPTIONS")))[1]["Connection"] == "keep-alive"
    status, fields, body = read(answers.plain_http("abc-4"))
    assert (status, fields["Connection"], json.loads(body)["reason"]) == (400, "close", "plain_http")
