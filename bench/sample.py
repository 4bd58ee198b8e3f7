"""One measurement of one proxy: the number that counts, and what is needed to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_FULL: Final = 0.92
"""From this share on a core has nothing left to give."""


@dataclass(frozen=True, slots=True)
class Sample:
    """`value` is in the workload's unit; shares are of one core, averaged over the window."""

    value: float
    user: float = 0.0
    """Of the value, where it is processor time."""
    system: float = 0.0
    rate: float = 0.0
    """Requests, or connections, per second."""
    p50_us: float = 0.0
    p99_us: float = 0.0
    proxy_share: float = 0.0
    load_share: float = 0.0
    node_share: float = 0.0
    others_share: float = 0.0
    """What programs other than these used of both cores together, in cores: noise."""
    failures: int = 0
    note: str = ""
    """Why the value means less than it seems."""

    @property
    def load_bound(self) -> bool:
        """The core of load and nodes was full and the proxy's was not: rate and latency say little about the proxy."""
        return self.load_share + self.node_share > _FULL > self.proxy_share
