"""The access log: well-formed whole lines, and a worker that never waits for them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from monitoring.access_log import CAPACITY, FLUSH_AFTER, FLUSH_AT, LINE_LIMIT, WRITE_LIMIT, AccessLog, quoted

EXCHANGE: dict[str, Any] = {
    "listener": "settlement",
    "institution": "H410300001",
    "client": "127.0.0.1:51234",
    "method": b"POST",
    "target": b"/claims/1?x=%20",
    "status": 200,
    "pool": "settlement",
    "node": "127.0.0.1:18101",
    "bytes_in": 812,
    "bytes_out": 233,
    "duration": 0.0123456,
    "upstream_duration": 0.01,
    "request_id": b"9d1c-1",
    "tls": "TLSv1.3",
    "resumed": True,
    "reason": None,
    "attempts": 1,
}


class FakeSink:
    """Takes what its room allows, in whole lines; remembers each write."""

    silent = False

    def __init__(self, room: float = float("inf"), *, atomic: bool = False) -> None:
        self.room = room
        self.atomic = atomic
        self.writes: list[str] = []
        self.closed = False
        self.reopened = 0

    def write(self, lines: list[str]) -> int:
        size = sum(map(len, lines))
        if size > self.room:
            return 0
        self.room -= size
        self.writes.append("".join(lines))
        return len(lines)

    def reopen(self) -> str | None:
        self.reopened += 1
        return None

    def close(self) -> None:
        self.closed = True

    def records(self) -> list[dict[str, Any]]:
        text = "".join(self.writes)
        assert text == "" or text.endswith("\n")
        return [json.loads(line) for line in text.splitlines()]


class FakeLoop:
    """Remembers what was put off."""

    def __init__(self) -> None:
        self.put_off: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        self.put_off.append((seconds, callback))

    def turn(self) -> None:
        due, self.put_off = self.put_off, []
        for _, callback in due:
            callback()


def test_an_exchange_is_one_json_line_with_every_field() -> None:
    sink = FakeSink()
    log = AccessLog(sink, clock=lambda: 1763786096.0000425)
    log.exchange(**EXCHANGE)
    log.flush()
    [record] = sink.records()
    assert record == {
        **{key: value for key, value in EXCHANGE.items() if not isinstance(value, bytes)},
        "time": "2025-11-22T04:34:56.000042Z",
        "event": "exchange",
        "method": "POST",
        "request_id": "9d1c-1",
        "target": "/claims/1?x=%20",
        "duration": 0.012346,
    }
    assert list(record)[:2] == ["time", "event"]


def test_what_is_not_known_is_null() -> None:
    sink = FakeSink()
    log = AccessLog(sink)
    nothing = {"institution": None, "pool": None, "node": None, "upstream_duration": None, "tls": None}
    log.exchange(**{**EXCHANGE, **nothing, "status": 403, "reason": "certificate_expired", "resumed": False})
    log.flush()
    [record] = sink.records()
    assert {key: record[key] for key in nothing} == nothing
    assert record["reason"] == "certificate_expired"
    assert record["resumed"] is False


def test_a_refused_connection_has_a_line_of_its_own() -> None:
    sink = FakeSink()
    log = AccessLog(sink)
    log.refused(listener="settlement", client="127.0.0.1:5", reason="handshake_failed", detail='bad "record"\r\n')
    log.flush()
    [record] = sink.records()
    assert record["event"] == "refused"
    assert record["reason"] == "handshake_failed"
    assert record["detail"] == 'bad "record"\r\n'
    assert record["institution"] is None


def test_the_time_is_utc_to_the_microsecond_also_across_a_second() -> None:
    times = iter([0.9999995, 1.0, 1.5, 86400.25])
    sink = FakeSink()
    log = AccessLog(sink, clock=lambda: next(times))
    for _ in range(4):
        log.exchange(**EXCHANGE)
    log.flush()
    assert [record["time"] for record in sink.records()] == [
        "1970-01-01T00:00:00.999999Z",
        "1970-01-01T00:00:01.000000Z",
        "1970-01-01T00:00:01.500000Z",
        "1970-01-02T00:00:00.250000Z",
    ]


@given(target=st.binary(max_size=9000), institution=st.text(max_size=300), request_id=st.binary(max_size=300))
def test_foreign_text_can_neither_break_a_line_nor_make_it_too_long(
    target: bytes, institution: str, request_id: bytes
) -> None:
    sink = FakeSink()
    log = AccessLog(sink)
    log.exchange(
        **{**EXCHANGE, "target": target, "institution": institution, "request_id": request_id, "method": target[:64]}
    )
    log.flush()
    [line] = sink.writes
    assert line.count("\n") == 1
    assert line.isascii()
    assert len(line) <= LINE_LIMIT
    assert json.loads(line)["status"] == 200


def test_the_longest_line_still_fits_an_atomic_write() -> None:
    sink = FakeSink()
    log = AccessLog(sink)
    worst = "\U0001f600" * 5000
    names = ("listener", "institution", "client", "pool", "node", "tls", "reason")
    numbers = {"bytes_in": 2**63 - 1, "bytes_out": 2**63 - 1, "duration": 1e9, "upstream_duration": 1e9, "attempts": 99}
    foreign = dict.fromkeys(("target", "method", "request_id"), worst.encode())
    log.exchange(**{**EXCHANGE, **dict.fromkeys(names, worst), **numbers, **foreign})
    log.refused(listener=worst, client=worst, reason=worst, institution=worst, tls=worst, detail=worst)
    log.flush()
    assert max(len(line) for line in "".join(sink.writes).splitlines(keepends=True)) <= LINE_LIMIT
    assert len(sink.records()) == 2


@given(st.text(max_size=60), st.integers(min_value=10, max_value=50))
def test_quoting_keeps_short_texts_and_cuts_long_ones(text: str, limit: int) -> None:
    value = quoted(text, limit)
    assert value.isascii()
    assert len(value) - 2 <= limit
    decoded = json.loads(value)
    if len(json.dumps(text)) - 2 <= limit:
        assert decoded == text
    else:
        assert decoded.endswith("...")
        assert text.startswith(decoded.removesuffix("..."))


def test_octets_that_are_no_utf8_stay_readable() -> None:
    sink = FakeSink()
    log = AccessLog(sink)
    log.exchange(**{**EXCHANGE, "target": b"/\xff\xe4\xb8\xad"})
    log.flush()
    assert sink.records()[0]["target"] == "/\\xff中"


def test_a_timer_flushes_and_is_set_only_once() -> None:
    sink, loop = FakeSink(), FakeLoop()
    log = AccessLog(sink, loop.call_later)
    log.exchange(**EXCHANGE)
    log.exchange(**EXCHANGE)
    assert [seconds for seconds, _ in loop.put_off] == [FLUSH_AFTER]
    assert sink.writes == []
    loop.turn()
    assert len(sink.records()) == 2
    assert loop.put_off == []  # an idle worker is not woken
    log.exchange(**EXCHANGE)
    assert len(loop.put_off) == 1


def test_a_full_buffer_does_not_wait_for_its_timer() -> None:
    sink, loop = FakeSink(), FakeLoop()
    log = AccessLog(sink, loop.call_later)
    while not sink.writes:
        log.exchange(**EXCHANGE)
    [write] = sink.writes
    assert FLUSH_AT <= len(write) <= WRITE_LIMIT


def test_writes_hold_whole_lines_and_no_more_than_the_sink_keeps_in_one_piece() -> None:
    for atomic, most in ((True, LINE_LIMIT), (False, WRITE_LIMIT)):
        sink = FakeSink(room=0, atomic=atomic)
        log = AccessLog(sink)
        for _ in range(400):
            log.exchange(**EXCHANGE)
        assert sink.writes == []
        sink.room = float("inf")
        log.flush()
        assert len(sink.writes) > 1
        assert all(write.endswith("\n") and len(write) <= most for write in sink.writes)
        assert len(sink.records()) == 400


def test_a_full_sink_costs_the_newest_lines_and_the_gap_is_told_where_it_is() -> None:
    sink, loop = FakeSink(room=0), FakeLoop()
    log = AccessLog(sink, loop.call_later)
    count = 0
    while log.dropped < 7:
        log.exchange(**EXCHANGE)
        count += 1
    assert sink.writes == []
    assert len(loop.put_off) == 1
    assert re.fullmatch(r"<AccessLog to .*, \d+ lines waiting, 7 dropped>", repr(log))
    sink.room = float("inf")
    loop.turn()
    log.exchange(**EXCHANGE)
    loop.turn()
    records = sink.records()
    assert [index for index, record in enumerate(records) if record["event"] == "dropped"] == [count - 7]
    assert records[count - 7]["lines"] == 7
    assert len(records) == count - 7 + 1 + 1
    assert log.dropped == 7


def test_memory_stays_bounded_while_the_sink_takes_nothing() -> None:
    sink = FakeSink(room=0)
    log = AccessLog(sink)
    for _ in range(5000):
        log.exchange(**{**EXCHANGE, "target": b"/" + b"a" * 1000})
    assert log.dropped > 0
    sink.room = float("inf")
    log.flush()
    assert sum(map(len, sink.writes)) <= CAPACITY


def test_a_sink_that_stays_full_is_tried_by_the_timer_and_not_at_every_line() -> None:
    class Counting(FakeSink):
        tries = 0

        def write(self, lines: list[str]) -> int:
            self.tries += 1
            return super().write(lines)

    sink, loop = Counting(room=0), FakeLoop()
    log = AccessLog(sink, loop.call_later)
    for _ in range(1000):
        log.exchange(**EXCHANGE)
    assert sink.tries == 1
    loop.turn()
    assert sink.tries == 2
    assert len(loop.put_off) == 1


def test_no_lines_are_made_for_a_silent_sink() -> None:
    sink = FakeSink()
    sink.silent = True
    loop = FakeLoop()
    log = AccessLog(sink, loop.call_later)
    log.exchange(**EXCHANGE)
    log.refused(listener="a", client="b", reason="c")
    log.flush()
    assert sink.writes == []
    assert loop.put_off == []


def test_closing_writes_what_waits_and_counts_what_is_lost() -> None:
    sink = FakeSink()
    log = AccessLog(sink)
    log.exchange(**EXCHANGE)
    log.close()
    assert len(sink.records()) == 1
    assert sink.closed
    assert log.dropped == 0

    stuck = FakeSink(room=0)
    log = AccessLog(stuck)
    log.exchange(**EXCHANGE)
    log.close()
    assert stuck.closed
    assert log.dropped == 1


def test_reopening_first_writes_what_belongs_into_the_old_file() -> None:
    sink = FakeSink()
    log = AccessLog(sink)
    log.exchange(**EXCHANGE)
    assert log.reopen() is None
    assert sink.reopened == 1
    assert len(sink.records()) == 1
