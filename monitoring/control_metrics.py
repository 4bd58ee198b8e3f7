"""What `control` itself counts: probes, files with an end date, reloads, alerts, workers.

Plain dictionaries keyed by label values; `exposition` reads them. Whatever leaves the configuration leaves here, so
a removed node's series end instead of standing still for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from monitoring.metrics import ALERT_RESULTS, WORKER_STATES

MOST_REASONS: Final = 64
"""Distinct probe failure reasons that get series of their own; whatever comes after them is counted as UNLISTED."""
UNLISTED: Final = "other"

Labels = tuple[str, ...]


class ControlMetrics:
    """Mutable, of one process, without locks: everything happens on its one loop."""

    def __init__(self) -> None:
        self._reasons: set[str] = set()
        self.probe_durations: dict[Labels, float] = {}
        """(pool, node, check) to seconds."""
        self.probe_failures: dict[Labels, int] = {}
        """(pool, node, check, reason) to a count."""
        self.certificates: dict[Labels, float] = {}
        self.revocation_lists: dict[Labels, float] = {}
        self.alerts: dict[Labels, int] = {}
        self.worker_states: dict[Labels, int] = {(state,): 0 for state in WORKER_STATES}
        self.worker_restarts = 0
        self.reload_success = True
        self.reloaded_at = 0.0
        self.build: Labels = ("", "", "")
        """Versions of Settlegate, Python and OpenSSL."""

    def configure(
        self,
        *,
        checks: Mapping[tuple[str, str], Collection[str]],
        reasons: Collection[str],
        channels: Collection[str] = (),
    ) -> None:
        """A configuration is in force: `checks` names the checks of each (pool, node).

        `reasons`: the ways a probe is known to fail. Series of the configured begin at 0, of the removed end.
        """
        self._reasons.update(reasons)
        probed = {(pool, node, check) for (pool, node), names in checks.items() for check in names}
        kept = {labels: count for labels, count in self.probe_failures.items() if labels[:3] in probed}
        begun = {(*check, reason): 0 for check in sorted(probed) for reason in (*reasons, UNLISTED)}
        self.probe_failures = begun | kept
        self.probe_durations = {key: took for key, took in self.probe_durations.items() if key in probed}
        told = [(channel, result) for channel in channels for result in ALERT_RESULTS]
        self.alerts = {labels: self.alerts.get(labels, 0) for labels in told}

    def probed(self, pool: str, node: str, check: str, duration: float, failure: str | None) -> None:
        """One probe has ended, in seconds; `failure` is its reason. One of a removed node is not counted."""
        if (pool, node, check, UNLISTED) not in self.probe_failures:
            return
        self.probe_durations[pool, node, check] = duration
        if failure is not None:
            labels = (pool, node, check, self._known_reason(failure))
            self.probe_failures[labels] = self.probe_failures.get(labels, 0) + 1

    def files(self, *, certificates: Mapping[str, float], revocation_lists: Mapping[str, float]) -> None:
        """All of them at once: certificate file to notAfter, issuer to nextUpdate, in Unix time."""
        self.certificates = {(name,): at for name, at in certificates.items()}
        self.revocation_lists = {(name,): at for name, at in revocation_lists.items()}

    def reloaded(self, *, success: bool, now: float) -> None:
        """A reload, or the start, has ended. `now` in Unix time; a failure leaves the time of the last success."""
        self.reload_success = success
        if success:
            self.reloaded_at = now

    def alert(self, channel: str, result: str) -> None:
        """`result` is one of ALERT_RESULTS."""
        labels = (channel, result)
        if labels in self.alerts:
            self.alerts[labels] += 1

    def workers(self, states: Mapping[str, int], restarts: int) -> None:
        """How many workers are in each of WORKER_STATES, and how many died since the start."""
        self.worker_states = {(state,): states.get(state, 0) for state in WORKER_STATES}
        self.worker_restarts = restarts

    def _known_reason(self, reason: str) -> str:
        if reason not in self._reasons and len(self._reasons) < MOST_REASONS:
            self._reasons.add(reason)
        return reason if reason in self._reasons else UNLISTED
