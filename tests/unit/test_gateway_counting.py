"""What a worker writes down: every gauge that goes up comes down, every end has its line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from certs.verdict import Refusal
from gateway.board_layout import BUCKETS, CLASSES, CODE_INDEX, CODES, REFUSAL_INDEX, REFUSAL_REASONS, Capacity, Row
from gateway.counting import Counting
from gateway.errors import HeadTooLarge
from gateway.scoreboard import Scoreboard
from monitoring.access_log import AccessLog


class Memory:
    """A sink that takes everything."""

    silent = atomic = False

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, lines: list[str]) -> int:
        self.lines += lines
        return len(lines)

    def reopen(self) -> str | None:
        return None

    def close(self) -> None: ...


class Desk:
    """A worker's counters over a real scoreboard, and its log in memory."""

    def __init__(self) -> None:
        self.board = Scoreboard.create(2, Capacity(listeners=2, pools=2, nodes=2, institutions=2))
        self.board.own(0)
        self.sink = Memory()
        self.count = Counting(self.board, AccessLog(self.sink))

    @property
    def row(self) -> Row:
        return self.board.rows[0]

    def line(self) -> dict[str, Any]:
        self.count.access.flush()
        (line,) = self.sink.lines
        return dict(json.loads(line))


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    board = made.board
    del made.count
    board.close()


def session(**more: Any) -> Any:
    return SimpleNamespace(
        listener=SimpleNamespace(name="settlement", slot=1),
        institution=SimpleNamespace(id="H1", slot=1),
        client="127.0.0.1",
        tls_version="TLSv1.3",
        resumed=False,
        **more,
    )


def exchange(**more: Any) -> Any:
    values: dict[str, Any] = {
        "session": session(),
        "institution": SimpleNamespace(id="H1", slot=1),
        "counted": True,
        "started": 100.0,
        "node_started": 100.25,
        "pool": SimpleNamespace(name="pool", slot=1),
        "placement": SimpleNamespace(node="n:80", attempts=2),
        "head": SimpleNamespace(method=b"POST", target=b"/claims/"),
        "body": SimpleNamespace(octets=5),
        "bytes_out": 7,
        "request_id": b"abc-1",
    }
    return SimpleNamespace(**values | more)


def test_connections_go_up_and_down(desk: Desk) -> None:
    for change, total in ((1, 1), (1, 2), (-1, 1), (-1, 0)):
        desk.count.listener_connection(1, change)
        desk.count.institution_connection(1, change)
        assert (desk.count.admitted(1), desk.count.institution_connections(1)) == (total, total)
    desk.count.listener_connection(1, 3)
    desk.count.listener_stranger(1, 2)
    assert desk.count.admitted(1) == 1, "strangers are open and not admitted"
    assert desk.count.admitted(0) == 0


def test_an_exchange_is_in_flight_until_its_end(desk: Desk) -> None:
    desk.count.begin(1)
    assert desk.count.institution_active(1) == 1
    desk.count.end(exchange(), 200, "", 100.75)
    assert desk.count.institution_active(1) == 0
    row = desk.row
    assert row.pool_codes[len(CODES) + CODE_INDEX[200]] == 1
    assert sum(row.pool_buckets) == row.pool_buckets[len(BUCKETS) + BUCKETS.index(1.0)] == 1
    assert row.pool_seconds[1] == 750_000
    assert list(row.institution_bytes) == [0, 0, 5, 7]
    assert row.institution_codes[len(CLASSES) + CLASSES.index("2xx")] == 1
    assert row.institution_last_seen[1] > 0
    line = desk.line()
    assert (line["status"], line["node"], line["attempts"], line["reason"]) == (200, "n:80", 2, None)
    assert (line["bytes_in"], line["bytes_out"]) == (5, 7)
    assert (line["duration"], line["upstream_duration"]) == (0.75, 0.5)


def test_an_exchange_that_was_never_counted_is_not_counted_down(desk: Desk) -> None:
    desk.count.end(exchange(counted=False, pool=None, placement=None), 404, "no_route", 100.5)
    assert desk.row.institution_active[1] == 0
    assert not any(desk.row.pool_codes)
    line = desk.line()
    assert (line["pool"], line["node"], line["upstream_duration"], line["reason"]) == (None, None, None, "no_route")


@pytest.mark.parametrize(("status", "label"), [(499, "4xx"), (599, "5xx"), (0, "5xx"), (700, "5xx"), (101, "101")])
def test_a_status_without_a_name_is_counted_by_its_class(desk: Desk, status: int, label: str) -> None:
    desk.count.end(exchange(counted=False), status, "", 101.0)
    assert desk.row.pool_codes[len(CODES) + CODES.index(label)] == 1
    assert desk.line()["status"] == status


def test_a_refusal_is_counted_by_listener_and_reason(desk: Desk) -> None:
    who = session()
    desk.count.refusal(who, Refusal("certificate_expired", "depth 0: 10"))
    start = len(REFUSAL_REASONS)
    assert desk.row.listener_refusals[start + REFUSAL_INDEX["certificate_expired"]] == 1
    line = desk.line()
    assert (line["event"], line["reason"], line["detail"]) == ("refused", "certificate_expired", "depth 0: 10")


def test_a_reason_nobody_has_heard_of_is_internal(desk: Desk) -> None:
    desk.count.refusal(session(), Refusal("moon_in_the_wrong_house", ""))
    assert desk.row.listener_refusals[len(REFUSAL_REASONS) + REFUSAL_INDEX["internal"]] == 1


def test_whoever_is_turned_away_later_or_earlier_is_counted_too(desk: Desk) -> None:
    start = len(REFUSAL_REASONS)
    desk.count.turned_away(1, "route_forbidden")
    assert desk.row.listener_refusals[start + REFUSAL_INDEX["route_forbidden"]] == 1
    desk.count.over_limit(session().listener, "127.0.0.1", "connections of the listener", 0.0)
    assert desk.row.listener_refusals[start + REFUSAL_INDEX["limit_exceeded"]] == 1
    assert desk.line()["detail"] == "connections of the listener"


def test_handshakes_retries_and_failures_have_their_cells(desk: Desk) -> None:
    desk.count.handshake(1, resumed=False)
    desk.count.handshake(1, resumed=True)
    desk.count.retry(1)
    desk.count.node_failed(1)
    row = desk.row
    assert list(row.listener_handshakes) == [0, 0, 1, 1]
    assert list(row.pool_retries) == [0, 0, 0, 1, 0, 0]
    assert list(row.node_failures) == [0, 1]


def test_a_head_that_is_none_has_a_line_of_its_own(desk: Desk) -> None:
    desk.count.rejected(session(), HeadTooLarge("too long"), 321, "abc-2")
    assert desk.row.institution_codes[len(CLASSES) + CLASSES.index("4xx")] == 1
    line = desk.line()
    assert (line["method"], line["status"], line["bytes_out"], line["reason"]) == ("-", 431, 321, "head_too_large")
