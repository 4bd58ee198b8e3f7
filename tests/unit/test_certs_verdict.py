from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.verdict import PRECEDENCE, REASONS, Refusal, first_reason, reason_of, reasons_of


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (20, "issuer_unknown"),
        (7, "issuer_unknown"),
        (18, "issuer_unknown"),
        (19, "issuer_unknown"),
        (10, "certificate_expired"),
        (9, "certificate_not_yet_valid"),
        (23, "certificate_revoked"),
        (26, "purpose_wrong"),
        (3, "crl_missing"),
        (11, "crl_stale"),
        (12, "crl_stale"),
        (47, "certificate_invalid"),  # PERMITTED_VIOLATION
        (79, "certificate_invalid"),  # INVALID_CA
        (0, "certificate_invalid"),  # an error without a code is still one
        (4711, "certificate_invalid"),
    ],
)
def test_codes(code: int, reason: str) -> None:
    assert reason_of(code) == reason


def test_every_reason_of_the_table_can_be_told() -> None:
    assert set(REASONS.values()) | {"certificate_invalid"} == set(PRECEDENCE)


def test_depth_does_not_matter() -> None:
    assert reasons_of({(0, 10), (3, 23)}) == {"certificate_expired", "certificate_revoked"}


@given(st.sets(st.sampled_from(PRECEDENCE), min_size=1))
def test_the_first_of_the_order_is_told(errors: set[str]) -> None:
    assert first_reason(errors) == min(errors, key=PRECEDENCE.index)


def test_strangers_hear_one_thing_only() -> None:
    assert first_reason(PRECEDENCE) == "issuer_unknown"


@given(st.sets(st.text(), min_size=1))
def test_no_error_is_ever_dropped(errors: set[str]) -> None:
    assert first_reason(errors) in PRECEDENCE


def test_nothing_wrong() -> None:
    assert first_reason(()) is None
    assert Refusal("x").detail == ""
