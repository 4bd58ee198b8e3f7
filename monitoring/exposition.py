"""Metrics as Prometheus reads them: adds the workers' rows of the scoreboard up when somebody asks.

The workers never call a metrics library; they write cells, and this reads sums of them. The scoreboard belongs to
`gateway`, which this package may not import, so what is needed of it is said in Protocols.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from monitoring.control_metrics import ControlMetrics
from monitoring.metrics import FAMILIES

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The text format and not OpenMetrics: promtool's lint reads only this one."""
LABEL_LIMIT: Final = 200
ALWAYS_CODES: Final = frozenset({"200"})
ALWAYS_CLASSES: Final = frozenset({"2xx", "4xx", "5xx"})

Sample = tuple[str, tuple[str, ...], float]
"""Suffix after the family's name, label values in the family's order, value."""


class Board(Protocol):
    """The workers' cells."""

    def totals(self, field: str, start: int = 0, stop: int | None = None) -> list[int]:
        """Cells `start` to `stop` of a field, each over all workers."""


class Slots(Protocol):
    """Which cells belong to what is configured now."""

    @property
    def listeners(self) -> Mapping[str, int]: ...
    @property
    def pools(self) -> Mapping[str, int]: ...
    @property
    def nodes(self) -> Mapping[tuple[str, str], int]: ...
    @property
    def institutions(self) -> Mapping[str, int]: ...


@dataclass(frozen=True, slots=True)
class BoardLabels:
    """What the inner cells of a field stand for, in their order."""

    codes: Sequence[str]
    """Of `pool_codes`."""
    buckets: Sequence[float]
    """Of `pool_buckets`: upper bounds in seconds, the last one infinite."""
    refusals: Sequence[str]
    retries: Sequence[str]
    classes: Sequence[str]
    """Of `institution_codes`."""
    directions: Sequence[str]
    resumed: Sequence[str] = ("false", "true")


@dataclass(frozen=True, slots=True)
class NodeReading:
    """A node as `control` sees it."""

    pool: str
    address: str
    state: str
    weight: float


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the numbers come from. The callables are asked at every scrape: a reload changes their answers."""

    board: Board
    labels: BoardLabels
    slots: Callable[[], Slots]
    nodes: Callable[[], Iterable[NodeReading]]
    node_states: Sequence[str]
    control: ControlMetrics


def main_page(sources: Sources) -> bytes:
    """All of /metrics."""
    return _render(_Families(lambda: _main(sources)))


def institutions_page(sources: Sources) -> bytes:
    """All of /metrics/institutions: thousands of series, to be scraped slowly."""
    return _render(_Families(lambda: _institutions(sources)))


class _Families(Collector):
    """prometheus_client's shape of a source: asked once per rendering."""

    def __init__(self, read: Callable[[], Iterator[tuple[str, Iterable[Sample]]]]) -> None:
        self._read = read

    def describe(self) -> list[Metric]:
        """Nothing: registering must not read the scoreboard."""
        return []

    def collect(self) -> Iterator[Metric]:
        for name, samples in self._read():
            family = FAMILIES[name]
            # prometheus_client keeps a counter's family without _total and its samples with it.
            stem = name.removesuffix("_total") if family.kind == "counter" else name
            metric = Metric(stem, family.help, family.kind)
            ending = "_total" if family.kind == "counter" else ""
            names = family.labels
            for suffix, values, value in samples:
                labels = dict(zip((*names, "le") if suffix == "_bucket" else names, map(_label, values), strict=True))
                metric.add_sample(stem + (suffix or ending), labels, value)
            yield metric


def _render(collector: Collector) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)


def _label(value: str) -> str:
    """Fit for the text format: prometheus_client escapes quotes and line ends, and fails on half a surrogate pair."""
    if len(value) <= LABEL_LIMIT and value.isprintable():
        return value
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value[:LABEL_LIMIT])


def _main(sources: Sources) -> Iterator[tuple[str, Iterable[Sample]]]:
    board, labels, control = sources.board, sources.labels, sources.control
    slots = sources.slots()
    pools, listeners, nodes = slots.pools, slots.listeners, slots.nodes
    yield "settlegate_requests_total", _table(board, "pool_codes", pools, labels.codes, ALWAYS_CODES)
    yield "settlegate_request_duration_seconds", _histograms(board, pools, labels.buckets)
    yield "settlegate_queue_length", _cells(board, "pool_queue", pools)
    yield "settlegate_retries_total", _table(board, "pool_retries", pools, labels.retries)
    readings = list(sources.nodes())
    yield "settlegate_node_state", _one_hot(readings, sources.node_states)
    yield "settlegate_node_weight", [("", (node.pool, node.address), node.weight) for node in readings]
    yield "settlegate_node_requests", _node_cells(board, "node_active", nodes)
    yield "settlegate_node_exchanges_total", _node_cells(board, "node_requests", nodes)
    yield "settlegate_node_failures_total", _node_cells(board, "node_failures", nodes)
    yield "settlegate_connections", _cells(board, "listener_connections", listeners)
    yield "settlegate_unadmitted_connections", _cells(board, "listener_strangers", listeners)
    yield "settlegate_handshakes_total", _table(board, "listener_handshakes", listeners, labels.resumed)
    yield "settlegate_refusals_total", _table(board, "listener_refusals", listeners, labels.refusals)
    yield "settlegate_probe_duration_seconds", _known(control.probe_durations)
    yield "settlegate_probe_failures_total", _known(control.probe_failures)
    yield "settlegate_certificate_not_after_seconds", _known(control.certificates)
    yield "settlegate_crl_next_update_seconds", _known(control.revocation_lists)
    yield "settlegate_alerts_sent_total", _known(control.alerts)
    yield "settlegate_workers", _known(control.worker_states)
    yield "settlegate_worker_restarts_total", [("", (), control.worker_restarts)]
    yield "settlegate_config_reload_success", [("", (), float(control.reload_success))]
    yield "settlegate_config_last_reload_timestamp_seconds", [("", (), control.reloaded_at)]
    yield "settlegate_build_info", [("", control.build, 1)]


def _institutions(sources: Sources) -> Iterator[tuple[str, Iterable[Sample]]]:
    board, labels = sources.board, sources.labels
    slots = sources.slots().institutions
    yield (
        "settlegate_institution_requests_total",
        _table(board, "institution_codes", slots, labels.classes, ALWAYS_CLASSES),
    )
    yield "settlegate_institution_bytes_total", _table(board, "institution_bytes", slots, labels.directions)
    # 0 means never, and shown it would read as fifty years ago.
    seen = [sample for sample in _cells(board, "institution_last_seen", slots) if sample[2]]
    yield "settlegate_institution_last_seen_seconds", seen
    yield "settlegate_institution_connections", _cells(board, "institution_connections", slots)
    yield "settlegate_institution_in_flight_requests", _cells(board, "institution_active", slots)


def _read(board: Board, field: str, slots: Iterable[int], width: int = 1) -> list[int]:
    """The field's cells up to the last slot in use, in one read."""
    return board.totals(field, 0, (max(slots, default=-1) + 1) * width)


def _cells(board: Board, field: str, slots: Mapping[str, int]) -> list[Sample]:
    totals = _read(board, field, slots.values())
    return [("", (name,), totals[slot]) for name, slot in slots.items()]


def _node_cells(board: Board, field: str, slots: Mapping[tuple[str, str], int]) -> list[Sample]:
    totals = _read(board, field, slots.values())
    return [("", key, totals[slot]) for key, slot in slots.items()]


def _table(
    board: Board,
    field: str,
    slots: Mapping[str, int],
    columns: Sequence[str],
    always: frozenset[str] | None = None,
) -> Iterator[Sample]:
    """One sample for each slot and column; with `always` only those columns are shown while they read 0."""
    width = len(columns)
    totals = _read(board, field, slots.values(), width)
    for name, slot in slots.items():
        for position, column in enumerate(columns, slot * width):
            value = totals[position]
            if value or always is None or column in always:
                yield "", (name, column), value


def _histograms(board: Board, slots: Mapping[str, int], bounds: Sequence[float]) -> Iterator[Sample]:
    width = len(bounds)
    counts = _read(board, "pool_buckets", slots.values(), width)
    micros = _read(board, "pool_seconds", slots.values())
    for name, slot in slots.items():
        cumulative = list(accumulate(counts[slot * width : (slot + 1) * width]))
        for bound, count in zip(bounds, cumulative, strict=True):
            yield "_bucket", (name, _bound(bound)), count
        # The count is the last bucket and no cell of its own, so the two can never contradict each other.
        yield "_count", (name,), cumulative[-1]
        yield "_sum", (name,), micros[slot] / 1e6


def _bound(seconds: float) -> str:
    return "+Inf" if math.isinf(seconds) else repr(float(seconds))


def _one_hot(readings: Iterable[NodeReading], states: Sequence[str]) -> Iterator[Sample]:
    for node in readings:
        for state in states:
            yield "", (node.pool, node.address, state), float(state == node.state)


def _known(values: Mapping[tuple[str, ...], float]) -> list[Sample]:
    return [("", labels, value) for labels, value in values.items()]
