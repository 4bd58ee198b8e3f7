from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway import errors
from gateway.texts import FACTS, TEXTS

REASONS = [
    "certificate_missing",
    "certificate_expired",
    "certificate_not_yet_valid",
    "certificate_revoked",
    "certificate_invalid",
    "crl_missing",
    "crl_stale",
    "issuer_unknown",
    "purpose_wrong",
    "hardware_key_required",
    "pin_mismatch",
    "identity_missing",
    "institution_unknown",
    "institution_disabled",
    "route_forbidden",
    "internal",
    "limit_exceeded",
    "bad_request",
    "no_route",
    "node_protocol_error",
    "node_unreachable",
    "no_node",
    "queue_full",
    "node_timeout",
    "queue_timeout",
]


def _error_classes(root: type[errors.GatewayError]) -> Iterator[type[errors.GatewayError]]:
    yield root
    for child in root.__subclasses__():
        yield from _error_classes(child)


def _own_reasons() -> set[str]:
    classes = [kind for kind in _error_classes(errors.GatewayError) if kind.__module__ == "gateway.errors"]
    return {kind.reason for kind in classes}


@pytest.mark.parametrize("reason", sorted({*REASONS, *_own_reasons()}))
def test_every_reason_has_its_texts(reason: str) -> None:
    text = TEXTS[reason]
    for chinese in (text.title_zh, text.help_zh):
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
    for english in (text.title_en, text.help_en):
        assert english.isascii()
    assert text.help_zh.endswith("。")
    assert text.help_en.endswith(".")
    assert not text.title_en.endswith(".")


def test_titles_are_told_apart() -> None:
    """Two lists missing or stale look the same to a user; nothing else does."""
    titles = [text.title_zh for reason, text in TEXTS.items() if reason != "crl_stale"]
    assert len(set(titles)) == len(titles)


def test_chinese_sentences_have_chinese_punctuation() -> None:
    for text in TEXTS.values():
        assert not set(",;:?!()") & set(text.title_zh + text.help_zh)


@pytest.mark.parametrize("reason", ["node_protocol_error", "node_timeout"])
def test_nobody_is_told_to_repeat_a_settlement_blindly(reason: str) -> None:
    assert "先查询" in TEXTS[reason].help_zh
    assert "safe to repeat" not in TEXTS[reason].help_en


def test_facts_have_both_languages() -> None:
    for chinese, english in FACTS.values():
        assert chinese
        assert english.isascii()
