"""The agents as real processes: what is set is what an SNMP client reads, with snmpd and without."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.demo import agents, mib
from gateway.demo.processes import Child, free_ports

KINDS = [
    pytest.param("snmpd", marks=pytest.mark.skipif(agents.plan(Path(), 1).snmpd is None, reason="no snmpd")),
    "responder",
]
pytestmark = pytest.mark.skipif(shutil.which("snmpget") is None, reason="no net-snmp client to read with")


@contextlib.contextmanager
def running(kind: str, folder: Path) -> Iterator[agents.Agent]:
    agent = agents.plan(folder, free_ports(1)[0])
    if kind == "responder":
        agent = dataclasses.replace(agent, snmpd=None)
    child = Child(kind, agent.command(), folder / "log", agent.environment())
    try:
        yield agent
    finally:
        child.kill()


def read(agent: agents.Agent, *oids: mib.Oid, program: str = "snmpget") -> list[str]:
    names = [".".join(map(str, oid)) for oid in oids]
    command = [program, "-v2c", "-c", agents.COMMUNITY, "-t", "0.5", "-r", "20", "-Oqv", agent.address, *names]
    done = subprocess.run(command, env=agent.environment(), capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.split()


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_set_is_read(kind: str, tmp_path: Path) -> None:
    with running(kind, tmp_path) as agent:
        assert read(agent, mib.MEM_TOTAL_REAL, mib.MEM_SYS_AVAIL) == ["8000000", "5600000"]
        agent.set_load(memory=99, cpu=80)
        assert read(agent, mib.MEM_SYS_AVAIL, (*mib.PROCESSOR_LOAD, 196608)) == ["80000", "80"]
        assert read(agent, mib.PROCESSOR_LOAD, program="snmpbulkwalk") == ["80", "80"]
        busy = (*mib.CPU_RAW, 50, 0)
        before = int(read(agent, busy)[0])
        eventually(lambda: int(read(agent, busy)[0]) > before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_line_to_type_works(kind: str, tmp_path: Path) -> None:
    with running(kind, tmp_path) as agent:
        read(agent, mib.SET_MEMORY)
        subprocess.run(agent.set_line(memory=97), shell=True, env=agent.environment(), timeout=20, check=True)
        assert read(agent, mib.SET_MEMORY) == ["97"]


def test_without_a_client_the_state_is_set_behind_the_agents_back(tmp_path: Path) -> None:
    with running("responder", tmp_path) as agent:
        dataclasses.replace(agent, snmpset=None).set_load(cpu=33)
        assert read(agent, mib.SET_CPU) == ["33"]


def test_the_configuration_hands_every_subtree_over(tmp_path: Path) -> None:
    text = agents.snmpd_configuration(tmp_path / "load.json")
    assert text.count("pass_persist") == len(mib.SUBTREES)
    assert "agentAddress" not in text
