"""python -m bench.capacity: what one core and one host carry, reckoned from results.json into docs/capacity.md.

Arithmetic only, so that no figure on that page is older than the measurement: each table stands between two comments
and is written anew. The model, with everything it assumes, is told on the page itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.certificates import INSTITUTIONS
from bench.errors import BenchError
from bench.places import RESULTS, ROOT
from bench.rows import OURS
from bench.table import Cells, markdown_table, number

PAGE: Final = ROOT / "docs" / "capacity.md"
CEILING: Final = 0.6
"""Share of a core that is planned with; the rest is for what nobody planned."""
HOST: Final = 32
"""Cores of the large host."""
SITES: Final = (840, 2_000, 20_000)
"""Institutions of the worked examples."""
STORMS: Final = (1, 10, 60)
"""Seconds within which all of them come back."""
EACH: Final = 1.0
"""Claims per second of each institution in the examples: an assumption, said where it is used."""
NOT_YET: Final = "*Not measured yet: `make bench` fills this in.*"


class CapacityError(BenchError):
    """The results lack a row, or the page a mark."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one unit of work each, in seconds of one core; what `results.json` says, and nothing else."""

    full: float
    """Full handshake and one claim."""
    resumed: float
    claim: float
    """On a kept connection, with the most connections that were measured."""
    claim_connections: int
    download: float
    """One GB."""
    upload: float
    idle: float
    """Octets of one idle connection."""
    rush: float
    """Seconds until the last institution of the bench's rush hour was served, by two workers."""

    @property
    def login(self) -> float:
        """A full handshake alone."""
        return max(0.0, self.full - self.claim)

    @property
    def return_(self) -> float:
        """A resumed handshake alone."""
        return max(0.0, self.resumed - self.claim)


def costs(results: Mapping[str, Any]) -> Costs:
    """Raises CapacityError naming the row that is missing."""
    rows = {row["name"]: row["values"] for row in results["rows"]}

    def of(name: str) -> float:
        value = rows.get(name, {}).get(OURS)
        if value is None:
            raise CapacityError(f"the results have no {name} of {OURS}; a whole run has: make bench")
        return float(value)

    claim, connections = of("post1000"), 1000
    for curve in results["curves"]:
        # The dearest kind of claim that was measured: many connections, cold caches.
        if curve["name"] == "connections" and OURS in curve["values"] and curve["points"][-1] > connections:
            claim, connections = float(curve["values"][OURS][-1]), int(curve["points"][-1])
    return Costs(
        full=of("full") / 1e6,
        resumed=of("resumed") / 1e6,
        claim=claim / 1e6,
        claim_connections=connections,
        download=of("download") / 1e3,
        upload=of("upload") / 1e3,
        idle=of("idle") * 1024,
        rush=of("rush"),
    )


def cores_needed(
    cost: Costs, *, logins: float = 0.0, returns: float = 0.0, claims: float = 0.0, gb: float = 0.0
) -> float:
    """Cores fully used by so many full handshakes, resumed ones, claims and GB of downloads per second."""
    return logins * cost.login + returns * cost.return_ + claims * cost.claim + gb * cost.download


def seconds_until_back(cost: Costs, institutions: int, cores: int, share: float = 0.0) -> float:
    """All institutions at once, a full handshake and a claim each; `share` of the cores is at work for others."""
    return institutions * cost.full / (cores * (1 - share))


def carried(cost: Costs) -> tuple[Cells, list[Cells]]:
    """What one core and the large host carry of one kind of work alone."""

    def line(what: str, measured: str, rate: float, unit: str) -> Cells:
        return [what, measured, *(f"{_plain(rate * CEILING * cores)} {unit}" for cores in (1, HOST))]

    return (
        ["work, and nothing else", "measured cost", "one core", f"{HOST} cores"],
        [
            line("log-in: full handshake and one claim", _micros(cost.full), 1 / cost.full, "/s"),
            line("return: resumed handshake and one claim", _micros(cost.resumed), 1 / cost.resumed, "/s"),
            line(
                f"claim on one of {cost.claim_connections:,} kept connections",
                _micros(cost.claim),
                1 / cost.claim,
                "/s",
            ),
            line("download in bodies of 10 MiB", f"{number(cost.download)} s/GB", 8 / cost.download, "Gbit/s"),
            line("upload in bodies of 10 MiB", f"{number(cost.upload)} s/GB", 8 / cost.upload, "Gbit/s"),
        ],
    )


def examples(cost: Costs) -> tuple[Cells, list[Cells]]:
    """Cores at the ceiling that sites of three sizes need, and the memory of their connections."""
    lines = []
    for site in SITES:
        claims = cores_needed(cost, claims=site * EACH)
        storms = [claims + cores_needed(cost, logins=site / seconds) for seconds in STORMS]
        lines.append(
            [
                f"{site:,}",
                _plain(claims / CEILING),
                *(_plain(storm / CEILING) for storm in storms),
                _memory(site * cost.idle),
                _memory(10 * site * cost.idle),
            ]
        )
    header = [
        "institutions",
        "claims alone",
        *(f"and all log in within {seconds} s" for seconds in STORMS),
        "1 connection each",
        "10 connections each",
    ]
    return header, lines


def storm(cost: Costs) -> tuple[Cells, list[Cells]]:
    """Seconds until everybody is back after a restart, the cores doing nothing else."""
    cores = (1, 2, 8, HOST)
    header = ["institutions", *(f"{number_of} core{'s' if number_of > 1 else ''}" for number_of in cores)]
    lines = [[f"{site:,}", *(f"{number(seconds_until_back(cost, site, n))} s" for n in cores)] for site in SITES]
    return header, lines


def checked_against_rush(cost: Costs) -> str:
    """The model beside the one measurement on two cores, of which load client and nodes had their part."""
    alone = seconds_until_back(cost, INSTITUTIONS, 2)
    return (
        f"The model says {number(alone)} s of two cores for {INSTITUTIONS:,} log-ins with a claim each; measured, with "
        f"load client and nodes on the same two cores and arrivals spread over 1 s: {number(cost.rush)} s until the "
        "last was served."
    )


def parts(results: Mapping[str, Any]) -> dict[str, str]:
    """What stands between the marks, by name."""
    cost, machine = costs(results), results["machine"]
    rounds = results["rounds"]
    measured = (
        f"Reckoned from `bench/results/results.json` of {machine['date']} "
        f"({machine['processor']}; {machine['kernel']}; "
        f"median of {rounds} round{'s' if rounds > 1 else ''}), at {CEILING:.0%} of each core."
    )
    return {
        "carried": measured + "\n\n" + markdown_table(carried(cost)),
        "examples": markdown_table(examples(cost)),
        "storm": markdown_table(storm(cost)) + "\n\n" + checked_against_rush(cost),
    }


def marks(name: str) -> tuple[str, str]:
    return f"<!-- bench.capacity: {name} -->", f"<!-- end of {name} -->"


def filled(page: str, texts: Mapping[str, str]) -> str:
    """The page with these texts between their marks. Raises CapacityError where a pair of marks is not there once."""
    for name, text in texts.items():
        first, last = marks(name)
        if page.count(first) != 1 or page.count(last) != 1 or page.index(first) > page.index(last):
            raise CapacityError(f"the page has no place for {name}: {first} and {last}, once each")
        before, _, rest = page.partition(first)
        page = f"{before}{first}\n\n{text}\n\n{last}{rest.partition(last)[2]}"
    return page


def write(results: Path = RESULTS / "results.json", page: Path = PAGE) -> None:
    """Raises CapacityError."""
    try:
        read = json.loads(results.read_text(encoding="utf-8"))
    except OSError as error:
        raise CapacityError(f"{results}: {error.strerror}; make bench writes it") from None
    page.write_text(filled(page.read_text(encoding="utf-8"), parts(read)), encoding="utf-8")


def _micros(seconds: float) -> str:
    return f"{number(seconds * 1e6)} µs"


def _plain(value: float) -> str:
    """Two figures that matter: nothing here is known better."""
    if value < 10:
        return f"{value:.1f}"
    digits = len(str(int(value))) - 2
    return f"{round(value, -digits):,.0f}"


def _memory(octets: float) -> str:
    mebibytes = octets / 2**20
    return f"{_plain(mebibytes)} MiB" if mebibytes < 1024 else f"{_plain(mebibytes / 1024)} GiB"


def main() -> int:
    try:
        write(*map(Path, sys.argv[1:2]))
    except CapacityError as error:
        print(f"bench.capacity: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
