"""The status page: pools and nodes at a glance, in Chinese and English. Pure text in, text out.

No scripts, no forms, nothing loaded: the page only shows. Everything that comes from elsewhere is escaped here, and
the policy sent with it forbids whatever might slip through.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

from monitoring.centre import NodeView, PoolView

REFRESH: Final = 5
"""Seconds between two loads of the page by the browser."""

STATES: Final[Mapping[str, str]] = {
    "up": "正常",
    "checking": "检测中",
    "down": "故障",
    "ejected": "已剔除",
    "draining": "排空中",
    "maintenance": "维护中",
}
READINGS: Final[Mapping[str, tuple[str, str]]] = {"cpu": ("处理器", "CPU"), "memory": ("内存", "memory")}
FACTORS: Final[Mapping[str, tuple[str, str]]] = {
    "slow_start": ("慢启动", "slow start"),
    "load": ("负载", "load"),
    "admin": ("管理", "admin"),
}

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1d2733;--soft:#5c6a79;--line:#dde3ea;--page:#f4f6f9;--card:#fff;
--good:#12734a;--goodbg:#e0f4ea;--bad:#a61b2b;--badbg:#fde5e7;--warn:#8a5200;--warnbg:#fdf0d9;--calm:#3d4f9f;--calmbg:#e6eafb}
@media(prefers-color-scheme:dark){:root{--ink:#e4e9ef;--soft:#98a5b3;--line:#2e3843;--page:#12171d;--card:#1a2129;
--good:#6fd6a4;--goodbg:#143526;--bad:#ff9aa4;--badbg:#451b21;--warn:#f0bf73;--warnbg:#3d2c10;--calm:#a8b5f5;--calmbg:#232b4f}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.45 system-ui,"Segoe UI","PingFang SC","Microsoft YaHei","Noto Sans CJK SC","Noto Sans",sans-serif}
header,main,footer{max-width:84rem;margin:0 auto;padding:0 1.25rem}
header{display:flex;flex-wrap:wrap;align-items:center;gap:.4rem 1rem;padding-top:1.6rem;padding-bottom:.4rem}
h1{font-size:1.35rem;margin:0}
h2{font-size:1.05rem;margin:0}
.soft,footer{color:var(--soft);font-size:.85rem}
section{background:var(--card);border:1px solid var(--line);border-radius:.6rem;margin:1rem 0;overflow-x:auto}
.top{display:flex;flex-wrap:wrap;align-items:center;gap:.3rem 1rem;padding:.8rem 1rem}
.top .soft{margin-left:auto}
table{border-collapse:collapse;width:100%;table-layout:fixed}
th:nth-child(1){width:13rem}
th:nth-child(2){width:11.5rem}
th:nth-child(4){width:8.5rem}
th:nth-child(5){width:11.5rem}
th:nth-child(6){width:15.5rem}
th{font-weight:600;font-size:.8rem;color:var(--soft);text-align:left;white-space:nowrap}
th,td{padding:.5rem 1rem;border-top:1px solid var(--line);vertical-align:top}
td small{display:block;color:var(--soft);font-size:.8rem}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.address{font-family:ui-monospace,"SF Mono",Consolas,"Noto Sans Mono",monospace}
.address small{font-family:system-ui,"Noto Sans",sans-serif}
.address,.why{overflow-wrap:anywhere}
.chip{display:inline-block;border-radius:1rem;padding:.1rem .65rem;font-size:.82rem;font-weight:600;white-space:nowrap}
.good{color:var(--good);background:var(--goodbg)}
.bad{color:var(--bad);background:var(--badbg)}
.warn{color:var(--warn);background:var(--warnbg)}
.calm{color:var(--calm);background:var(--calmbg)}
.load{display:grid;grid-template-columns:6.4rem 4.2rem auto;gap:.1rem .5rem;align-items:center;
font-size:.8rem;white-space:nowrap}
.load meter{width:4.2rem;height:.7rem}
.load i{grid-column:span 2;font-style:normal;color:var(--soft)}
.none{margin:0;padding:.8rem 1rem;color:var(--soft)}
footer{padding-bottom:2rem}
@media(max-width:60rem){thead{display:none}table,tbody,tr,td{display:block}
tr{border-top:1px solid var(--line);padding:.5rem 0}td{border:0;padding:.2rem 1rem;text-align:left!important}
td[title]{display:grid;grid-template-columns:7.5rem 1fr}
td[title]::before{content:attr(title);color:var(--soft);font-size:.8rem}
td[title] small{grid-column:2}}
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy: this page's own style and nothing else."""

_TONES: Final[Mapping[str, str]] = {
    "up": "good",
    "down": "bad",
    "ejected": "bad",
    "draining": "calm",
    "maintenance": "calm",
}
_HEADS: Final = (
    ("节点", "Node", ""),
    ("状态", "State", ""),
    ("原因", "Reason", ""),
    ("进行中", "In flight", "number"),
    ("权重", "Weight", "number"),
    ("读数", "Readings", ""),
)


def page(pools: Mapping[str, PoolView], *, ready: bool, sentence: str, versions: Mapping[str, str]) -> str:
    """The whole document. `sentence` explains readiness."""
    chip = _chip("good", "接受连接", "ready") if ready else _chip("bad", "不接受连接", "not ready")
    body = "".join(_pool(name, pool) for name, pool in pools.items())
    if not body:
        body = '<section><p class="none">没有配置任何节点池。 No pools are configured.</p></section>'
    told = " · ".join(f"{escape(name)} {escape(value)}" for name, value in versions.items())
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>Settlegate 状态</title>'
        f'<meta http-equiv="refresh" content="{REFRESH}">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head><body>'
        f'<header><h1>Settlegate</h1>{chip}<span class="soft">{escape(sentence)}</span></header>'
        f"<main>{body}</main>"
        f"<footer>每 {REFRESH} 秒刷新 · reloads every {REFRESH} s{' · ' + told if told else ''}</footer></body></html>"
    )


def _pool(name: str, pool: PoolView) -> str:
    nodes = pool["nodes"]
    up = sum(node["state"] == "up" for node in nodes.values())
    tone = "good" if nodes and up == len(nodes) else "warn" if up else "bad"
    notes = [escape(str(pool["policy"]))] if "policy" in pool else []
    if "queue" in pool:
        notes.append(f"排队 queued {pool['queue']}")
    heads = "".join(_head(*head) for head in _HEADS)
    if not nodes:
        return f'<section><div class="top"><h2>{escape(name)}</h2></div><p class="none">没有节点 no nodes</p></section>'
    rows = "".join(_node(address, node) for address, node in nodes.items())
    return (
        f'<section><div class="top"><h2>{escape(name)}</h2>'
        f"{_chip(tone, f'{up}/{len(nodes)} 正常', f'{up} of {len(nodes)} up')}"
        f'<span class="soft">{" · ".join(notes)}</span></div>'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def _head(chinese: str, english: str, kind: str) -> str:
    return f'<th scope="col"{_class(kind)}>{chinese} {english}</th>'


def _node(address: str, node: NodeView) -> str:
    limit = f" / {node['max_requests']}" if node.get("max_requests") is not None else ""
    backup = "<small>备用 backup</small>" if node.get("backup") else ""
    state = node["state"]
    return (
        f'<tr><td class="address">{escape(address)}{backup}</td>'
        f"<td>{_chip(_TONES.get(state, 'warn'), STATES.get(state, ''), state)}</td>"
        f'<td class="why">{escape(node["reason_zh"])}<small>{escape(node["reason"])}</small></td>'
        f'<td class="number" title="进行中 In flight">{node["requests"]}{limit}</td>'
        f'<td class="number" title="权重 Weight">{_number(node["weight"])}{_factors(node)}</td>'
        f"<td>{_readings(node.get('readings', {}))}</td></tr>"
    )


def _factors(node: NodeView) -> str:
    """How the weight came about, when it is not simply the configured one."""
    reduced = {name: factor for name, factor in node.get("factors", {}).items() if factor != 1}
    if "configured_weight" not in node or not reduced:
        return ""
    parts = "".join(f"<small>× {_number(factor)} {_both(FACTORS, name)}</small>" for name, factor in reduced.items())
    return f"<small>配置 configured {_number(node['configured_weight'])}</small>{parts}"


def _readings(readings: Mapping[str, float | None]) -> str:
    if not readings:
        return '<span class="soft">–</span>'
    return f'<div class="load">{"".join(_lines(readings.items()))}</div>'


def _lines(readings: Iterable[tuple[str, float | None]]) -> Iterable[str]:
    for name, value in readings:
        if value is None:
            yield f"<span>{_both(READINGS, name)}</span><i>未知 unknown</i>"
            continue
        meter = (
            f'<meter min="0" max="1" low="0.7" high="0.9" optimum="0" value="{min(max(value, 0.0), 1.0):.3f}"></meter>'
        )
        yield f"<span>{_both(READINGS, name)}</span>{meter}<span>{value:.0%}</span>"


def _both(words: Mapping[str, tuple[str, str]], name: str) -> str:
    chinese, english = words.get(name, ("", name))
    return f"{chinese} {escape(english)}".strip()


def _chip(tone: str, chinese: str, english: str) -> str:
    return f'<span class="chip {tone}">{escape(chinese)} {escape(english)}</span>'


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
