"""What every proxy is asked to do, and what each makes of it."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.certificates import Certificates

_WANTED: Final = 8000
_OTHER_FILES: Final = 1000


def most_connections() -> int:
    """Of clients; as many again lead to the nodes, and both must fit under the hard limit of descriptors."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, (hard - _OTHER_FILES) // 2)


@dataclass(frozen=True, slots=True)
class Setting:
    """The same for all proxies of a measurement, but for folder and ports."""

    folder: Path
    """Of this proxy alone: configuration, logs."""
    port: int
    """Clients connect here, with TLS."""
    metrics_port: int
    nodes: tuple[str, ...]
    """HOST:PORT."""
    workers: int
    certificates: Certificates

    @property
    def access_log(self) -> Path:
        return self.folder / "access.log"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to start one proxy whose configuration has been written."""

    command: tuple[str, ...]
    metrics: str
    """URL that tells its counters."""
    environment: Mapping[str, str] = field(default_factory=dict)
    output: str = "output.log"
    """In its folder: where standard output goes."""
