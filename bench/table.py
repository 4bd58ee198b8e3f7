"""The tables, on the terminal and as Markdown: the same cells both times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.proxies import TITLES
from bench.rows import OURS, PURE, Curve, Row, Samples
from bench.sample import Sample
from bench.workloads import Workload

Cells = list[str]

RATES: Final = (
    "What one core of the proxy carried in closed loop; load and nodes: the largest share of their core. Where that is "
    "near 100 % the rate is theirs, the cost still the proxy's."
)


def number(value: float) -> str:
    """Three figures that matter."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def verdict(met: bool | None) -> str:
    return {True: "met", False: "not met", None: ""}[met]


def main_cells(rows: Sequence[Row], names: Sequence[str]) -> tuple[Cells, list[Cells]]:
    """Header and lines."""
    ours = [name for name in (PURE, OURS) if name in names]
    short = {PURE: "ratio, pure", OURS: "ratio"}
    header = [
        "workload",
        "unit",
        *(TITLES[name] for name in names),
        *(short[name] for name in ours),
        "target",
        "",
        "note",
    ]
    lines = [
        [
            row.title,
            row.unit,
            *(number(row.values[name]) if name in row.values else "failed" for name in names),
            *(f"{row.ratios[name]:.2f}" if name in row.ratios else "" for name in ours),
            row.target,
            verdict(row.met),
            row.note,
        ]
        for row in rows
    ]
    return header, lines


def rate_cells(samples: Samples, workloads: Sequence[Workload], names: Sequence[str]) -> tuple[Cells, list[Cells]]:
    """Rates in closed loop with the split of the cost; and how busy the core of load and nodes was at most."""
    header = ["workload", *(TITLES[name] for name in names), "load and nodes"]
    lines = []
    for workload in workloads:
        found = samples.get(workload.name, {})
        if not any(sample.user for by_proxy in found.values() for sample in by_proxy) or workload.name == "latency":
            continue
        busy = max(sample.load_share + sample.node_share for by_proxy in found.values() for sample in by_proxy)
        cells = [_rate(found[name]) if found.get(name) else "failed" for name in names]
        lines.append([workload.title, *cells, f"{busy:.0%}"])
    return header, lines


def _rate(samples: Sequence[Sample]) -> str:
    rate, user, system = (median(values) for values in zip(*((s.rate, s.user, s.system) for s in samples), strict=True))
    return f"{number(rate)}/s, {number(user)} + {number(system)}"


def curve_cells(curve: Curve) -> tuple[Cells, list[Cells]]:
    header = [curve.axis, *(f"{point:,}" for point in curve.points), curve.growth_title, "target", ""]
    lines = []
    for name, values in curve.values.items():
        growth = curve.growth[name]
        shown = f"{growth:+.0%}" if curve.name == "nodes" else f"× {growth:.2f}"
        judged = name == OURS
        lines.append(
            [
                f"{TITLES[name]}, µs",
                *map(number, values),
                shown,
                curve.target if judged else "",
                verdict(curve.met) if judged else "",
            ]
        )
    return header, lines


def print_table(console: Console, title: str, cells: tuple[Cells, list[Cells]]) -> None:
    header, lines = cells
    shown = [index for index, name in enumerate(header) if name or any(line[index] for line in lines)]
    shown = [index for index in shown if any(line[index] for line in lines)]
    table = Table(title=title, title_justify="left", title_style="bold")
    for index in shown:
        table.add_column(header[index], justify="left" if index == 0 else "right", overflow="fold")
    for line in lines:
        style = "red" if "not met" in line else ""
        table.add_row(*(Text(line[index], style=style) for index in shown))
    console.print(table)


def markdown_table(cells: tuple[Cells, list[Cells]]) -> str:
    header, lines = cells
    shown = [index for index in range(len(header)) if any(line[index] for line in lines)]
    aligned = ["---" if index < 1 else "---:" for index in shown]
    return "\n".join(
        _line(line) for line in ([header[i] for i in shown], aligned, *([x[i] for i in shown] for x in lines))
    )


def markdown(
    rows: Sequence[Row],
    curves: Iterable[Curve],
    rates: tuple[Cells, list[Cells]],
    names: Sequence[str],
    facts: Mapping[str, str],
    how: str,
) -> str:
    """The page bench/results/table.md."""
    parts = ["# Side by side with nginx and HAProxy", how, markdown_table(main_cells(rows, names))]
    if rates[1]:
        parts += ["## Rates, and user + system of the cost", RATES, markdown_table(rates)]
    for curve in curves:
        parts += [f"## {curve.title[0].upper()}{curve.title[1:]}", markdown_table(curve_cells(curve))]
    parts += ["## Measured on", "\n".join(f"- {name}: {value}" for name, value in facts.items())]
    return "\n\n".join(parts) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
