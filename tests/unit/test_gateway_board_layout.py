"""Tables and cells of the scoreboard."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.board_layout import (
    BUCKETS,
    CELL,
    CODE_INDEX,
    CODES,
    REFUSAL_INDEX,
    REFUSAL_REASONS,
    RETRY_INDEX,
    RETRY_REASONS,
    Capacity,
    ControlPage,
    Row,
    bucket_index,
    code_index,
    code_label,
)
from gateway.errors import NodeError

SMALL = Capacity(listeners=2, pools=3, nodes=5, institutions=7)


@pytest.mark.parametrize(
    ("status", "label"),
    [
        (101, "101"),
        (100, "1xx"),
        (200, "200"),
        (207, "207"),
        (299, "2xx"),
        (404, "404"),
        (451, "451"),
        (499, "4xx"),
        (503, "503"),
        (599, "5xx"),
        (0, "5xx"),
        (99, "5xx"),
        (600, "5xx"),
        (-1, "5xx"),
    ],
)
def test_every_status_has_a_label(status: int, label: str) -> None:
    assert code_label(code_index(status)) == label


@given(st.integers(100, 599))
def test_a_status_is_counted_under_itself_or_under_its_class(status: int) -> None:
    assert CODES[CODE_INDEX[status]] in (str(status), f"{status // 100}xx")


def test_labels_occur_once() -> None:
    assert len(set(CODES)) == len(CODES)
    assert [REFUSAL_REASONS[index] for index in REFUSAL_INDEX.values()] == list(REFUSAL_REASONS)
    assert len(REFUSAL_INDEX) == len(REFUSAL_REASONS)
    assert [RETRY_REASONS[index] for index in RETRY_INDEX.values()] == list(RETRY_REASONS)


def test_retries_carry_the_reasons_of_node_errors() -> None:
    assert set(RETRY_REASONS) == {kind.reason for kind in NodeError.__subclasses__()}


@given(st.floats(0, 100))
def test_a_duration_lies_in_the_first_bucket_that_holds_it(seconds: float) -> None:
    index = bucket_index(seconds)
    assert seconds <= BUCKETS[index]
    assert index == 0 or seconds > BUCKETS[index - 1]


def test_bounds_belong_to_their_own_bucket() -> None:
    assert [bucket_index(bound) for bound in BUCKETS] == list(range(len(BUCKETS)))
    assert bucket_index(math.inf) == len(BUCKETS) - 1


@pytest.mark.parametrize("kind", [Row, ControlPage])
def test_fields_neither_overlap_nor_leave_the_mapping(kind: type[Row] | type[ControlPage]) -> None:
    octets = kind.octets(SMALL)
    assert octets % 4096 == 0
    cells = kind(memoryview(bytearray(octets)), SMALL)
    expected = {}
    for number, (name, whose, width) in enumerate(kind.FIELDS, start=1):
        view = getattr(cells, name)
        assert len(view) == SMALL.of(whose) * width
        assert view.itemsize == CELL
        for index in range(len(view)):
            view[index] = number
        expected[name] = [number] * len(view)
    assert {name: getattr(cells, name).tolist() for name, _, _ in kind.FIELDS} == expected


def test_gauges_are_fields() -> None:
    assert set(Row.GAUGES) < {name for name, _, _ in Row.FIELDS}


def test_released_views_let_the_memory_go() -> None:
    memory = bytearray(Row.octets(SMALL))
    row = Row(memoryview(memory), SMALL)
    with pytest.raises(BufferError):
        memory.append(0)
    row.release()
    memory.append(0)
    with pytest.raises(ValueError, match="released"):
        row.node_active[0]


def test_publishing_moves_the_epoch_only_when_something_changed() -> None:
    page = ControlPage(memoryview(bytearray(ControlPage.octets(SMALL))), SMALL)
    assert page.publish(4, state=1, admin=0, weight=0.5, since=1e9)
    assert page.epoch[0] == 1
    assert (page.node_state[4], page.node_admin[4], page.node_weight[4], page.node_since[4]) == (1, 0, 0.5, 1e9)
    assert not page.publish(4, state=1, admin=0, weight=0.5, since=1e9)
    assert page.epoch[0] == 1
    for change in ({"state": 2}, {"admin": 1}, {"weight": 0.25}, {"since": 2e9}):
        before = page.epoch[0]
        cells = {"state": 1, "admin": 0, "weight": 0.5, "since": 1e9} | change
        assert page.publish(4, **cells)
        page.publish(4, state=1, admin=0, weight=0.5, since=1e9)
        assert page.epoch[0] == before + 2
    assert page.node_state.tolist() == [0, 0, 0, 0, 1]
