from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import explain
from gateway.http1 import HeadLimits, parse_response
from gateway.texts import FACTS, TEXTS

FACTS_GIVEN = {
    "holder": "CN=洛阳市中心医院",
    "serial": "0A:1B",
    "issuer": "CN=CA",
    "not_before": "2024-01-01",
    "not_after": "2025-01-01",
    "gateway_time": "2026-01-01",
    "surprise": "never shown",
}


class Page(HTMLParser):
    """Collects tags and visible text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def document(reason: str = "certificate_expired", status: int = 403, **more: object) -> dict[str, object]:
    kind, body = explain.problem(reason, status, **more)  # type: ignore[arg-type]
    assert kind == b"application/problem+json"
    loaded: dict[str, object] = json.loads(body)
    return loaded


def page(reason: str = "certificate_expired", status: int = 403, **more: object) -> Page:
    kind, body = explain.problem(reason, status, html=True, **more)  # type: ignore[arg-type]
    assert kind == b"text/html; charset=utf-8"
    return Page(body.decode())


def test_a_problem_document() -> None:
    text = TEXTS["certificate_expired"]
    assert document(request_id="r1", detail="why", certificate=FACTS_GIVEN, retry_after=3) == {
        "type": "urn:settlegate:reason:certificate_expired",
        "title": text.title_en,
        "status": 403,
        "detail": text.help_en,
        "reason": "certificate_expired",
        "title_zh": text.title_zh,
        "detail_zh": text.help_zh,
        "cause": "why",
        "request_id": "r1",
        "retry_after": 3,
        "certificate": {key: value for key, value in FACTS_GIVEN.items() if key != "surprise"},
    }


def test_what_is_not_known_is_not_said() -> None:
    assert {"cause", "request_id", "retry_after", "certificate"}.isdisjoint(document())
    assert "certificate" not in document(certificate={"holder": ""})


@pytest.mark.parametrize("reason", TEXTS)
def test_every_reason_is_told_in_both_languages(reason: str) -> None:
    text = TEXTS[reason]
    shown = page(reason).text
    assert all(sentence in shown for sentence in text)
    told = document(reason)
    assert [told[key] for key in ("title_zh", "title", "detail_zh", "detail")] == list(text)


def test_an_unknown_reason_is_internal() -> None:
    assert document("../../etc", 500)["reason"] == "internal"
    assert TEXTS["internal"].title_zh in page("<x>", 500).text


def test_the_page_shows_the_facts() -> None:
    shown = page(certificate=FACTS_GIVEN, request_id="r-1", detail="why so")
    for key, value in FACTS_GIVEN.items():
        assert (value in shown.text) is (key in FACTS)
    assert "r-1" in shown.text
    assert "why so" in shown.text
    assert "certificate_expired (403)" in shown.text


def test_the_page_fits_its_policy() -> None:
    """No scripts, nothing loaded, and the one style the policy names by its hash."""
    shown = page(certificate=FACTS_GIVEN)
    assert not {"script", "img", "link", "iframe", "form", "a"} & set(shown.tags)
    assert not {"style", "src", "href"} & shown.attributes
    assert b"default-src 'none'; style-src 'sha256-" in explain.CONTENT_SECURITY_POLICY


EVIL = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{style}", "&amp;", "a\r\nSet-Cookie: x", "\x00"]


@pytest.mark.parametrize("foreign", EVIL)
def test_foreign_text_stays_text(foreign: str) -> None:
    plain = page(certificate={"holder": "x"}, request_id="x", detail="x")
    shown = page(certificate={"holder": foreign}, request_id=foreign, detail=foreign)
    assert shown.tags == plain.tags
    assert shown.attributes == plain.attributes
    assert shown.text.count(explain.clean(foreign)) == 3


@given(st.text(max_size=300))
def test_cleaned_text_is_short_and_harmless(foreign: str) -> None:
    cleaned = explain.clean(foreign)
    assert len(cleaned) <= explain.LONGEST_FACT
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", cleaned)
    cleaned.encode()


def test_long_text_is_cut() -> None:
    assert explain.clean("x" * 200) == "x" * 200
    assert explain.clean("x" * 201) == "x" * 199 + "…"


@given(st.text(max_size=40), st.text(max_size=40), st.booleans(), st.booleans())
def test_a_response_is_one_message(foreign: str, detail: str, html: bool, head_only: bool) -> None:
    data = explain.response(
        "bad_request",
        400,
        request_id=foreign,
        detail=detail,
        html=html,
        certificate={"holder": foreign},
        head_only=head_only,
    )
    head = parse_response(data, HeadLimits(), method=b"HEAD" if head_only else b"GET", upgrade=False)
    assert head is not None
    assert head.end + head.length == len(data)


def test_a_response_in_full() -> None:
    data = explain.response("queue_full", 503, request_id="r1", retry_after=5, now=0.0, close=False)
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 503 Service Unavailable",
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT",
        b"Content-Type: application/problem+json",
        b"Content-Length: %d" % len(body),
        b"X-Content-Type-Options: nosniff",
        b"Retry-After: 5",
        b"Cache-Control: no-store",
        b"X-Request-Id: r1",
        b"Connection: keep-alive",
    ]
    assert json.loads(body)["retry_after"] == 5


def test_a_page_carries_its_policy() -> None:
    head = explain.response("internal", 500, html=True).partition(b"\r\n\r\n")[0]
    assert b"\r\nContent-Security-Policy: " + explain.CONTENT_SECURITY_POLICY in head
    assert b"\r\nReferrer-Policy: no-referrer" in head
    assert head.endswith(b"\r\nConnection: close")


def test_a_refused_method_learns_which_are_allowed() -> None:
    assert b"\r\nAllow: GET, " in explain.response("method_not_allowed", 405)
    assert b"\r\nAllow: " not in explain.response("bad_request", 400)


def test_a_request_number_cannot_break_the_head() -> None:
    head = explain.response("bad_request", 400, request_id="a\r\nX-Evil: 1" + "b" * 200).partition(b"\r\n\r\n")[0]
    assert b"X-Request-Id: aX-Evil1" in head
    assert b"\r\nX-Evil" not in head


def test_options_are_answered() -> None:
    data = explain.options_answer(request_id="r1", now=0.0)
    head = parse_response(data, HeadLimits(), method=b"OPTIONS", upgrade=False)
    assert head is not None
    assert (head.status, head.length, head.keep_alive, head.end) == (200, 0, True, len(data))
    assert b"\r\nAllow: " in data


BROWSER = b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        (BROWSER, True),
        (b"TEXT/HTML", True),
        (b"text/html;level=1;q=0.5, application/json;q=0.4", True),
        (b"*/*", False),
        (b"", False),
        (b"application/json", False),
        (b"text/html, application/json", False),
        (b"text/html;q=0.9, application/problem+json", False),
        (b"text/html;q=0", False),
        (b"text/html ; q=0.000", False),
        (b"text/htmlx", False),
    ],
    ids=repr,
)
def test_browsers_get_the_page(accept: bytes, html: bool) -> None:
    assert explain.wants_html(b"GET / HTTP/1.1\r\nHost: h\r\naccept: " + accept + b"\r\nA: b\r\n") is html


def test_no_accept_is_a_program() -> None:
    assert not explain.wants_html(b"GET /?accept:text/html HTTP/1.1\r\nX-Accept: text/html\r\n")
    assert not explain.wants_html(b"\x16\x03\x01")
