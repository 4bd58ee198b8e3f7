"""Verdicts on single fields that a whole head does not show."""

from __future__ import annotations

from gateway.http1 import fields as f
from gateway.http1.request_fields import memo


def test_a_verdict_is_remembered_by_the_line_as_it_came() -> None:
    line = b"X-Sent-Once:   1"
    memo.lines.pop(line, None)
    assert memo.learn(line) == b"X-Sent-Once: 1\r\n"
    assert memo.lines[line] == b"X-Sent-Once: 1\r\n"


def test_secrets_and_request_numbers_are_not_remembered() -> None:
    for line in (b"Authorization: Bearer s3cret", b"cookie: s3cret=1", b"X-Request-Id: s3cret", b"traceparent: s3cret"):
        assert memo.learn(line)
    assert not any(b"s3cret" in line for line in memo.lines)


def test_dropped_lines_are_remembered_as_nothing() -> None:
    assert memo.learn(b"Keep-Alive: timeout=7") == b""
    assert memo.lines[b"Keep-Alive: timeout=7"] == b""


def test_a_misleading_name_is_a_rule_of_its_own() -> None:
    """The names that steer do so in any case of letters, but in one spelling only."""
    assert memo.learn(b"MAX-forwards: 3") == f.Note(f.MAX_FORWARDS, b"MAX-forwards: 3\r\n")
    assert memo.learn(b"Max_Forwards: 3") == b"Max_Forwards: 3\r\n"
