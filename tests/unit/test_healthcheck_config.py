"""Checks."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from healthcheck.config import CheckConfig, HttpCheck, MetricConfig, SnmpCheck, TcpCheck
from settings.types import Secret

SNMP = SnmpCheck(community=Secret("public"))


def test_intervals_by_kind() -> None:
    assert CheckConfig(http=HttpCheck()).interval == 5
    assert CheckConfig(tcp=TcpCheck()).interval == 5
    assert CheckConfig(snmp=SNMP).interval == 10
    assert CheckConfig(snmp=SNMP, interval=3).interval == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "exactly one of"),
        ({"http": {}, "tcp": {}}, "make tcp a check of its own"),
        ({"tcp": {}, "timeout": 5.0}, "timeout must be below interval"),
        ({"tcp": {}, "interval": 0.001}, "at least 10ms"),
        ({"tcp": {}, "timeout": 0.0}, "at least 1ms"),
        ({"tcp": {"port": 0}}, "greater than or equal to 1"),
        ({"http": {"status": []}}, "at least 1 item"),
        ({"http": {"path": "healthz"}}, "begins with /"),
        ({"http": {"host": "a b"}}, "a host is"),
        ({"http": {"method": "HEAD", "body_contains": "ok"}}, "no body to search"),
    ],
)
def test_what_is_no_check(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CheckConfig.model_validate(values)


PASS = {"sha256": "long enough"}
KEY = {"aes128": "long enough"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "needs community"),
        ({"community": "x", "user": "u"}, "not used by version 2c"),
        ({"community": "x", "auth": PASS}, "not used by version 2c"),
        ({"version": "3", "user": "u", "auth": PASS}, "needs privacy"),
        ({"version": "3", "user": "u", "privacy": KEY}, "needs auth"),
        ({"version": "3", "auth": PASS, "privacy": KEY}, "needs user"),
        ({"version": "3", "user": "u", "auth": PASS, "privacy": KEY, "community": "x"}, "not used by version 3"),
        ({"version": "3", "user": "u", "auth": {"sha256": "hunter2"}, "privacy": KEY}, "at least 8 characters"),
        ({"version": "3", "user": "u", "auth": {"md5": "hunter2hunter2"}, "privacy": KEY}, "sha256"),
        ({"version": "1", "community": "x"}, "2c"),
        ({"version": True, "community": "x"}, "2c"),
    ],
)
def test_credentials(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        SnmpCheck.model_validate(values)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("version", ["3", 3])
def test_version_three(version: object) -> None:
    check = SnmpCheck.model_validate({"version": version, "user": "u", "auth": PASS, "privacy": KEY})
    assert check.version == "3"
    assert check.auth["sha256"].get_secret_value() == "long enough"


def test_metrics() -> None:
    assert MetricConfig(comfort=0.4, limit=0.9, eject_above=0.9).eject_above == 0.9
    with pytest.raises(ValidationError, match="comfort must be below limit"):
        MetricConfig(comfort=0.9, limit=0.9)
    with pytest.raises(ValidationError, match="eject_above must not be below limit"):
        MetricConfig(comfort=0.4, limit=0.9, eject_above=0.8)
