"""What the supervisor tells `control` beside the configuration. Nothing to open, and no key of a listener is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.dates import Dates
    from gateway.slots import Slots
    from gateway.watching import Stamp


@dataclass(frozen=True)
class Briefing:
    """Sent at each start of `control` and after each change."""

    generation: int
    slots: Slots
    endpoints: Mapping[str, tuple[str, int]]
    dates: Dates
    stamps: Mapping[str, Stamp]
    since: float
    """When this configuration was taken up, in Unix time."""
    success: bool
    """Whether the last attempt to take up another one went well."""
    node_files: Mapping[str, bytes] = field(repr=False)
    """What health checks need to speak TLS to nodes, by path."""
    restarts: int
    """Workers that died since the start."""
