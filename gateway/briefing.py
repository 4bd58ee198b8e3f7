"""What the supervisor tells `control` beside the configuration; no file, no key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    restarts: int
    """Workers that died since the start."""
