"""The view fits the screen, hides nothing that matters, and takes foreign text literally."""

from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

from gateway.demo.drawing import NARROW, NodeRow, Scene, draw


def row(number: int, state: str = "up", reason: str = "all checks pass") -> NodeRow:
    return NodeRow(number, f"127.0.0.1:4100{number}", state, reason, 1.0, 2, 345, 0.99, None)


SCENE = Scene(
    url="https://127.0.0.1:41000",
    uptime=75.0,
    nodes=[row(1, "ejected", "memory 99 % above 98 % [bold]x[/bold]"), row(2), row(3, "down", "连接被拒绝 refused")],
    workers=2,
    sent=1234,
    settled=1230,
    pending=4,
    resent=7,
    lost=0,
    rate=98.7,
    events=[f"00:{at:02d} event {at}" for at in range(60)],
    commands=["curl --cacert /tmp/x/ca.pem https://127.0.0.1:41000/claims/ " + "x" * 500],
)


def printed(scene: Scene, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    console.print(draw(scene, width, height))
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 25), (100, 30), (132, 43), (200, 60)])
def test_fits_and_shows_what_matters(width: int, height: int) -> None:
    lines = printed(SCENE, width, height)
    assert len(lines) == height
    text = "\n".join(lines)
    for word in (
        "Settlegate",
        "已摘除 ejected",
        "故障 down",
        "正常 up",
        "1230",
        "01:15",
        "99%",
        "event 59",
        "q 退出",
    ):
        assert word in text, word
    assert ("丢失 lost 0" if width >= NARROW else "丢失 0") in text


def test_nothing_to_show_yet() -> None:
    assert len(printed(dataclasses.replace(SCENE, nodes=[], events=()), 80, 24)) == 24


def test_command_lines_are_whole_where_they_are_shown() -> None:
    text = "".join(line.strip("│ ") for line in printed(SCENE, 132, 43))
    assert "x" * 500 in text
    assert "x" * 20 not in "".join(printed(SCENE, 80, 24))


def test_foreign_markup_is_text() -> None:
    assert "[bold]x[/bold]" in "\n".join(printed(SCENE, 200, 60))


def test_a_page_takes_the_place_of_the_nodes() -> None:
    lines = printed(dataclasses.replace(SCENE, page="workers: 2\n" * 80, title="gateway.yaml"), 80, 24)
    assert len(lines) <= 24
    assert "gateway.yaml" in lines[0]
    assert "workers: 2" in lines[1]


def test_an_unknown_state_is_shown_as_it_is() -> None:
    scene = dataclasses.replace(SCENE, nodes=[row(1, "resting")])
    assert "● resting resting" in "\n".join(printed(scene, 132, 43))
