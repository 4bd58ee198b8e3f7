"""Rendering: sums of the workers' rows in a format that Prometheus takes."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gateway.board_layout import BUCKETS, CLASSES, CODES, DIRECTIONS, REFUSAL_REASONS, RETRY_REASONS, Capacity
from gateway.scoreboard import Scoreboard
from gateway.slots import Slots as BoardSlots
from monitoring.control_metrics import ControlMetrics
from monitoring.exposition import BoardLabels, NodeReading, Sources, institutions_page, main_page
from monitoring.metrics import FAMILIES

LABELS = BoardLabels(
    codes=CODES,
    buckets=BUCKETS,
    refusals=REFUSAL_REASONS,
    retries=RETRY_REASONS,
    classes=CLASSES,
    directions=DIRECTIONS,
)
STATES = ("checking", "up", "down", "ejected", "draining", "maintenance")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass
class FakeSlots:
    listeners: Mapping[str, int] = field(default_factory=dict)
    pools: Mapping[str, int] = field(default_factory=dict)
    nodes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    institutions: Mapping[str, int] = field(default_factory=dict)


class FakeBoard:
    """Two workers' rows in dictionaries."""

    def __init__(self, *rows: dict[str, dict[int, int]]) -> None:
        self.rows = rows

    def totals(self, name: str, start: int = 0, stop: int | None = None) -> list[int]:
        assert stop is not None
        return [sum(row.get(name, {}).get(index, 0) for row in self.rows) for index in range(start, stop)]


SLOTS = FakeSlots({"settlement": 3}, {"clinic": 1, "pharmacy": 0}, {("clinic", "127.0.0.1:1"): 5}, {"H1": 2, "P2": 0})


def _sources(board: FakeBoard | Scoreboard, slots: FakeSlots | BoardSlots = SLOTS) -> Sources:
    nodes = [NodeReading("clinic", "127.0.0.1:1", "draining", 1.5)]
    return Sources(board, LABELS, lambda: slots, lambda: nodes, STATES, ControlMetrics())


def _samples(text: bytes) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def _of(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def test_rows_are_added_up_at_the_right_places() -> None:
    at = CODES.index("502") + 1 * len(CODES)
    board = FakeBoard(
        {
            "pool_codes": {at: 3},
            "node_active": {5: 2},
            "listener_connections": {3: 7},
            "listener_strangers": {3: 2},
            "pool_queue": {0: 1},
        },
        {"pool_codes": {at: 4}, "node_active": {5: 9}, "listener_connections": {3: 1}, "node_failures": {5: 6}},
    )
    samples = _samples(main_page(_sources(board)))
    assert _of(samples, "settlegate_requests_total", pool="clinic", code="502") == 7
    assert _of(samples, "settlegate_node_requests", pool="clinic", node="127.0.0.1:1") == 11
    assert _of(samples, "settlegate_node_failures_total", pool="clinic", node="127.0.0.1:1") == 6
    assert _of(samples, "settlegate_connections", listener="settlement") == 8
    assert _of(samples, "settlegate_unadmitted_connections", listener="settlement") == 2
    assert _of(samples, "settlegate_queue_length", pool="pharmacy") == 1
    assert _of(samples, "settlegate_queue_length", pool="clinic") == 0


def test_counters_stand_at_zero_before_anything_happened() -> None:
    samples = _samples(main_page(_sources(FakeBoard())))
    assert _of(samples, "settlegate_requests_total", pool="pharmacy", code="200") == 0
    assert _of(samples, "settlegate_requests_total", pool="pharmacy", code="502") is None
    for reason in REFUSAL_REASONS:
        assert _of(samples, "settlegate_refusals_total", listener="settlement", reason=reason) == 0
    for reason in RETRY_REASONS:
        assert _of(samples, "settlegate_retries_total", pool="clinic", reason=reason) == 0
    for resumed in ("true", "false"):
        assert _of(samples, "settlegate_handshakes_total", listener="settlement", resumed=resumed) == 0
    assert _of(samples, "settlegate_worker_restarts_total") == 0
    assert _of(samples, "settlegate_workers", state="accepting") == 0


def test_resumed_handshakes_are_the_second_column() -> None:
    board = FakeBoard({"listener_handshakes": {3 * 2: 10, 3 * 2 + 1: 4}})
    samples = _samples(main_page(_sources(board)))
    assert _of(samples, "settlegate_handshakes_total", listener="settlement", resumed="false") == 10
    assert _of(samples, "settlegate_handshakes_total", listener="settlement", resumed="true") == 4


def test_the_state_of_a_node_is_one_hot() -> None:
    samples = _samples(main_page(_sources(FakeBoard())))
    values = {
        state: _of(samples, "settlegate_node_state", pool="clinic", node="127.0.0.1:1", state=state) for state in STATES
    }
    assert values == {**dict.fromkeys(STATES, 0.0), "draining": 1.0}
    assert _of(samples, "settlegate_node_weight", pool="clinic", node="127.0.0.1:1") == 1.5


@given(st.lists(st.integers(0, 1000), min_size=len(BUCKETS), max_size=len(BUCKETS)), st.integers(0, 10**12))
def test_histograms_are_cumulative_and_agree_with_themselves(counts: list[int], micros: int) -> None:
    width = len(BUCKETS)
    board = FakeBoard(
        {"pool_buckets": {width + index: count for index, count in enumerate(counts)}, "pool_seconds": {1: micros}}
    )
    samples = _samples(main_page(_sources(board)))
    name = "settlegate_request_duration_seconds"
    shown = [
        (float(dict(labels)["le"]), value)
        for (sample, labels), value in samples.items()
        if sample == f"{name}_bucket" and ("pool", "clinic") in labels
    ]
    assert [bound for bound, _ in shown] == list(BUCKETS)
    assert [value for _, value in shown] == [sum(counts[: index + 1]) for index in range(width)]
    assert _of(samples, f"{name}_count", pool="clinic") == sum(counts)
    assert _of(samples, f"{name}_sum", pool="clinic") == pytest.approx(micros / 1e6)
    assert _of(samples, f"{name}_count", pool="pharmacy") == 0
    assert shown[-1][0] == math.inf


def test_the_control_process_tells_what_it_counted() -> None:
    sources = _sources(FakeBoard())
    control = sources.control
    control.configure(checks={("clinic", "n"): ["http"]}, reasons=["http_status"], channels=["duty"])
    control.probed("clinic", "n", "http", 0.25, "http_status")
    control.files(certificates={"/etc/gw.pem": 1.9e9}, revocation_lists={"CN=CA": 1.8e9})
    control.reloaded(success=False, now=5.0)
    control.alert("duty", "failed")
    control.build = ("0.1.0", "3.11.2", "OpenSSL 3.5")
    samples = _samples(main_page(sources))
    assert _of(samples, "settlegate_probe_duration_seconds", pool="clinic", node="n", check="http") == 0.25
    failures = {"pool": "clinic", "node": "n", "check": "http"}
    assert _of(samples, "settlegate_probe_failures_total", **failures, reason="http_status") == 1
    assert _of(samples, "settlegate_probe_failures_total", **failures, reason="other") == 0
    assert _of(samples, "settlegate_certificate_not_after_seconds", file="/etc/gw.pem") == 1.9e9
    assert _of(samples, "settlegate_crl_next_update_seconds", issuer="CN=CA") == 1.8e9
    assert _of(samples, "settlegate_config_reload_success") == 0
    assert _of(samples, "settlegate_alerts_sent_total", channel="duty", result="failed") == 1
    assert _of(samples, "settlegate_build_info", version="0.1.0", python="3.11.2", openssl="OpenSSL 3.5") == 1


def test_institutions_have_a_page_of_their_own() -> None:
    classes, directions = len(CLASSES), len(DIRECTIONS)
    board = FakeBoard(
        {
            "institution_codes": {2 * classes + CLASSES.index("3xx"): 5},
            "institution_bytes": {2 * directions: 1000, 2 * directions + 1: 2000},
            "institution_last_seen": {2: 1_763_786_096},
        }
    )
    samples = _samples(institutions_page(_sources(board)))
    assert _of(samples, "settlegate_institution_requests_total", institution="H1", code="3xx") == 5
    assert _of(samples, "settlegate_institution_requests_total", institution="P2", code="3xx") is None
    for code in ("2xx", "4xx", "5xx"):
        assert _of(samples, "settlegate_institution_requests_total", institution="P2", code=code) == 0
    assert _of(samples, "settlegate_institution_bytes_total", institution="H1", direction="in") == 1000
    assert _of(samples, "settlegate_institution_bytes_total", institution="H1", direction="out") == 2000
    assert _of(samples, "settlegate_institution_last_seen_seconds", institution="H1") == 1_763_786_096
    assert _of(samples, "settlegate_institution_last_seen_seconds", institution="P2") is None


def test_each_page_shows_its_families_and_no_other() -> None:
    for text, page in (
        (main_page(_sources(FakeBoard())), "main"),
        (institutions_page(_sources(FakeBoard())), "institutions"),
    ):
        told = {line.split()[2] for line in text.decode().splitlines() if line.startswith("# TYPE")}
        assert told == {name for name, family in FAMILIES.items() if family.page == page}


def test_nothing_configured_is_no_error() -> None:
    samples = _samples(main_page(replace(_sources(FakeBoard(), FakeSlots()), nodes=list)))
    assert not [name for name, _ in samples if name.startswith("settlegate_requests")]
    assert _samples(institutions_page(_sources(FakeBoard(), FakeSlots()))) == {}


@given(st.text(max_size=300))
def test_no_label_value_can_break_the_format(text: str) -> None:
    sources = _sources(FakeBoard())
    sources.control.files(certificates={}, revocation_lists={text + '\ud800\r\n"\\': 1.0})
    page = main_page(sources)
    families = {family.name: family for family in text_string_to_metric_families(page.decode())}
    [sample] = families["settlegate_crl_next_update_seconds"].samples
    assert sample.labels["issuer"].isprintable()
    assert len(sample.labels["issuer"]) <= 200


def test_chinese_label_values_stay_as_they_are() -> None:
    sources = _sources(FakeBoard())
    sources.control.files(certificates={}, revocation_lists={'CN=洛阳根证书 "甲"': 1.0})
    samples = _samples(main_page(sources))
    assert _of(samples, "settlegate_crl_next_update_seconds", issuer='CN=洛阳根证书 "甲"') == 1.0


def test_a_real_scoreboard_fits() -> None:
    capacity = Capacity(listeners=2, pools=2, nodes=4, institutions=4)
    board = Scoreboard.create(2, capacity)
    slots = BoardSlots({"settlement": 0}, {"clinic": 1}, {("clinic", "127.0.0.1:1"): 3}, {"H1": 3})
    board.rows[0].node_active[3] = 4
    board.rows[1].node_active[3] = 5
    board.rows[1].institution_bytes[3 * 2 + 1] = 77
    sources = _sources(board, slots)
    samples = _samples(main_page(sources))
    assert _of(samples, "settlegate_node_requests", pool="clinic", node="127.0.0.1:1") == 9
    samples = _samples(institutions_page(sources))
    assert _of(samples, "settlegate_institution_bytes_total", institution="H1", direction="out") == 77
    board.close()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("page", [main_page, institutions_page])
def test_promtool_finds_nothing_to_say(page: Callable[[Sources], bytes]) -> None:
    sources = _sources(FakeBoard({"institution_last_seen": {0: 5}}))
    sources.control.configure(checks={("clinic", "n"): ["http"]}, reasons=["status"], channels=["duty"])
    sources.control.probed("clinic", "n", "http", 0.1, None)
    sources.control.files(certificates={"a.pem": 1.0}, revocation_lists={'CN="x"\\': 2.0})
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=page(sources), capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
