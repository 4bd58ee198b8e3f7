"""What a gateway says it still holds: after a fault all of it must come back to nothing."""

from __future__ import annotations

from tests.support.gateway import Gateway, eventually

GAUGES = (
    "settlegate_connections",
    "settlegate_node_requests",
    "settlegate_queue_length",
    "settlegate_institution_connections",
    "settlegate_institution_in_flight_requests",
)


def series(text: str) -> dict[str, float]:
    """Every series of a page of metrics."""
    rows = (row.rpartition(" ") for row in text.splitlines() if row and not row.startswith("#"))
    return {name: float(value) for name, _, value in rows}


def held(gateway: Gateway) -> dict[str, float]:
    """Gauges of things in flight that do not read 0."""
    found = series(gateway.get("/metrics")) | series(gateway.get("/metrics/institutions"))
    return {name: value for name, value in found.items() if name.startswith(GAUGES) and value}


def all_returned(gateway: Gateway, *, within: float = 5.0) -> None:
    """Every lease, request and connection has been given back, and no worker has died or logged a traceback."""
    left: dict[str, float] = {}

    def none() -> bool:
        left.clear()
        left.update(held(gateway))
        return not left

    try:
        eventually(none, within=within)
    except AssertionError:
        raise AssertionError(f"still held after {within:g} s: {left}") from None
    log = gateway.log()
    assert "Traceback" not in log, log
