"""Debian's real snmpd on a free loopback port, saying what a test wants.

Values come three ways: `values` are answered by a small program that snmpd runs (pass_persist) and may change at
any moment with `say`; `overrides` are snmpd's own, changed with `snmpset`; everything else is the real host's.
Needs nothing installed but snmpd and the snmp tools; writes only below the folder it is given.

    with Snmpd(tmp_path, values={MEMORY_TOTAL: ("integer", 8_000_000)}) as agent:
        agent.say(CPU_USER, ("counter", "+180"))        # counts 180 a second from now on
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

UCD = "1.3.6.1.4.1.2021"
CPU_USER, CPU_NICE, CPU_SYSTEM, CPU_IDLE, CPU_WAIT = (f"{UCD}.11.{column}.0" for column in (50, 51, 52, 53, 54))
MEMORY_TOTAL, MEMORY_FREE, MEMORY_AVAILABLE = (f"{UCD}.4.{column}.0" for column in (5, 6, 27))
PROCESSOR_LOAD = "1.3.6.1.2.1.25.3.3.1.2"
BRANCHES = (f"{UCD}.11", f"{UCD}.4.27", PROCESSOR_LOAD)
"""Where `values` may lie: each branch is one child process of snmpd, started at the first question."""

COMMUNITY, WRITE_COMMUNITY = "public", "test-write"
USER, AUTH_PHRASE, PRIVACY_PHRASE = "gate", "authpass-1234", "privpass-1234"

Value = tuple[str, int | str]
"""Type as snmpd spells it (integer, counter, counter64, gauge) and the value; "+N": counts N a second."""

_ANSWERER = textwrap.dedent(
    """
    import sys, time

    base, path = sys.argv[1], sys.argv[2]
    counted = {}


    def key(text):
        return tuple(int(part) for part in text.strip(" .\\n").split("."))


    def rows():
        found = {}
        for line in open(path):
            oid, kind, value = line.split()
            oid = key(oid)
            if oid[: len(key(base))] != key(base):
                continue
            if value.startswith("+"):
                now = time.monotonic()
                total, since = counted.get(oid, (1000.0, now))
                total += float(value[1:]) * (now - since)
                counted[oid] = total, now
                value = str(int(total) % 2**32)
            found[oid] = kind, value
        return found


    while command := sys.stdin.readline().strip():
        if command == "PING":
            print("PONG", flush=True)
            continue
        oid = key(sys.stdin.readline())
        if command == "set":
            sys.stdin.readline()
            print("not-writable", flush=True)
            continue
        table = rows()
        if command == "getnext":
            oid = min((other for other in table if other > oid), default=None)
        if oid in table:
            print("." + ".".join(map(str, oid)), *table[oid], sep="\\n", flush=True)
        else:
            print("NONE", flush=True)
    """
)


def busy(share: float, per_second: int = 200) -> dict[str, Value]:
    """Values of CPU counters that run at this share."""
    rates = {CPU_USER: share, CPU_NICE: 0.0, CPU_SYSTEM: 0.0, CPU_IDLE: 1.0 - share, CPU_WAIT: 0.0}
    return {oid: ("counter", f"+{round(rate * per_second)}") for oid, rate in rates.items()}


def need_snmpd() -> None:
    """Skip the test where the real agent or its tools are not installed."""
    for program in ("snmpd", "snmpset", "snmpget"):
        if _path_of(program) is None:
            pytest.skip(f"{program} is not installed (Debian: apt install snmpd snmp)")


def _path_of(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Snmpd:
    """One agent. Stops, pauses, comes back, forgets who it was; ends with the block, its children with it."""

    def __init__(
        self,
        folder: Path,
        *,
        values: Mapping[str, Value] | None = None,
        overrides: Mapping[str, Value] | None = None,
        hidden: tuple[str, ...] = (),
        users: Mapping[str, tuple[str, str]] | None = None,
        lines: tuple[str, ...] = (),
    ) -> None:
        """`hidden`: branches outside everybody's view. `users`: further v3 users -> authentication and privacy
        protocol as snmpd spells them, all with the same phrases. `lines`: more configuration.
        """
        need_snmpd()
        self.folder = folder
        self.port = 0
        self._values = dict(values or {})
        self._overrides = dict(overrides or {})
        self._hidden = hidden
        self._users = {USER: ("SHA-256", "AES"), **(users or {})}
        self._lines = lines
        self._served = [b for b in BRANCHES if any(oid.startswith(f"{b}.") for oid in self._values)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "answerer.py").write_text(_ANSWERER)
        self._write_values()
        for attempt in range(5):  # between our look and its bind somebody else may take the port
            self.port = free_udp_port()
            try:
                self.start()
                break
            except TimeoutError:
                if attempt == 4:
                    raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- the process --------------------------------------------------------------------------------------------

    def start(self, patience: float = 5.0) -> None:
        """On the port it had, with the identity it had."""
        (self.folder / "agent.conf").write_text("\n".join(self._configuration()) + "\n")
        log = self.folder / "agent.log"
        command = [_path_of("snmpd") or "snmpd", "-f", "-c", str(self.folder / "agent.conf"), "-Lf", str(log)]
        self._process = subprocess.Popen(
            [*command, "-I", "-smux", f"udp:127.0.0.1:{self.port}"],
            env=self._environment("agent"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that stop() reaches the answerers too
        )
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            if self._tool("snmpget", COMMUNITY, "1.3.6.1.6.3.10.2.1.3.0", timeout=0.3):
                return
        self.stop()
        text = log.read_text(errors="replace")[-2000:] if log.exists() else "no log"
        raise TimeoutError(f"snmpd did not answer on port {self.port}: {text}")

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        os.killpg(process.pid, signal.SIGCONT)
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)

    def pause(self) -> None:
        """Silent, its socket still open: a wedged agent."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def become_another(self) -> None:
        """Stop, lose all state, start at the same address: a replaced host, or one with a lost /var/lib/snmp."""
        self.stop()
        shutil.rmtree(self.folder / "agent")
        self.start()

    def _signal(self, number: int) -> None:
        if self._process is None:
            raise RuntimeError("snmpd is not running")
        os.kill(self._process.pid, number)

    # --- what it says -------------------------------------------------------------------------------------------

    def say(self, oid: str, value: Value | None) -> None:
        """From the next question on; None: no such instance. In `BRANCHES` only."""
        if not any(oid.startswith(f"{branch}.") for branch in self._served):
            raise ValueError(f"{oid}: no value in its branch was given at the start, so snmpd answers it itself")
        if value is None:
            self._values.pop(oid, None)
        else:
            self._values[oid] = value
        self._write_values()

    def busy(self, share: float, per_second: int = 200) -> None:
        """CPU counters that run at this share from now on."""
        for oid, value in busy(share, per_second).items():
            self.say(oid, value)

    def set(self, oid: str, value: int) -> None:
        """Change an override of type integer, by SNMP itself."""
        if not self._tool("snmpset", WRITE_COMMUNITY, oid, "i", str(value), timeout=2):
            raise RuntimeError(f"snmpset {oid} {value} failed")

    def change_phrases(self, authentication: str, privacy: str) -> None:
        """Other passphrases for every user, same engine: as an administrator would with new keys."""
        self.stop()
        state = self.folder / "agent" / "snmpd.conf"
        kept = [line for line in state.read_text().splitlines() if not line.startswith("usmUser")]
        state.write_text("\n".join(kept) + "\n")
        self._phrases = authentication, privacy
        self.start()

    _phrases = AUTH_PHRASE, PRIVACY_PHRASE

    def _write_values(self) -> None:
        lines = [f"{oid} {kind} {value}\n" for oid, (kind, value) in self._values.items()]
        fresh = self.folder / "values.new"
        fresh.write_text("".join(lines))
        fresh.replace(self.folder / "values.txt")  # never half a file

    def _configuration(self) -> list[str]:
        view = "view seen included .1"
        lines = [view, *(f"view seen excluded .{branch}" for branch in self._hidden)]
        lines += [f"rocommunity {COMMUNITY} 127.0.0.1 -V seen", f"rwcommunity {WRITE_COMMUNITY} 127.0.0.1"]
        for name, (auth, privacy) in self._users.items():
            lines.append(f'createUser {name} {auth} "{self._phrases[0]}" {privacy} "{self._phrases[1]}"')
            lines.append(f"rouser {name} priv -V seen")
        for oid, (kind, value) in self._overrides.items():
            lines.append(f"override -rw {oid} {kind} {value}")
        for branch in BRANCHES:
            if any(oid.startswith(f"{branch}.") for oid in self._values):
                answerer = (
                    f"{sys.executable} -I -S {self.folder / 'answerer.py'} .{branch} {self.folder / 'values.txt'}"
                )
                lines.append(f"pass_persist -p 1 .{branch} {answerer}")
        return [*lines, *self._lines]

    def _environment(self, state: str) -> dict[str, str]:
        """`MIBS` empty: Debian has no standard MIBs, and each call would print thousands of lines without them."""
        folder = self.folder / state
        folder.mkdir(exist_ok=True)
        return {**os.environ, "MIBS": "", "SNMP_PERSISTENT_DIR": str(folder), "SNMPCONFPATH": str(folder)}

    def _tool(self, program: str, community: str, *arguments: str, timeout: float) -> bool:
        base = [_path_of(program) or program, "-v2c", "-c", community, "-t", str(timeout), "-r", "0"]
        run = subprocess.run(
            [*base, f"127.0.0.1:{self.port}", *arguments],
            env=self._environment("client"),
            capture_output=True,
            check=False,
        )
        return run.returncode == 0
