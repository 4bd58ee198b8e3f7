"""When ticket keys are rotated. What the supervisor does is tested on the running gateway."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.supervisor import ROTATION_HOUR, next_rotation

SHANGHAI = "Asia/Shanghai"
BERLIN = "Europe/Berlin"


@pytest.fixture
def zone(request: pytest.FixtureRequest) -> Iterator[ZoneInfo]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield ZoneInfo(request.param)
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def at(zone: ZoneInfo, *moment: int) -> float:
    return datetime(*moment, tzinfo=zone).timestamp()  # type: ignore[misc, arg-type]


@pytest.mark.parametrize("zone", [SHANGHAI], indirect=True)
def test_it_is_the_next_one_of_this_clock(zone: ZoneInfo) -> None:
    assert next_rotation(at(zone, 2026, 3, 5, 1, 0)) == at(zone, 2026, 3, 5, ROTATION_HOUR)
    assert next_rotation(at(zone, 2026, 3, 5, 8, 0)) == at(zone, 2026, 3, 6, ROTATION_HOUR)
    assert next_rotation(at(zone, 2026, 12, 31, 23, 59)) == at(zone, 2027, 1, 1, ROTATION_HOUR)


@pytest.mark.parametrize("zone", [SHANGHAI], indirect=True)
def test_at_that_very_moment_it_is_the_one_after(zone: ZoneInfo) -> None:
    assert next_rotation(at(zone, 2026, 3, 5, ROTATION_HOUR)) == at(zone, 2026, 3, 6, ROTATION_HOUR)


@pytest.mark.parametrize("zone", [BERLIN], indirect=True)
@pytest.mark.parametrize("day", [(2026, 3, 28), (2026, 10, 24)], ids=["spring", "autumn"])
def test_a_day_of_23_or_25_hours_has_one_as_well(zone: ZoneInfo, day: tuple[int, int, int]) -> None:
    """In Berlin the clocks are changed in the following night, at the very hour."""
    now = at(zone, *day, 12, 0)
    following = next_rotation(now)
    assert datetime.fromtimestamp(following, zone).hour == ROTATION_HOUR
    assert 0 < following - now < 25 * 3600
