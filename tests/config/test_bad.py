"""Every broken file beside exactly what is said of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config import load_gateway
from settings.errors import ConfigError

BAD = Path(__file__).parent / "bad"
CASES = sorted(path.stem for path in BAD.glob("*.yaml"))


def verdict(name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_gateway(Path(f"{name}.yaml"))
    return f"{caught.value}\n"


@pytest.mark.parametrize("name", CASES)
def test_what_is_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    said = verdict(name)
    assert said == Path(f"{name}.txt").read_text(encoding="utf-8")
    assert not re.search("hunter2", said)


def test_every_verdict_has_its_file() -> None:
    assert len(CASES) >= 20
    assert sorted(path.stem for path in BAD.glob("*.txt")) == CASES
