"""What `show` prints can be loaded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from settings.load import load_file
from settings.show import MASK, effective
from settings.types import Duration, Model, Secret, seconds


class Root(Model):
    text: str = ""
    texts: tuple[str, ...] = ()
    wait: Duration = seconds(75)
    password: Secret | None = None
    sender: str = Field("a", alias="from")
    unset: str | None = None


def test_values_as_written() -> None:
    texts = ["off", "010", "0o17", "1e5", "<<", "5s", "2c", ""]
    shown = effective(Root.model_validate({"text": "洛阳", "password": "hunter2", "texts": texts}))
    lines = shown.splitlines()
    assert lines[0] == "text: 洛阳"
    assert lines[1:10] == ["texts:", "- 'off'", '- "010"', '- "0o17"', '- "1e5"', '- "<<"', "- 5s", "- 2c", '- ""']
    assert lines[10:] == ["wait: 75s", f"password: {MASK}", "from: a"]


def test_parts_can_be_left_out() -> None:
    assert "wait" not in effective(Root(), leave_out={"wait"})


@given(st.text(st.characters(codec="utf-8")), st.lists(st.text(st.characters(codec="utf-8")), max_size=3))
def test_it_reads_back_as_the_same(tmp_path_factory: pytest.TempPathFactory, text: str, texts: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "shown.yaml"
    root = Root(text=text, texts=tuple(texts))
    path.write_text(effective(root), encoding="utf-8", newline="")
    assert load_file(path, Root) == root
