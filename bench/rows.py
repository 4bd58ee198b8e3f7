"""From samples to what is shown: medians, ratios to the better of nginx and HAProxy, targets, and whether they are met.

Pure functions; the targets of the project are here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from bench.proxies import REFERENCES
from bench.sample import Sample
from bench.workloads import WORKLOADS, Workload

OURS: Final[str] = "settlegate"
PURE: Final[str] = "settlegate-pure"

RATIO_TARGETS: Final = {
    "idle": 1.5,
    "full": 1.05,
    "resumed": 1.6,
    "post64": 1.1,
    "post1000": 0.9,
    "download": 1.0,
    "upload": 1.0,
    "latency": 2.0,
}
"""At most, to the better of nginx and HAProxy. The aim is below 1.0 everywhere."""
IDLE_KIB: Final = 30.0
RUSH_SECONDS: Final = 1.5
FLAT: Final = 0.10
"""How far the cost per request may move between 2 and 200 nodes."""

_LOAD_BOUND: Final = "load-bound"

Samples = Mapping[str, Mapping[str, Sequence[Sample]]]
"""By workload, then by proxy; one per round."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    title: str
    unit: str
    values: dict[str, float]
    """Medians by proxy."""
    ratios: dict[str, float] = field(default_factory=dict)
    """To the better reference, by proxy of ours."""
    spread: float = 0.0
    """Of our ratio over the rounds: (largest - smallest) / median."""
    target: str = ""
    met: bool | None = None
    """None: no target, or nothing to compare with."""
    note: str = ""


def medians(samples: Samples, workload: str) -> dict[str, float]:
    """Of the value, by proxy, over the rounds that have one."""
    return {proxy: median(s.value for s in found) for proxy, found in samples.get(workload, {}).items() if found}


def rows(
    samples: Samples, workloads: Sequence[Workload] = WORKLOADS, rounds: int = 1, names: Sequence[str] = ()
) -> list[Row]:
    """The main table, in the order of the workloads. A round that failed is noted, and no target is met then.

    `names`: the proxies that were asked, whether they have a sample or not.
    """
    found = []
    for workload in workloads:
        if not workload.scale and samples.get(workload.name):
            asked = dict.fromkeys(names, ()) | {**samples[workload.name]}
            found.append(_row(workload, asked, rounds))
            if workload.name == "latency":
                found.append(_median_latency(samples[workload.name]))
    return found


def _row(workload: Workload, samples: Mapping[str, Sequence[Sample]], rounds: int) -> Row:
    values = medians({workload.name: samples}, workload.name)
    better = _better(values)
    notes = {name: _notes(found, rounds) for name, found in samples.items()}
    target, met = _judged(workload.name, values, better)
    if notes.get(OURS) and notes[OURS] != [_LOAD_BOUND]:
        met = False
    return Row(
        workload.name,
        workload.title,
        workload.unit,
        values,
        _to_better(values, better),
        _spread(samples, better),
        target,
        met,
        "; ".join(f"{name}: {note}" for name, said in notes.items() for note in said),
    )


def _judged(name: str, values: Mapping[str, float], better: str) -> tuple[str, bool | None]:
    """The target in words, and whether it is met; None where nothing can be judged."""
    ours = values.get(OURS)
    if name == "rush":
        return f"≤ {RUSH_SECONDS:g} s, none fails", ours <= RUSH_SECONDS if ours is not None else None
    limit = RATIO_TARGETS.get(name)
    if limit is None:
        return "", None
    met = ours / values[better] <= limit if ours is not None and values.get(better) else None
    if name == "idle":
        return f"≤ {limit:g}, ≤ {IDLE_KIB:g} KiB", met and ours is not None and ours <= IDLE_KIB
    return f"≤ {limit:g}", met


def _median_latency(samples: Mapping[str, Sequence[Sample]]) -> Row:
    """Measured with the other percentile; it has no target."""
    values = {name: median(s.p50_us for s in found) / 1e3 for name, found in samples.items() if found}
    return Row("latency50", "p50 at half load", "ms", values, _to_better(values, _better(values)))


def _to_better(values: Mapping[str, float], better: str) -> dict[str, float]:
    return {name: values[name] / values[better] for name in (PURE, OURS) if values.get(better) and name in values}


def _better(values: Mapping[str, float]) -> str:
    return min((name for name in REFERENCES if name in values), key=values.__getitem__, default="")


def _spread(samples: Mapping[str, Sequence[Sample]], better: str) -> float:
    pairs = zip(samples.get(OURS, ()), samples.get(better, ()), strict=False)
    ratios = [ours.value / theirs.value for ours, theirs in pairs if theirs.value]
    return (max(ratios) - min(ratios)) / median(ratios) if ratios and median(ratios) else 0.0


def _notes(samples: Sequence[Sample], rounds: int) -> list[str]:
    """Everything that a reader should know before he believes the number."""
    notes = []
    if len(samples) < rounds:
        notes.append(f"failed in {rounds - len(samples)} of {rounds} rounds")
    if failures := sum(sample.failures for sample in samples):
        notes.append(f"{failures} failed")
    notes += sorted({sample.note for sample in samples if sample.note})[:1]
    if any(sample.load_bound for sample in samples):
        notes.append(_LOAD_BOUND)
    return notes


@dataclass(frozen=True, slots=True)
class Curve:
    """Cost per request along one axis, by proxy."""

    name: str
    title: str
    axis: str
    points: tuple[int, ...]
    values: dict[str, list[float]]
    """One per point, by proxy."""
    growth: dict[str, float]
    """The judged figure, by proxy: last over first, or the largest deviation from the first."""
    growth_title: str
    target: str
    met: bool | None


def curves(samples: Samples) -> list[Curve]:
    """Over connections and over nodes, where every point was measured."""
    found = []
    connections = _points(samples, {10: "post10", 64: "post64", 1000: "post1000", 5000: "post5000"})
    if connections:
        growth = {name: values[-1] / values[0] for name, values in connections[1].items()}
        met = growth[OURS] <= growth["haproxy"] if OURS in growth and "haproxy" in growth else None
        found.append(
            Curve(
                "connections",
                "cost of a claim over connections",
                "connections",
                *connections,
                growth,
                "growth from 10 to 5,000",
                "no faster than HAProxy",
                met,
            )
        )
    nodes = _points(samples, {2: "nodes2", 20: "nodes20", 200: "nodes200"})
    if nodes:
        deviation = {
            name: max((value / values[0] - 1 for value in values), key=abs) for name, values in nodes[1].items()
        }
        met = abs(deviation[OURS]) <= FLAT if OURS in deviation else None
        found.append(
            Curve(
                "nodes",
                "cost of a claim over nodes",
                "nodes",
                *nodes,
                deviation,
                "largest change from 2",
                f"within ± {FLAT:.0%}",
                met,
            )
        )
    return found


def _points(samples: Samples, names: Mapping[int, str]) -> tuple[tuple[int, ...], dict[str, list[float]]] | None:
    measured = {point: medians(samples, name) for point, name in names.items()}
    if not all(measured.values()):
        return None
    everywhere = set.intersection(*(set(values) for values in measured.values()))
    order = [name for name in measured[min(measured)] if name in everywhere]
    return tuple(measured), {name: [values[name] for values in measured.values()] for name in order}
