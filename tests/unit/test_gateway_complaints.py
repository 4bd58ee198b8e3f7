"""Said when it begins, changes and ends."""

from __future__ import annotations

import logging

import pytest

from gateway.complaints import Complaints


def test_each_complaint_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints("claims")
    with caplog.at_level(logging.INFO):
        complaints.none("a:1")
        for _ in range(3):
            complaints.hear("a:1", "expired")
        complaints.hear("b:1", "expired")
        complaints.hear("a:1", "another name")
        assert "another name" in repr(complaints)
        complaints.none("a:1")
        complaints.none("a:1")
        complaints.hear("a:1", "another name")
    assert caplog.messages == [
        "claims: node a:1 cannot be used: expired",
        "claims: node b:1 cannot be used: expired",
        "claims: node a:1 cannot be used: another name",
        "claims: node a:1 can be used again",
        "claims: node a:1 cannot be used: another name",
    ]
