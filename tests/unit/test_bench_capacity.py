"""From measured costs to what a host carries: the arithmetic, the marks on the page, and that it is not behind."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench import capacity
from bench.capacity import NOT_YET, PAGE, CapacityError, Costs, cores_needed, costs, filled, parts
from bench.places import RESULTS
from bench.rows import OURS

COSTS = Costs(
    full=1e-3, resumed=0.4e-3, claim=0.05e-3, claim_connections=1000, download=1.0, upload=2.0, idle=32768, rush=1.4
)


def results(**changes: float | None) -> dict[str, Any]:
    values: dict[str, float | None] = {
        "idle": 32.0,
        "full": 1000.0,
        "resumed": 400.0,
        "post64": 40.0,
        "post1000": 50.0,
        "download": 1000.0,
        "upload": 2000.0,
        "rush": 1.4,
    }
    values |= changes
    return {
        "machine": {"date": "2026-01-02 03:04 UTC", "processor": "a processor", "kernel": "Linux 6.1"},
        "rounds": 3,
        "rows": [
            {"name": name, "values": {} if value is None else {OURS: value, "nginx": 1.0}}
            for name, value in values.items()
        ],
        "curves": [],
    }


def test_costs_are_those_of_the_gateway_in_seconds_and_octets() -> None:
    assert costs(results()) == COSTS


def test_the_dearest_claim_counts() -> None:
    measured = results()
    measured["curves"] = [{"name": "connections", "points": [10, 64, 1000, 5000], "values": {OURS: [30, 40, 50, 70]}}]
    assert costs(measured).claim == pytest.approx(70e-6)
    assert costs(measured).claim_connections == 5000
    measured["curves"][0]["values"] = {"haproxy": [1, 1, 1, 1]}
    assert costs(measured).claim == pytest.approx(50e-6)


@pytest.mark.parametrize("missing", ["idle", "full", "resumed", "post1000", "download", "upload", "rush"])
def test_a_row_that_is_missing_is_named(missing: str) -> None:
    with pytest.raises(CapacityError, match=f"no {missing} of settlegate"):
        costs(results(**{missing: None}))


def test_cores_are_the_sum_of_what_each_kind_of_work_costs() -> None:
    assert cores_needed(COSTS, claims=20_000) == pytest.approx(1.0)
    assert cores_needed(COSTS, logins=1000) == pytest.approx(0.95)  # the claim of the measured log-in is not in it
    assert cores_needed(COSTS, logins=1000, returns=1000, claims=2000, gb=0.5) == pytest.approx(0.95 + 0.35 + 0.1 + 0.5)


def test_a_handshake_never_costs_less_than_nothing() -> None:
    odd = costs(results(full=10.0, resumed=10.0))
    assert (odd.login, odd.return_) == (0.0, 0.0)


def test_what_one_core_and_a_host_carry_at_the_ceiling() -> None:
    _, lines = capacity.carried(COSTS)
    assert [line[2:] for line in lines] == [
        ["600 /s", "19,000 /s"],
        ["1,500 /s", "48,000 /s"],
        ["12,000 /s", "380,000 /s"],
        ["4.8 Gbit/s", "150 Gbit/s"],
        ["2.4 Gbit/s", "77 Gbit/s"],
    ]
    assert [line[1] for line in lines] == ["1,000 µs", "400 µs", "50.0 µs", "1.00 s/GB", "2.00 s/GB"]


def test_the_examples_add_the_storm_to_the_claims() -> None:
    header, lines = capacity.examples(COSTS)
    assert len(header) == len(lines[0])
    site = dict(zip(header, lines[1], strict=True))
    assert site["institutions"] == "2,000"
    assert site["claims alone"] == "0.2"  # 2,000 x 50 µs / 0.6
    assert site["and all log in within 1 s"] == "3.3"  # (0.1 + 2,000 x 950 µs) / 0.6
    assert site["1 connection each"] == "62 MiB"  # 62.5: Python rounds halves to even
    assert site["10 connections each"] == "620 MiB"


def test_a_storm_is_over_when_every_handshake_is_done() -> None:
    assert capacity.seconds_until_back(COSTS, 2000, 2) == pytest.approx(1.0)
    assert capacity.seconds_until_back(COSTS, 2000, 2, share=0.5) == pytest.approx(2.0)
    assert capacity.storm(COSTS)[1][2] == ["20,000", "20.0 s", "10.0 s", "2.50 s", "0.62 s"]


def test_the_model_stands_beside_what_was_measured_on_two_cores() -> None:
    text = capacity.checked_against_rush(COSTS)
    assert "0.90 s of two cores for 1,800" in text
    assert text.endswith("1.40 s until the last was served.")


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    first, last = capacity.marks("carried")
    page = f"before\n{first}\nold\nold\n{last}\nafter\n"
    once = filled(page, {"carried": "new"})
    assert once == f"before\n{first}\n\nnew\n\n{last}\nafter\n"
    assert filled(once, {"carried": "new"}) == once


@pytest.mark.parametrize("page", ["", "{first}", "{last}{first}", "{first}{last}{first}{last}"])
def test_a_page_without_its_marks_is_refused(page: str) -> None:
    first, last = capacity.marks("storm")
    with pytest.raises(CapacityError, match="no place for storm"):
        filled(page.format(first=first, last=last), {"storm": "new"})


def test_results_that_are_not_there_are_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["capacity", str(tmp_path / "results.json")])
    assert capacity.main() == 1
    assert "make bench writes it" in capsys.readouterr().err


def test_a_run_rewrites_the_page(tmp_path: Path) -> None:
    page, file = tmp_path / "page.md", tmp_path / "results.json"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    file.write_text(json.dumps(results()), encoding="utf-8")
    capacity.write(file, page)
    text = page.read_text(encoding="utf-8")
    assert "of 2026-01-02 03:04 UTC (a processor; Linux 6.1; median of 3 rounds), at 60% of each core" in text
    assert NOT_YET not in text


def test_the_page_is_not_behind_the_results() -> None:
    """After `make bench` this fails until `python -m bench.capacity` has run; a whole run does that by itself."""
    page, file = PAGE.read_text(encoding="utf-8"), RESULTS / "results.json"
    names = re.findall(r"<!-- bench\.capacity: (\w+) -->", page)
    if file.exists():
        texts = parts(json.loads(file.read_text(encoding="utf-8")))
        assert set(texts) == set(names)
    else:
        texts = dict.fromkeys(names, NOT_YET)
        assert names
    assert filled(page, texts) == page
