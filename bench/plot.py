"""The picture of the README: rows as ratios to the better of nginx and HAProxy, and the two curves below them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.proxies import REFERENCES, TITLES
from bench.rows import OURS, PURE, RATIO_TARGETS, Curve, Row
from bench.table import number

COLOURS: Final = {"nginx": "#2f9e44", "haproxy": "#3b6fd4", PURE: "#f2a65a", OURS: "#d9480f"}
MARKERS: Final = {"nginx": "s", "haproxy": "D", PURE: "o", OURS: "o"}
_INK: Final = "#212529"
_FAINT: Final = "#868e96"
_LEAST, _MOST = 0.4, 5.0


def plot(rows: Sequence[Row], curves: Sequence[Curve], names: Sequence[str], how: str, stem: Path) -> list[Path]:
    """Writes STEM.png and STEM.svg; nothing, if matplotlib is not there or there is nothing to compare."""
    try:
        import matplotlib as mpl
    except ImportError:
        return []
    shown = [row for row in rows if row.name != "latency50" and any(name in row.values for name in REFERENCES)]
    if not shown:
        return []
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    style = {
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "svg.fonttype": "path",
        "svg.hashsalt": "settlegate",  # the same data give the same file
        "text.color": _INK,
        "axes.edgecolor": _FAINT,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
    }
    with plt.rc_context(style):
        height = 1.9 + 0.52 * len(shown) + (3.3 if curves else 0)
        figure = plt.figure(figsize=(11, height), layout="constrained")
        parts = figure.add_gridspec(
            2 if curves else 1, 2, height_ratios=[0.52 * len(shown) + 0.8, 3.0] if curves else None
        )
        _ratios(figure.add_subplot(parts[0, :]), shown, names)
        for place, curve in enumerate(curves[:2]):
            _curve(figure.add_subplot(parts[1, place]), curve)
        figure.suptitle(
            "Settlegate beside nginx and HAProxy: the same work, smaller is better", fontsize=14, fontweight="bold"
        )
        figure.supxlabel(how, fontsize=8, color=_FAINT)
        files = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
        figure.savefig(files[0], dpi=160, facecolor="white")
        figure.savefig(files[1], facecolor="white", metadata={"Date": None})
        plt.close(figure)
    return files


def _ratios(axes: Any, rows: Sequence[Row], names: Sequence[str]) -> None:
    axes.set_xscale("log", base=2)
    ratios = [_relative(row) for row in rows]
    every = [value for row in ratios for value in row.values()]
    least = max(_LEAST, min([0.68, *(0.92 * value for value in every)]))
    most = min(_MOST, max([2.1, *(1.08 * value for value in every)]))
    axes.set_xlim(least, most)
    ticks = [tick for tick in (0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0, 4.0) if least <= tick <= most]
    axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
    axes.minorticks_off()
    axes.axvspan(least, 1.0, color="#f1f8f2", zorder=0)
    axes.axvline(1.0, color=_INK, linewidth=1.2, zorder=1)
    axes.set_ylim(len(rows) - 0.4, -0.75)
    axes.set_yticks(range(len(rows)), [row.title for row in rows])
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    for place, (row, values) in enumerate(zip(rows, ratios, strict=True)):
        axes.axhline(place, color="#e9ecef", linewidth=1, zorder=0.5)
        target = RATIO_TARGETS.get(row.name)
        if target:
            axes.plot([target] * 2, [place - 0.34, place + 0.34], color="#c92a2a", linewidth=2.2, zorder=2)
        for name in (*REFERENCES, PURE, OURS):
            if name not in values or name not in names:
                continue
            at = min(max(values[name], least * 1.01), most / 1.01)
            ours = name == OURS
            axes.scatter(
                [at],
                [place + (0.13 if name in (PURE, OURS) else -0.13)],  # else equal ones would hide each other
                s=110 if ours else 58,
                marker=MARKERS[name],
                color="white" if name == PURE else COLOURS[name],
                edgecolors=COLOURS[OURS] if name == PURE else "white",
                linewidths=1.6 if name == PURE else 0.8,
                zorder={OURS: 5, PURE: 6}.get(name, 4),
                clip_on=False,
            )
        axes.text(1.015, place, _absolute(row), transform=axes.get_yaxis_transform(), va="center", fontsize=9)
    axes.text(
        1.015,
        -0.62,
        "nginx · HAProxy · Settlegate",
        transform=axes.get_yaxis_transform(),
        va="center",
        fontsize=8,
        color=_FAINT,
    )
    axes.set_xlabel("1.0 = the better of nginx and HAProxy", fontsize=9)
    _legend(axes, names)


def _legend(axes: Any, names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    entries: list[Any] = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=MARKERS[name],
            markersize=10 if name == OURS else 7.5,
            color="white" if name == PURE else COLOURS[name],
            markeredgecolor=COLOURS[OURS] if name == PURE else "white",
            markeredgewidth=1.6 if name == PURE else 0.8,
            label=TITLES[name],
        )
        for name in names
    ]
    entries.append(
        Line2D(
            [],
            [],
            color="#c92a2a",
            linewidth=2.2,
            linestyle="",
            marker="|",
            markersize=13,
            markeredgewidth=2.2,
            label="target, at most",
        )
    )
    axes.legend(
        handles=entries, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(entries), frameon=False, fontsize=9
    )


def _relative(row: Row) -> dict[str, float]:
    best = min(row.values[name] for name in REFERENCES if name in row.values)
    return {name: value / best for name, value in row.values.items()}


def _absolute(row: Row) -> str:
    values = " · ".join(number(row.values[name]) if name in row.values else "–" for name in (*REFERENCES, OURS))
    return f"{values}  {row.unit}"


def _curve(axes: Any, curve: Curve) -> None:
    places = range(len(curve.points))
    for name, values in curve.values.items():
        axes.plot(
            places,
            values,
            color=COLOURS[OURS] if name == PURE else COLOURS[name],
            linestyle=":" if name == PURE else "-",
            marker=MARKERS[name],
            markersize=5.5,
            markerfacecolor="white" if name == PURE else COLOURS[name],
            linewidth=2.2 if name == OURS else 1.5,
        )
    axes.set_xticks(places, [f"{point:,}" for point in curve.points])
    axes.set_xlabel(curve.axis, fontsize=9)
    axes.set_ylim(bottom=0)
    axes.set_title(f"{curve.title}, µs CPU", fontsize=10, loc="left")
    axes.grid(axis="y", color="#e9ecef")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
