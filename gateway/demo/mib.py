"""The load a demo node pretends to have, as SNMP rows; and the program that serves them below Debian's snmpd.

snmpd starts this file for each subtree (`pass_persist`, see snmpd.conf(5)) with nothing but the standard
library: hence no import from the project. All of them, and `responder`, share one small state file.

Memory is a share of 8 GB. CPU counters are the integral of the load since it was last set, so a reader that
takes deltas sees exactly the per cent that was set. Two settable rows below net-snmp's playground
(1.3.6.1.4.1.8072.9999.9999): .1.0 memory in use and .2.0 CPU in use, both in per cent.
"""

from __future__ import annotations

import json
import os
import sys
import time

Oid = tuple[int, ...]
State = dict[str, float]
"""memory and cpu: whole per cents; since: monotonic seconds; busy and idle: ticks."""

PLAYGROUND = (1, 3, 6, 1, 4, 1, 8072, 9999, 9999)
SET_MEMORY = (*PLAYGROUND, 1, 0)
SET_CPU = (*PLAYGROUND, 2, 0)
MEM_TOTAL_REAL = (1, 3, 6, 1, 4, 1, 2021, 4, 5, 0)
MEM_SYS_AVAIL = (1, 3, 6, 1, 4, 1, 2021, 4, 27, 0)
CPU_RAW = (1, 3, 6, 1, 4, 1, 2021, 11)
PROCESSOR_LOAD = (1, 3, 6, 1, 2, 1, 25, 3, 3, 1, 2)

SUBTREES = (PLAYGROUND, MEM_TOTAL_REAL[:-1], MEM_SYS_AVAIL[:-1], CPU_RAW, PROCESSOR_LOAD)
"""What snmpd is to hand over, none inside another."""

MEMORY_KB = 8_000_000
TICKS = 200.0
"""Counter ticks a second over both processors of the pretended machine."""


def initial(now: float, memory: int = 30, cpu: int = 5) -> State:
    """A state: per cents, and the counters as they were at `since` (seconds, monotonic)."""
    return {"memory": memory, "cpu": cpu, "since": now, "busy": 0.0, "idle": 0.0}


def changed(state: State, now: float, memory: int | None = None, cpu: int | None = None) -> State:
    """The state with other per cents; counters go on from where they are."""
    busy, idle = counters(state, now)
    return {
        "memory": state["memory"] if memory is None else memory,
        "cpu": state["cpu"] if cpu is None else cpu,
        "since": now,
        "busy": busy,
        "idle": idle,
    }


def counters(state: State, now: float) -> tuple[float, float]:
    """Ticks busy and idle."""
    ticks = max(0.0, now - state["since"]) * TICKS
    return state["busy"] + ticks * state["cpu"] / 100, state["idle"] + ticks * (100 - state["cpu"]) / 100


def rows(state: State, now: float) -> dict[Oid, tuple[str, int]]:
    """OID -> (type as pass_persist spells it, value), sorted by OID."""
    busy, idle = (int(value) % 2**32 for value in counters(state, now))
    table = {
        SET_MEMORY: ("integer", int(state["memory"])),
        SET_CPU: ("integer", int(state["cpu"])),
        MEM_TOTAL_REAL: ("integer", MEMORY_KB),
        MEM_SYS_AVAIL: ("counter64", MEMORY_KB * (100 - int(state["memory"])) // 100),
        (*PROCESSOR_LOAD, 196608): ("integer", int(state["cpu"])),
        (*PROCESSOR_LOAD, 196609): ("integer", int(state["cpu"])),
        (*CPU_RAW, 50, 0): ("counter", busy),
        (*CPU_RAW, 51, 0): ("counter", 0),
        (*CPU_RAW, 52, 0): ("counter", 0),
        (*CPU_RAW, 53, 0): ("counter", idle),
        (*CPU_RAW, 54, 0): ("counter", 0),
    }
    return dict(sorted(table.items()))


def read(path: str) -> State:
    with open(path, encoding="ascii") as file:  # noqa: PTH123 - pathlib would double the start-up time
        state: State = json.load(file)
    return state


def write(path: str, state: State) -> None:
    """Whole or not at all: other processes read at any moment."""
    draft = f"{path}.{os.getpid()}"
    with open(draft, "w", encoding="ascii") as file:  # noqa: PTH123
        json.dump(state, file)
    os.replace(draft, path)  # noqa: PTH105


def assign(path: str, oid: Oid, value: int, now: float) -> bool:
    """Set one of the settable rows; False if `oid` is none or `value` no per cent."""
    if oid not in (SET_MEMORY, SET_CPU) or not 0 <= value <= 100:
        return False
    state = read(path)
    memory = oid == SET_MEMORY
    write(path, changed(state, now, memory=value) if memory else changed(state, now, cpu=value))
    return True


def parsed(text: str) -> Oid:
    return tuple(int(part) for part in text.strip().strip(".").split("."))


def answer(command: str, arguments: list[str], base: Oid, path: str, now: float) -> list[str]:
    """Lines that answer one command of snmpd about the subtree `base`."""
    oid = parsed(arguments[0])
    if command == "set":
        kind, _, value = arguments[1].partition(" ")
        done = kind == "integer" and assign(path, oid, int(value), now)
        return ["DONE"] if done else ["not-writable"]
    table = {each: row for each, row in rows(read(path), now).items() if each[: len(base)] == base}
    if command == "getnext":
        oid = next((each for each in table if each > oid), ())
    if oid not in table:
        return ["NONE"]
    row = table[oid]
    return ["." + ".".join(map(str, oid)), row[0], str(row[1])]


def main() -> None:
    base, path = parsed(sys.argv[1]), sys.argv[2]
    while command := sys.stdin.readline().strip():  # empty: snmpd has gone
        lines = ["PONG"]
        if command != "PING":
            arguments = [sys.stdin.readline().strip() for _ in range(2 if command == "set" else 1)]
            lines = answer(command, arguments, base, path, time.monotonic())
        print(*lines, sep="\n", flush=True)  # noqa: T201 - the protocol


if __name__ == "__main__":
    main()
