from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcheck import words
from healthcheck.words import Words

EVERY = [value for value in vars(words).values() if isinstance(value, Words)] + [
    *(make(kind) for kind in ("http", "tcp", "snmp") for make in (words.passes, words.refused, words.unreachable)),
    *(make(kind) for kind in ("http", "tcp", "snmp") for make in (words.connect_failed, words.internal)),
    words.timed_out("http", 0.5),
    words.closed_early("http"),
    words.not_http(),
    *(words.tls_failed(kind, untrusted=untrusted) for kind in ("http", "tcp") for untrusted in (True, False)),
    words.status(503),
    words.body("ok"),
    *(words.snmp_auth(code) for code in ("user", "digest", "decryption", "mute", "level", "window", "other")),
    words.snmp_error(),
    words.snmp_identity_changed(),
    words.snmp_unknown(["cpu", "memory"]),
    words.over_limit("memory", 0.991, 0.98),
    words.above_until_now("cpu", 0.9),
]


@pytest.mark.parametrize("each", EVERY, ids=lambda each: str(each.code))
def test_every_reason_exists_in_both_languages(each: Words) -> None:
    assert each.code.isascii()
    assert each.code == each.code.lower()
    assert any("\u4e00" <= char <= "\u9fff" for char in each.zh)
    assert each.en.replace("“", "").replace("”", "").isascii()


def test_no_sentence_is_forgotten_above() -> None:
    makers = {
        name
        for name, value in vars(words).items()
        if inspect.isfunction(value) and value.__module__ == words.__name__ and not name.startswith("_")
    }
    assert makers - {"shown"} == {
        "passes", "refused", "unreachable", "connect_failed", "timed_out", "internal", "closed_early", "not_http",
        "tls_failed", "status", "body", "snmp_auth", "snmp_error", "snmp_identity_changed", "snmp_unknown",
        "over_limit", "above_until_now",
    }  # fmt: skip


def test_counts() -> None:
    assert words.status(500).in_a_row(3)[1:] == (
        "HTTP check answered 500 (3 in a row)",
        "HTTP 检查返回 500(连续 3 次)",
    )
    assert words.timed_out("tcp", 1.0).so_far(1, 3)[1:] == (
        "TCP check got no answer within 1 s (1 of 3)",
        "TCP 检查在 1 秒内没有应答(第 1/3 次)",
    )


@given(st.text(max_size=200))
def test_configured_text_stays_on_one_line(text: str) -> None:
    shown = words.shown(text)
    assert shown.isprintable()
    assert len(shown) <= 40
