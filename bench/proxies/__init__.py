"""The proxies side by side: one file each, registered by name, given the same `Setting`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bench.proxies.haproxy import haproxy
from bench.proxies.nginx import nginx
from bench.proxies.setting import Recipe, Setting
from bench.proxies.settlegate import settlegate, settlegate_pure

PROXIES: Final[dict[str, Callable[[Setting], Recipe]]] = {
    "nginx": nginx,
    "haproxy": haproxy,
    "settlegate-pure": settlegate_pure,
    "settlegate": settlegate,
}
TITLES: Final[dict[str, str]] = {
    "nginx": "nginx",
    "haproxy": "HAProxy",
    "settlegate-pure": "Settlegate, pure Python",
    "settlegate": "Settlegate",
}
REFERENCES: Final[tuple[str, ...]] = ("nginx", "haproxy")
"""Ratios are to the better of these."""
