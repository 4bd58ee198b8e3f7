"""One node and the proxies before it, for all cases that this process runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.proxies import Debian, Ours, echo, found
from tests.support.desk import Desk


@pytest.fixture(scope="session")
def desk() -> Iterator[Desk]:
    with Desk(echo) as desk:
        yield desk


@pytest.fixture(scope="session")
def ours(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    with Ours(desk, tmp_path_factory.mktemp("conformance")) as ours:
        yield ours


@pytest.fixture(scope="session")
def nginx(desk: Desk) -> Iterator[Debian]:
    yield from _debian("nginx", desk)


@pytest.fixture(scope="session")
def haproxy(desk: Desk) -> Iterator[Debian]:
    yield from _debian("haproxy", desk)


def _debian(program: str, desk: Desk) -> Iterator[Debian]:
    if found(program) is None:
        pytest.skip(f"{program} is not installed: tests/debian-packages.sh")
    with Debian(program, desk) as proxy:
        yield proxy
