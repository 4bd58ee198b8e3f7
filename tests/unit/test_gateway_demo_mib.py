"""The pretended load, as snmpd's pass_persist protocol tells it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.demo import mib


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "load.json"
    mib.write(str(file), mib.initial(100.0))
    return str(file)


def dotted(oid: mib.Oid) -> str:
    return "." + ".".join(map(str, oid))


def test_memory_and_load_are_what_was_set() -> None:
    table = mib.rows(mib.initial(0.0, memory=97, cpu=55), 10.0)
    assert table[mib.MEM_TOTAL_REAL] == ("integer", 8_000_000)
    assert table[mib.MEM_SYS_AVAIL] == ("counter64", 240_000)
    assert table[(*mib.PROCESSOR_LOAD, 196608)] == ("integer", 55)
    assert list(table) == sorted(table)
    assert all(any(oid[: len(tree)] == tree for tree in mib.SUBTREES) for oid in table)


def test_counters_move_with_the_load_and_never_back() -> None:
    state = mib.initial(0.0, cpu=10)
    assert mib.counters(state, 10.0) == (200.0, 1800.0)
    state = mib.changed(state, 10.0, cpu=90)
    assert mib.counters(state, 10.0) == (200.0, 1800.0)
    assert mib.counters(state, 11.0) == (380.0, 1820.0)
    assert mib.counters(state, 9.0) == (200.0, 1800.0)
    assert mib.changed(state, 11.0, memory=50)["cpu"] == 90


def test_counters_wrap_at_32_bits() -> None:
    state = mib.initial(0.0) | {"busy": 2.0**32 + 5}
    assert mib.rows(state, 0.0)[(*mib.CPU_RAW, 50, 0)] == ("counter", 5)


def test_get_and_getnext_stay_in_their_subtree(path: str) -> None:
    tree = mib.PROCESSOR_LOAD
    first, second = dotted((*tree, 196608)), dotted((*tree, 196609))
    assert mib.answer("get", [first], tree, path, 100.0) == [first, "integer", "5"]
    assert mib.answer("getnext", [dotted(tree)], tree, path, 100.0) == [first, "integer", "5"]
    assert mib.answer("getnext", [first], tree, path, 100.0) == [second, "integer", "5"]
    assert mib.answer("getnext", [second], tree, path, 100.0) == ["NONE"]
    assert mib.answer("get", [dotted(mib.SET_CPU)], tree, path, 100.0) == ["NONE"]


def test_set_takes_per_cents_only(path: str) -> None:
    where = dotted(mib.SET_MEMORY)
    assert mib.answer("set", [where, "integer 99"], mib.PLAYGROUND, path, 100.0) == ["DONE"]
    assert mib.read(path)["memory"] == 99
    assert mib.answer("set", [dotted(mib.SET_CPU), "integer 80"], mib.PLAYGROUND, path, 100.0) == ["DONE"]
    assert mib.read(path)["cpu"] == 80
    for what in ("integer 101", "integer -1", "string 5"):
        assert mib.answer("set", [where, what], mib.PLAYGROUND, path, 100.0) == ["not-writable"]
    refused = mib.answer("set", [dotted(mib.MEM_TOTAL_REAL), "integer 5"], mib.MEM_TOTAL_REAL, path, 100.0)
    assert refused == ["not-writable"]
    assert (mib.read(path)["memory"], mib.read(path)["cpu"]) == (99, 80)


def test_runs_alone_below_snmpd(path: str) -> None:
    where = dotted(mib.SET_MEMORY)
    asked = f"PING\nget\n{where}\nset\n{where}\ninteger 42\nget\n{where}\n\n"
    command = [sys.executable, "-I", "-S", mib.__file__, dotted(mib.PLAYGROUND), path]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=20, check=True)
    row = [where, "integer"]
    assert done.stdout.split() == ["PONG", *row, "30", "DONE", *row, "42"]
    assert done.stderr == ""
