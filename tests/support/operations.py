"""What tests of the whole gateway need beyond one client: its processes, load from many clients, other constants."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.support.answers import ok
from tests.support.client import Client
from tests.support.gateway import PATIENCE, Gateway, eventually
from tests.support.nodes import Call

_RUNNER = """\
import os, signal, sys, time
from gateway import {modules}
{patches}
{patch}
from gateway.cli import main
sys.exit(main(sys.argv[1:]))
"""


class Operated(Gateway):
    """A gateway whose constants are others, as `{"crew.RESPAWN_AFTER": 2.0}`: in the supervisor and its forks."""

    constants: dict[str, Any]
    patch = ""
    """Lines of Python that run before it starts; the modules named in `launch` are there, and os, signal, time."""

    def start(self) -> Self:
        process = self.launch()
        eventually(lambda: process.poll() is not None or self._is_ready())
        assert process.poll() is None, self.log()
        return self

    def launch(self, *, own_session: bool = False) -> subprocess.Popen[bytes]:
        """Begin to start; in a session and process group of its own if that is wanted."""
        self.write()
        constants: dict[str, Any] = getattr(self, "constants", {})
        modules = (
            "accepting",
            "bundling",
            "consent",
            "crew",
            "orders",
            "pace",
            "reading",
            "reloading",
            "supervisor",
            "worker",
        )
        patches = "\n".join(f"{name} = {value!r}" for name, value in constants.items())
        runner = self.folder / "runner.py"
        runner.write_text(_RUNNER.format(modules=", ".join(modules), patches=patches, patch=self.patch))
        environment = os.environ | {
            "SETTLEGATE_STATE": str(self.folder / "state"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(runner), "run", str(self.path)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=own_session,
            )
        return self.process

    def settled(self) -> Self:
        """Every worker is there and accepts."""
        wanted = self.config["workers"]
        eventually(lambda: self.metric('settlegate_workers{state="accepting"}') == wanted == len(self.worker_pids()))
        return self

    # ---- processes

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def processes(self) -> dict[str, int]:
        """Name as `ps` shows it to process id; of several by one name one."""
        assert self.process is not None
        found = {name_of(self.pid): self.pid}
        for child in self._family():
            found[name_of(child.pid)] = child.pid
        return found

    def worker_pids(self) -> dict[int, int]:
        """Index to process id; the youngest where one replaces another."""
        names = {name: pid for name, pid in self.processes().items() if name.startswith("sg worker ")}
        return {int(name.rpartition(" ")[2]): pid for name, pid in names.items()}

    def workers(self) -> list[int]:
        return list(self.worker_pids().values())

    def control(self) -> int:
        return self.processes()["sg control"]

    def all_worker_pids(self) -> set[int]:
        return {child.pid for child in self._family() if name_of(child.pid).startswith("sg worker ")}

    def worker_of(self, client: Client) -> int:
        """The process id of the worker that has this connection."""
        inode = _inode_of(client.sock)
        for pid in self.all_worker_pids():
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    target = str(entry.readlink())
                except OSError:
                    continue
                if target == f"socket:[{inode}]":
                    return pid
        raise AssertionError("no worker has this connection")

    # ---- what it says and does

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`settlegate ARGUMENTS`, as an operator types it on this host."""
        environment = os.environ | {"SETTLEGATE_STATE": str(self.folder / "state"), "NO_COLOR": "1"}
        return subprocess.run(
            [sys.executable, "-m", "gateway", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environment,
        )

    def hangup(self) -> None:
        """SIGHUP, and wait for the end of that reload."""
        ends = r"is in force after|stays in force"
        before = len(self.lines(ends))
        os.kill(self.pid, signal.SIGHUP)
        eventually(lambda: len(self.lines(ends)) > before)

    def lines(self, pattern: str) -> list[str]:
        return re.findall(f".*{pattern}.*", self.log())

    def opened_port(self, listener: str) -> int:
        """Of a listener that a reload has added."""
        return int(eventually(lambda: re.findall(rf"listening: {listener} on \S+:(\d+),", self.log()))[-1])


@dataclass
class Held:
    """A node's answer that is held back until the test lets it go."""

    body: bytes = b"slow but whole"
    release: threading.Event = field(default_factory=threading.Event)

    def __call__(self, call: Call) -> None:
        self.release.wait(PATIENCE)
        call.send(ok(self.body))


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _inode_of(sock: socket.socket) -> str:
    """The inode of the gateway's end of a loopback connection, from the kernel's table."""
    ours, theirs = sock.getsockname()[1], sock.getpeername()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        local, remote = (int(columns[index].rpartition(":")[2], 16) for index in (1, 2))
        if (local, remote) == (theirs, ours):
            return columns[9]
    raise AssertionError("the kernel does not know this connection")


def descriptors(pid: int) -> Counter[str]:
    """What a process has open, by kind."""
    found: Counter[str] = Counter()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[re.sub(r"\[\d+\]|\d+", "", str(entry.readlink()))] += 1
        except OSError:
            continue
    return found


def own_descriptors() -> set[int]:
    """What this process has open, but for the one that looks."""
    found = {int(entry.name) for entry in Path("/proc/self/fd").iterdir()}
    return {fd for fd in found if Path(f"/proc/self/fd/{fd}").exists()}


def private_memory(pid: int) -> int:
    """Octets that belong to this process alone."""
    return int(psutil.Process(pid).memory_full_info().uss)


def gone(pid: int) -> bool:
    """Has ended, whether or not somebody has taken note of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@dataclass
class Load:
    """Clients that ask all the time, each on its own connection, until the block ends.

    `fresh`: each request on a new connection. A failure is whatever is not a whole 200 with the expected body.
    """

    gateway: Gateway
    clients: int = 4
    body: bytes = b"settled"
    fresh: bool = False
    done: int = 0
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._context = self.gateway.context(self.gateway.world.hospital)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self.clients)]
        for thread in self._threads:
            thread.start()
        eventually(lambda: self.done >= self.clients)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def more(self, count: int = 20) -> None:
        """Wait for so many further answers."""
        wanted = self.done + count
        eventually(lambda: self.done >= wanted)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                with self.gateway.connect(context=self._context) as client:
                    self._ask(client)
            except Exception as error:
                self.failures.append(f"connection: {error!r}")
                time.sleep(0.01)

    def _ask(self, client: Client) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                answer = client.get("/load")
            except (OSError, EOFError, ssl.SSLError) as error:
                self.failures.append(f"request: {error!r}")
                return
            self.slowest = max(self.slowest, time.monotonic() - started)
            if (answer.status, answer.body) != (200, self.body):
                self.failures.append(f"{answer.status} {answer.body!r}")
            self.done += 1
            if self.fresh or answer.value("connection") == "close":
                return
            self._stop.wait(0.01)  # many requests, not a benchmark


def refused(port: int) -> bool:
    """Nobody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
