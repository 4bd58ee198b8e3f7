"""The table of metrics: names that rules and dashboards rely on."""

from __future__ import annotations

import re

from monitoring.metrics import FAMILIES

PROMISED = {
    "settlegate_requests_total": ("pool", "code"),
    "settlegate_request_duration_seconds": ("pool",),
    "settlegate_node_state": ("pool", "node", "state"),
    "settlegate_node_requests": ("pool", "node"),
    "settlegate_node_weight": ("pool", "node"),
    "settlegate_probe_duration_seconds": ("pool", "node", "check"),
    "settlegate_probe_failures_total": ("pool", "node", "check", "reason"),
    "settlegate_handshakes_total": ("listener", "resumed"),
    "settlegate_refusals_total": ("listener", "reason"),
    "settlegate_connections": ("listener",),
    "settlegate_unadmitted_connections": ("listener",),
    "settlegate_queue_length": ("pool",),
    "settlegate_retries_total": ("pool", "reason"),
    "settlegate_certificate_not_after_seconds": ("file",),
    "settlegate_crl_next_update_seconds": ("issuer",),
    "settlegate_config_reload_success": (),
    "settlegate_alerts_sent_total": ("channel", "result"),
    "settlegate_institution_requests_total": ("institution", "code"),
    "settlegate_institution_bytes_total": ("institution", "direction"),
    "settlegate_institution_last_seen_seconds": ("institution",),
}


def test_the_promised_names_have_the_promised_labels() -> None:
    assert {name: FAMILIES[name].labels for name in PROMISED} == PROMISED


def test_names_follow_the_rules_of_prometheus() -> None:
    for name, family in FAMILIES.items():
        assert name == family.name
        assert re.fullmatch(r"settlegate_[a-z_]+", name)
        assert (family.kind == "counter") == name.endswith("_total"), name
        assert family.help.endswith("."), name


def test_large_families_stay_off_the_page_that_is_scraped_often() -> None:
    large = {name for name, family in FAMILIES.items() if "institution" in family.labels}
    assert large == {name for name, family in FAMILIES.items() if family.page == "institutions"}
