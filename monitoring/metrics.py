"""Every metric: its name, kind, help and labels in one table. How they are filled is the affair of `exposition`.

Base units, `_total` on counters, label values from the configuration only: a client cannot make a new series.
Counters of the configured pools, nodes and listeners exist from the start with 0, because Prometheus does not see
the first increase of a counter that appears with its first event. Status codes other than 200 are the exception:
there are sixty of them, so each appears once it has happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. `page` says whether it is scraped often (main) or slowly (institutions: thousands of series)."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    page: Literal["main", "institutions"] = "main"


def _table(*families: Family) -> dict[str, Family]:
    return {family.name: family for family in families}


FAMILIES: Final = _table(
    Family(
        "settlegate_requests_total",
        "counter",
        "Exchanges that ended, by the status the client got.",
        ("pool", "code"),
    ),
    Family(
        "settlegate_request_duration_seconds",
        "histogram",
        "From the first octet of a request to the last of its response.",
        ("pool",),
    ),
    Family(
        "settlegate_node_state",
        "gauge",
        "1 for the state a node is in, 0 for every other state.",
        ("pool", "node", "state"),
    ),
    Family("settlegate_node_requests", "gauge", "Exchanges in flight on a node.", ("pool", "node")),
    Family("settlegate_node_exchanges_total", "counter", "Exchanges a node was given.", ("pool", "node")),
    Family(
        "settlegate_node_failures_total",
        "counter",
        "Exchanges a node failed by not being reachable or not answering in time; its error statuses are not here.",
        ("pool", "node"),
    ),
    Family(
        "settlegate_node_weight",
        "gauge",
        "Effective weight: configured weight times slow start, load and administration.",
        ("pool", "node"),
    ),
    # A gauge of the last probe, as in blackbox_exporter: a histogram would be eight series or more for each node and
    # check, and the name without _bucket that rules and dashboards use would not exist.
    Family(
        "settlegate_probe_duration_seconds",
        "gauge",
        "How long the last probe took; absent before the first.",
        ("pool", "node", "check"),
    ),
    Family(
        "settlegate_probe_failures_total",
        "counter",
        "Probes that failed, by what was wrong.",
        ("pool", "node", "check", "reason"),
    ),
    Family(
        "settlegate_handshakes_total",
        "counter",
        "TLS handshakes that were completed.",
        ("listener", "resumed"),
    ),
    Family(
        "settlegate_refusals_total",
        "counter",
        "Clients and requests turned away by a listener.",
        ("listener", "reason"),
    ),
    Family("settlegate_connections", "gauge", "Open client connections.", ("listener",)),
    Family(
        "settlegate_unadmitted_connections",
        "gauge",
        "Open client connections that are in their handshake, or refused and not gone yet.",
        ("listener",),
    ),
    Family("settlegate_queue_length", "gauge", "Requests waiting for a node.", ("pool",)),
    Family(
        "settlegate_retries_total",
        "counter",
        "Exchanges tried again on another node, by why the attempt before had failed.",
        ("pool", "reason"),
    ),
    Family(
        "settlegate_certificate_not_after_seconds",
        "gauge",
        "When a certificate of the configuration expires, in Unix time.",
        ("file",),
    ),
    Family(
        "settlegate_crl_next_update_seconds",
        "gauge",
        "When an issuer's revocation list becomes stale, in Unix time.",
        ("issuer",),
    ),
    Family(
        "settlegate_config_reload_success",
        "gauge",
        "1 if the last reload succeeded, 0 if the configuration before it is still in force.",
    ),
    Family(
        "settlegate_config_last_reload_timestamp_seconds",
        "gauge",
        "When the configuration in force was taken up, in Unix time.",
    ),
    Family("settlegate_alerts_sent_total", "counter", "Alerts handed to a channel.", ("channel", "result")),
    Family("settlegate_workers", "gauge", "Worker processes by what they are doing.", ("state",)),
    Family("settlegate_worker_restarts_total", "counter", "Worker processes replaced because they died."),
    Family(
        "settlegate_build_info", "gauge", "Always 1; the versions are in the labels.", ("version", "python", "openssl")
    ),
    Family(
        "settlegate_institution_requests_total",
        "counter",
        "Exchanges of an institution, by class of status.",
        ("institution", "code"),
        "institutions",
    ),
    Family(
        "settlegate_institution_bytes_total",
        "counter",
        "Octets of an institution's exchanges; in is what it sent.",
        ("institution", "direction"),
        "institutions",
    ),
    Family(
        "settlegate_institution_last_seen_seconds",
        "gauge",
        "When an institution was last let in, in Unix time; absent before the first time.",
        ("institution",),
        "institutions",
    ),
    Family(
        "settlegate_institution_connections",
        "gauge",
        "Open connections of an institution.",
        ("institution",),
        "institutions",
    ),
    Family(
        "settlegate_institution_in_flight_requests",
        "gauge",
        "Exchanges of an institution in flight.",
        ("institution",),
        "institutions",
    ),
)

WORKER_STATES: Final = ("starting", "accepting", "draining")
ALERT_RESULTS: Final = ("sent", "failed", "dropped")
