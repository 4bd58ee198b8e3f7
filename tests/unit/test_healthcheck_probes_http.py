from __future__ import annotations

import pytest

from healthcheck.config import HttpCheck
from healthcheck.probes.http import request
from healthcheck.target import Target


@pytest.mark.parametrize(
    ("host", "check", "server_name", "expected"),
    [
        ("192.0.2.1", HttpCheck(), None, b"192.0.2.1:8080"),
        ("2001:db8::1", HttpCheck(), None, b"[2001:db8::1]:8080"),
        ("192.0.2.1", HttpCheck(), "node.internal", b"node.internal:8080"),
        ("192.0.2.1", HttpCheck(host="settlement.example"), "node.internal", b"settlement.example"),
    ],
)
def test_the_host_field(host: str, check: HttpCheck, server_name: str | None, expected: bytes) -> None:
    head = request(Target("n", host, 1, server_name=server_name), check, 8080)
    assert f"\r\nHost: {expected.decode()}\r\n".encode() in head


def test_the_request_is_one_of_its_own() -> None:
    head = request(Target("n", "192.0.2.1", 80), HttpCheck(path="/healthz?x=1", method="HEAD"), 80)
    lines = head.split(b"\r\n")
    assert lines[0] == b"HEAD /healthz?x=1 HTTP/1.1"
    assert b"Connection: close" in lines
    assert lines[-2:] == [b"", b""]
