"""How durations, sizes, rates and shares are written: text to number and back.

Code may also pass the plain number; a file may not, because `timeout: 5` leaves open five of what. A file is
recognised by the validation context that `settings.load` sets.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from pydantic import ValidationInfo

_DURATION_UNITS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}
_SIZE_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_RATE_UNITS = {"s": 1, "m": 60, "h": 3600}

_NUMBER = r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,3})?"
_WHOLE = r"(?:0|[1-9][0-9]{0,15})"
DURATION_PATTERN = rf"^(?:0|({_NUMBER})(ms|s|m|h))$"
SIZE_PATTERN = rf"^({_WHOLE})(B|KiB|MiB|GiB)$"
BYTE_RATE_PATTERN = rf"^({_WHOLE})(B|KiB|MiB|GiB)/s$"
RATE_PATTERN = rf"^({_NUMBER})/(s|m|h)$"
PERCENT_PATTERN = rf"^({_NUMBER})%$"

DURATION_WANTED = "a duration is a number with its unit: 500ms, 5s, 5m or 1h"
SIZE_WANTED = "a size is a whole number of octets, or one with its unit: 4096, 32KiB, 1MiB"
BYTE_RATE_WANTED = "this is octets per second: 500B/s, 10KiB/s"
RATE_WANTED = "a rate is a number per second, minute or hour: 200/s, 10/m"
PERCENT_WANTED = "a share is from 0% to 100%: 40%"


def seconds(n: float) -> float:
    """The default of a `Duration` field, in seconds."""
    return float(n)


# The parsers take `info` without a default: pydantic hands it only to functions that ask for it.
def _from_file(info: ValidationInfo | None) -> bool:
    return info is not None and info.context is not None


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def parse_duration(value: Any, info: ValidationInfo | None) -> float:
    """Seconds. At most 1,000 hours: longer is a slip, and would overflow timers."""
    if _number(value) and (not _from_file(info) or (isinstance(value, int) and value == 0)):
        duration = float(value)
    elif isinstance(value, str) and (found := re.fullmatch(DURATION_PATTERN, value)):
        duration = float(Decimal(found[1]) * _DURATION_UNITS[found[2]]) if found[1] else 0.0
    else:
        raise ValueError(DURATION_WANTED)
    if not 0 <= duration <= 3_600_000:
        raise ValueError("a duration is at most 1000h")
    return duration


def parse_size(value: Any) -> int:
    """Octets."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**50:
        return value
    if isinstance(value, str) and (found := re.fullmatch(SIZE_PATTERN, value)):
        size = int(found[1]) * _SIZE_UNITS[found[2]]
        if size < 2**50:
            return size
    raise ValueError(SIZE_WANTED)


def parse_byte_rate(value: Any, info: ValidationInfo | None) -> int:
    """Octets per second."""
    if isinstance(value, int) and not isinstance(value, bool) and not _from_file(info) and value >= 0:
        return value
    if isinstance(value, str) and (found := re.fullmatch(BYTE_RATE_PATTERN, value)):
        rate = int(found[1]) * _SIZE_UNITS[found[2]]
        if rate < 2**50:
            return rate
    raise ValueError(BYTE_RATE_WANTED)


def parse_rate(value: Any, info: ValidationInfo | None) -> float:
    """Events per second, above zero: `enabled: false` is how to let nothing through."""
    if _number(value) and not _from_file(info):
        rate = float(value)
    elif isinstance(value, str) and (found := re.fullmatch(RATE_PATTERN, value)):
        rate = float(Decimal(found[1]) / _RATE_UNITS[found[2]])
    else:
        raise ValueError(RATE_WANTED)
    if not rate > 0:
        raise ValueError("a rate must be above zero")
    return rate


def parse_percent(value: Any, info: ValidationInfo | None) -> float:
    """A fraction from 0 to 1."""
    if _number(value) and not _from_file(info):
        fraction = float(value)
    elif isinstance(value, str) and (found := re.fullmatch(PERCENT_PATTERN, value)):
        fraction = float(Decimal(found[1]) / 100)
    else:
        raise ValueError(PERCENT_WANTED)
    if not 0 <= fraction <= 1:
        raise ValueError(PERCENT_WANTED)
    return fraction


def _plain(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"


def write_duration(value: float) -> str:
    """The shortest written form that reads back as the same: 90s, 5m, 1h, 500ms."""
    if value == 0:
        return "0s"
    if value < 1 or value != round(value, 3):
        return f"{_plain(value * 1000)}ms"
    if value != round(value):
        return f"{_plain(value)}s"
    for unit, size in (("h", 3600), ("m", 60)):
        if round(value) % size == 0:
            return f"{round(value) // size}{unit}"
    return f"{round(value)}s"


def write_size(value: int) -> str | int:
    for unit in ("GiB", "MiB", "KiB"):
        if value and value % _SIZE_UNITS[unit] == 0:
            return f"{value // _SIZE_UNITS[unit]}{unit}"
    return value


def write_byte_rate(value: int) -> str:
    size = write_size(value)
    return f"{size}B/s" if isinstance(size, int) else f"{size}/s"


def write_rate(value: float) -> str:
    """Per second where that is exact to three digits, else per minute or hour."""
    for unit, size in _RATE_UNITS.items():
        text = _plain(value * size)
        if abs(float(text) - value * size) < 1e-9 * max(1.0, value):
            return f"{text}/{unit}"
    return f"{_plain(value * 3600)}/h"


def write_percent(value: float) -> str:
    return f"{_plain(value * 100)}%"
