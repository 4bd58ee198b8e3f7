"""The status page: everything shown, nothing of it believed."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from monitoring.centre import NodeView, PoolView
from monitoring.status_page import POLICY, STATES, page


def _node(**more: object) -> NodeView:
    view = {"state": "up", "reason": "fine", "reason_zh": "正常", "requests": 0, "weight": 1.0}
    return cast("NodeView", view | more)


def _page(pools: dict[str, PoolView], sentence: str = "accepting", *, ready: bool = True) -> str:
    return page(pools, ready=ready, sentence=sentence, versions={"settlegate": "0.1.0"})


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_no_foreign_text_becomes_markup(text: str) -> None:
    plain = _Tags(_page({"p": {"nodes": {"a": _node(readings={"x": 0.5}, factors={"y": 0.5}, configured_weight=1)}}}))
    hostile = "<script>alert(\"1\")</script><img src=x onerror='y'>&amp;" + text
    view = _node(
        reason=hostile,
        reason_zh=hostile,
        state=hostile,
        configured_weight=1,
        readings={hostile: 0.5},
        factors={hostile: 0.5},
    )
    pools: dict[str, PoolView] = {hostile: {"nodes": {hostile: view}}}
    shown = _Tags(_page(pools, hostile))
    assert shown.tags == plain.tags
    assert shown.attributes == plain.attributes


def test_nothing_on_the_page_runs_or_is_loaded() -> None:
    shown = _Tags(_page({"p": {"nodes": {"a": _node()}}}))
    assert not {"script", "link", "img", "iframe", "form", "a"} & set(shown.tags)
    assert not {name for name in shown.attributes if name.startswith("on")} | ({"style", "src"} & shown.attributes)


def test_the_policy_allows_exactly_the_style_on_the_page() -> None:
    match = re.search(r"<style>(.*?)</style>", _page({}), re.DOTALL)
    assert match is not None
    digest = base64.b64encode(hashlib.sha256(match[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in POLICY


def test_every_state_is_said_in_both_languages() -> None:
    nodes = {f"127.0.0.1:{port}": _node(state=state) for port, state in enumerate(STATES)}
    text = _page({"clinic": {"nodes": nodes}})
    for state, chinese in STATES.items():
        assert f"{chinese} {state}" in text
    assert "1/6 正常 1 of 6 up" in text


def test_a_node_shows_what_made_its_weight() -> None:
    node = _node(
        weight=0.62,
        configured_weight=2.0,
        factors={"load": 0.31, "slow_start": 1},
        readings={"cpu": 0.834, "memory": None},
        max_requests=200,
        backup=True,
        requests=17,
    )
    text = _page({"clinic": {"nodes": {"127.0.0.1:1": node}, "policy": "least_connections", "queue": 4}})
    assert "0.62<small>配置 configured 2</small><small>× 0.31 负载 load</small>" in text
    assert "slow start" not in text
    assert "83%" in text
    assert "未知 unknown" in text
    assert "17 / 200" in text
    assert "备用 backup" in text
    assert "least_connections · 排队 queued 4" in text


def test_readiness_and_emptiness_are_said() -> None:
    text = _page({}, "draining", ready=False)
    assert "不接受连接 not ready" in text
    assert "No pools are configured" in text
    assert "settlegate 0.1.0" in text
    assert "接受连接 ready" in _page({})


def test_the_page_refreshes_itself() -> None:
    assert '<meta http-equiv="refresh" content="5">' in _page({})
