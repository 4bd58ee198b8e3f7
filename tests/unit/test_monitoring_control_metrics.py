"""Counts of the control process: present from the start, gone with the configuration."""

from __future__ import annotations

from monitoring.control_metrics import MOST_REASONS, UNLISTED, ControlMetrics

NODE = ("clinic", "127.0.0.1:18101")
GONE = ("clinic", "127.0.0.1:18102")


def _configured() -> ControlMetrics:
    metrics = ControlMetrics()
    metrics.configure(
        checks={NODE: ["http", "tcp"], GONE: ["http"]}, reasons=["http_status", "tcp_refused"], channels=["duty"]
    )
    return metrics


def test_every_configured_series_begins_at_zero() -> None:
    metrics = _configured()
    assert metrics.probe_failures[(*NODE, "tcp", "tcp_refused")] == 0
    assert metrics.probe_failures[(*NODE, "http", UNLISTED)] == 0
    assert len(metrics.probe_failures) == 3 * 3
    assert metrics.alerts == {("duty", "sent"): 0, ("duty", "failed"): 0, ("duty", "dropped"): 0}
    assert metrics.probe_durations == {}


def test_a_probe_leaves_its_duration_and_its_failure() -> None:
    metrics = _configured()
    metrics.probed(*NODE, "http", 0.25, "http_status")
    metrics.probed(*NODE, "http", 0.5, None)
    assert metrics.probe_durations == {(*NODE, "http"): 0.5}
    assert metrics.probe_failures[(*NODE, "http", "http_status")] == 1


def test_a_probe_that_ends_after_its_node_was_removed_is_not_counted() -> None:
    metrics = _configured()
    metrics.probed(*GONE, "http", 1.0, "http_status")
    metrics.configure(checks={NODE: ["http"]}, reasons=["http_status"])
    metrics.probed(*GONE, "http", 1.0, "http_status")
    assert not [labels for labels in metrics.probe_failures if labels[1] == GONE[1]]
    assert metrics.probe_durations == {}
    assert metrics.alerts == {}


def test_counts_outlive_a_reload() -> None:
    metrics = _configured()
    metrics.probed(*NODE, "http", 1.0, "http_status")
    metrics.probed(*NODE, "http", 1.0, "http_body")
    metrics.alert("duty", "sent")
    metrics.configure(checks={NODE: ["http"]}, reasons=["http_status"], channels=["duty", "phone"])
    assert metrics.probe_failures[(*NODE, "http", "http_status")] == 1
    assert metrics.probe_failures[(*NODE, "http", "http_body")] == 1
    assert metrics.alerts[("duty", "sent")] == 1
    assert metrics.alerts[("phone", "sent")] == 0


def test_reasons_cannot_make_series_without_end() -> None:
    metrics = _configured()
    for number in range(500):
        metrics.probed(*NODE, "http", 1.0, f"reason_{number}")
    reasons = {labels[3] for labels in metrics.probe_failures}
    assert len(reasons) <= MOST_REASONS + 1
    assert sum(metrics.probe_failures.values()) == 500
    assert metrics.probe_failures[(*NODE, "http", UNLISTED)] == 500 - (MOST_REASONS - 2)


def test_an_alert_to_an_unknown_channel_is_not_counted() -> None:
    metrics = _configured()
    metrics.alert("nobody", "sent")
    assert sum(metrics.alerts.values()) == 0


def test_a_failed_reload_keeps_the_time_of_the_last_good_one() -> None:
    metrics = ControlMetrics()
    metrics.reloaded(success=True, now=100.0)
    metrics.reloaded(success=False, now=200.0)
    assert (metrics.reload_success, metrics.reloaded_at) == (False, 100.0)
    metrics.reloaded(success=True, now=300.0)
    assert (metrics.reload_success, metrics.reloaded_at) == (True, 300.0)


def test_every_worker_state_is_told_also_when_nobody_is_in_it() -> None:
    metrics = ControlMetrics()
    metrics.workers({"accepting": 2}, restarts=1)
    assert metrics.worker_states == {("starting",): 0, ("accepting",): 2, ("draining",): 0}
    assert metrics.worker_restarts == 1


def test_files_are_replaced_as_a_whole() -> None:
    metrics = ControlMetrics()
    metrics.files(certificates={"a.pem": 1.0, "b.pem": 2.0}, revocation_lists={"CN=CA": 3.0})
    metrics.files(certificates={"b.pem": 4.0}, revocation_lists={})
    assert metrics.certificates == {("b.pem",): 4.0}
    assert metrics.revocation_lists == {}
