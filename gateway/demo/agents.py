"""The SNMP agent beside each demo node: Debian's snmpd if it is installed, else `responder`.

An agent is started by the stage; here is only what to start and how to make it lie about its load.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from gateway.demo import mib

COMMUNITY = "public"
WRITE_COMMUNITY = "demo-write"


@dataclass(frozen=True, slots=True)
class Agent:
    """One node's agent: its files live in `folder`, it listens on UDP `port` of loopback."""

    folder: Path
    port: int
    snmpd: str | None
    """Path of snmpd; None: the built-in responder."""
    snmpset: str | None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def state(self) -> Path:
        return self.folder / "load.json"

    def command(self) -> list[str]:
        """Writes the files and says what to run."""
        (self.folder / "persist").mkdir(parents=True, exist_ok=True)
        mib.write(str(self.state), mib.initial(time.monotonic()))
        if self.snmpd is None:
            state = ["--state", str(self.state), "--community", COMMUNITY]
            return [sys.executable, "-m", "gateway.demo.responder", "--port", str(self.port), *state]
        path = self.folder / "agent.conf"  # not snmpd.conf: SNMPCONFPATH would have it read twice
        path.write_text(snmpd_configuration(self.state), encoding="utf-8")
        log = str(self.folder / "snmpd.log")
        return [self.snmpd, "-f", "-c", str(path), "-Lf", log, "-I", "-smux", f"udp:{self.address}"]

    def environment(self) -> dict[str, str]:
        """MIBS empty: Debian ships none of the standard ones and complains at length."""
        persist = str(self.folder / "persist")
        return {**os.environ, "MIBS": "", "SNMP_PERSISTENT_DIR": persist, "SNMPCONFPATH": str(self.folder)}

    def set_load(self, *, memory: int | None = None, cpu: int | None = None) -> None:
        """Per cents in use from now on; through the agent if net-snmp's client is here, else behind its back."""
        for oid, value in ((mib.SET_MEMORY, memory), (mib.SET_CPU, cpu)):
            if value is not None and not self._set_through_agent(oid, value):
                mib.assign(str(self.state), oid, value, time.monotonic())

    def set_line(self, *, memory: int) -> str:
        """What a person types to overload this node."""
        return "MIBS= " + " ".join(self._snmpset("snmpset", mib.SET_MEMORY, memory))

    def _set_through_agent(self, oid: mib.Oid, value: int) -> bool:
        if self.snmpd is None or self.snmpset is None:
            return False
        command = self._snmpset(self.snmpset, oid, value)
        done = subprocess.run(command, env=self.environment(), capture_output=True, timeout=5, check=False)  # noqa: S603
        return done.returncode == 0

    def _snmpset(self, program: str, oid: mib.Oid, value: int) -> list[str]:
        name = ".".join(map(str, oid))
        community = WRITE_COMMUNITY if self.snmpd is not None else COMMUNITY
        return [program, "-v2c", "-c", community, "-t", "1", self.address, name, "i", str(value)]


def plan(folder: Path, port: int) -> Agent:
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return Agent(folder, port, shutil.which("snmpd", path=search), shutil.which("snmpset", path=search))


def snmpd_configuration(state: Path) -> str:
    """No agentAddress line: it is on the command line, and a second bind would end the agent."""
    program = f"{sys.executable} -I -S {mib.__file__}"  # isolated and without site: starts in a third of the time
    names = [".".join(map(str, subtree)) for subtree in mib.SUBTREES]
    lines = [f"rocommunity {COMMUNITY} 127.0.0.1", f"rwcommunity {WRITE_COMMUNITY} 127.0.0.1"]
    lines += [f"pass_persist -p 1 .{name} {program} .{name} {state}" for name in names]
    return "\n".join(lines) + "\n"
