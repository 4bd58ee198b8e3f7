"""The bench's arithmetic: which of the two is the better, when a target is met, and what is said of a failed row."""

from __future__ import annotations

import pytest

from bench.rows import OURS, PURE, curves, rows
from bench.sample import Sample
from bench.table import curve_cells, main_cells, markdown, rate_cells
from bench.workloads import WORKLOADS

NAMES = ["nginx", "haproxy", PURE, OURS]


def samples(**by_workload: dict[str, list[float]]) -> dict[str, dict[str, list[Sample]]]:
    return {
        workload: {proxy: [Sample(value) for value in values] for proxy, values in by_proxy.items()}
        for workload, by_proxy in by_workload.items()
    }


def test_a_ratio_is_of_medians_to_the_better_one() -> None:
    measured = samples(post64={"nginx": [30, 90, 31], "haproxy": [20, 21, 90], PURE: [42, 42, 42], OURS: [23.1, 1, 99]})
    (row,) = rows(measured)
    assert row.values == {"nginx": 31, "haproxy": 21, PURE: 42, OURS: 23.1}
    assert row.ratios == {PURE: 2.0, OURS: pytest.approx(1.1)}
    assert row.met is True


@pytest.mark.parametrize(("ours", "met"), [(22.0, True), (22.1, False)])
def test_a_target_is_met_up_to_its_limit(ours: float, met: bool) -> None:
    assert rows(samples(post64={"nginx": [20], "haproxy": [25], OURS: [ours]}))[0].met is met


@pytest.mark.parametrize(("nginx", "ours", "met"), [(22, 30, True), (22, 30.5, False), (19, 29, False)])
def test_an_idle_connection_has_a_ratio_and_a_size(nginx: float, ours: float, met: bool) -> None:
    assert rows(samples(idle={"nginx": [nginx], "haproxy": [40], OURS: [ours]}))[0].met is met


def test_rush_hour_is_met_in_seconds_and_without_failure() -> None:
    measured = samples(rush={"nginx": [1.0], "haproxy": [1.0], OURS: [1.5]})
    assert rows(measured)[0].met is True
    measured["rush"][OURS] = [Sample(1.2, failures=1)]
    (row,) = rows(measured)
    assert row.met is False
    assert row.note == "settlegate: 1 failed"


def test_a_latency_at_a_load_that_was_not_carried_is_not_met() -> None:
    measured = samples(latency={"nginx": [2.0], "haproxy": [3.0]})
    measured["latency"][OURS] = [Sample(1.0, note="carried only 900/s")]
    row, middle = rows(measured)
    assert row.met is False
    assert row.note == "settlegate: carried only 900/s"
    assert middle.title == "p50 at half load"


def test_a_load_that_was_the_bottleneck_is_noted() -> None:
    measured = samples(post64={"nginx": [2.0]})
    measured["post64"]["haproxy"] = [Sample(2.0, proxy_share=0.7, load_share=0.5, node_share=0.49)]
    assert rows(measured)[0].note == "haproxy: load-bound"


def test_without_a_reference_nothing_is_judged() -> None:
    (row,) = rows(samples(post64={OURS: [20]}))
    assert row.ratios == {}
    assert row.met is None


def test_a_proxy_that_failed_has_no_number() -> None:
    header, lines = main_cells(rows(samples(post64={"nginx": [20], OURS: [20]})), NAMES)
    assert dict(zip(header, lines[0], strict=True))["HAProxy"] == "failed"


def test_a_round_that_failed_is_not_averaged_away() -> None:
    (row,) = rows(samples(post64={"nginx": [20, 20, 20], OURS: [20, 20]}), rounds=3)
    assert row.note == "settlegate: failed in 1 of 3 rounds"
    assert row.met is False
    (row,) = rows(samples(post64={"nginx": [20]}), names=["nginx", OURS])
    assert row.note == "settlegate: failed in 1 of 1 rounds"
    assert row.met is False


def test_growth_over_connections_is_judged_against_haproxy() -> None:
    measured = samples(
        post10={"haproxy": [20], OURS: [10]},
        post64={"haproxy": [20], OURS: [10]},
        post1000={"haproxy": [30], OURS: [14]},
        post5000={"haproxy": [40], OURS: [21]},
    )
    (curve,) = curves(measured)
    assert curve.growth == {"haproxy": 2.0, OURS: 2.1}
    assert curve.met is False
    assert curve_cells(curve)[1][1][-1] == "not met"


@pytest.mark.parametrize(("values", "deviation", "met"), [((20, 21, 21.9), 0.095, True), ((20, 17, 20), -0.15, False)])
def test_cost_over_nodes_must_be_flat(values: tuple[float, ...], deviation: float, met: bool) -> None:
    named = dict(zip(("nodes2", "nodes20", "nodes200"), ({OURS: [value]} for value in values), strict=True))
    (curve,) = curves(samples(**named))
    assert curve.growth[OURS] == pytest.approx(deviation)
    assert curve.met is met


def test_a_curve_with_a_missing_point_is_not_drawn() -> None:
    assert curves(samples(nodes2={OURS: [1]}, nodes200={OURS: [1]})) == []


def test_the_page_has_every_row_and_the_machine() -> None:
    measured = samples(post64={"nginx": [20], "haproxy": [25], OURS: [24]}, full={"nginx": [900], OURS: [910]})
    page = markdown(
        rows(measured), [], rate_cells(measured, WORKLOADS, NAMES), NAMES, {"kernel": "Linux 6.1"}, "three rounds"
    )
    assert "| claim by POST, 64 connections | µs CPU | 20.0 | 25.0 | failed | 24.0 | 1.20 | ≤ 1.1 | not met |" in page
    assert "| full handshake + claim |" in page
    assert "- kernel: Linux 6.1" in page


def test_rates_come_with_the_split_of_their_cost() -> None:
    one = Sample(24, user=13, system=11, rate=41_000, load_share=0.5, node_share=0.3)
    header, lines = rate_cells(
        {"post64": {"nginx": [one]}, "idle": {"nginx": [Sample(20)]}}, WORKLOADS, ["nginx", OURS]
    )
    assert header[-1] == "load and nodes"
    assert lines == [["claim by POST, 64 connections", "41,000/s, 13.0 + 11.0", "failed", "80%"]]
