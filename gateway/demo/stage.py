"""Everything the demo runs, started in order and ended in reverse: nodes, agents, the gateway, the clients.

The stage acts (kill a node, set a load, reload) and looks (what the admin API says); what should follow from an
act is the tour's business.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from gateway.demo import agents, clients, pki
from gateway.demo.account import Account, Fates, balance
from gateway.demo.configuration import gateway_yaml
from gateway.demo.ledger import Ledger
from gateway.demo.processes import Child, NotReady, children, command_line, end_all, free_ports, until

POOL = "settlement"
COUNTERS = 6
"""Claims that the hospital has in hand at a time."""
REST = 0.06
TOKEN_REST = 1.0
READY_WITHIN = 20.0
CALM_MEMORY, CALM_CPU = 30, 5
"""Per cent; what a node's agent reports when nothing is the matter."""
CALM_WEIGHTS = [1.0, 1.0, 1.0]
GRACE = 8.0


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as the admin API shows it."""

    state: str
    reason: str
    """In Chinese and English."""
    requests: int
    weight: float
    memory: float | None = None
    """Share in use as the gateway reads it by SNMP; None while it does not know."""
    cpu: float | None = None


@dataclass(slots=True)
class Actor:
    """A settlement node with its agent."""

    port: int
    agent: agents.Agent
    child: Child | None = None
    memory: int = CALM_MEMORY
    cpu: int = CALM_CPU

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        return self.child is not None and self.child.running


class Stage:
    """`async with Stage(folder)`: when it is entered, claims flow; when it is left, nothing of it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ports = free_ports(8)
        self.port, self.admin_port = ports[:2]
        self.actors = [Actor(ports[2 + at], agents.plan(folder / f"agent-{at + 1}", ports[5 + at])) for at in range(3)]
        self.weights = list(CALM_WEIGHTS)
        self.fates = Fates()
        self.keys: pki.Keys
        self.hospital: clients.FileKeyLine
        self._children: list[Child] = []
        self._stack = AsyncExitStack()
        self._stop = asyncio.Event()
        self._work: list[asyncio.Task[None]] = []
        self._gateway: Child
        self._admin: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def admin(self) -> str:
        return f"127.0.0.1:{self.admin_port}"

    @property
    def configuration(self) -> Path:
        return self.folder / "gateway.yaml"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.sqlite"

    @property
    def log(self) -> Path:
        return self._gateway.log

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _open(self) -> None:
        Ledger(self.ledger).close()  # the tables, before three nodes want to make them
        self.keys = await asyncio.to_thread(pki.make, self.folder / "pki")
        timeout = aiohttp.ClientTimeout(total=3)
        self._admin = await self._stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        for number, actor in enumerate(self.actors, 1):
            self.start_node(number)
            actor.agent.folder.mkdir()
            self._start(f"agent-{number}", actor.agent.command(), actor.agent.environment())
        self.write_configuration()
        self._gateway = self._start("gateway", [*settlegate("run"), str(self.configuration)], dict(os.environ))
        await until(self._all_up, "three nodes up behind a ready gateway", READY_WITHIN)
        await self._open_counters()

    async def _open_counters(self) -> None:
        claims_url = f"{self.url}/claims/"
        hospital = clients.FileKeyLine(claims_url, self.keys.context(self.keys.hospital), COUNTERS)
        self.hospital = await self._stack.enter_async_context(hospital)
        counters = [
            clients.Counter(pki.HOSPITAL.id, f"H{at}", hospital, self.fates, rest=REST) for at in range(1, COUNTERS + 1)
        ]
        pharmacy: clients.Line
        if self.keys.token is not None:
            pharmacy = clients.TokenLine(self.token_curl(), self.keys.token.environment())
        else:
            line = clients.FileKeyLine(claims_url, self.keys.context(self.keys.pharmacy), 1)
            pharmacy = await self._stack.enter_async_context(line)
        counters.append(clients.Counter(pki.PHARMACY.id, "P1", pharmacy, self.fates, rest=TOKEN_REST))
        self._work = [asyncio.create_task(counter.work(self._stop)) for counter in counters]

    async def finish(self) -> Account:
        """Let the clients finish what they have in hand, then cast up the accounts."""
        self._stop.set()
        await asyncio.gather(*self._work)
        ledger = Ledger(self.ledger)
        try:
            return balance(self.fates.claims.values(), ledger.rows(), ledger.attempts())
        finally:
            ledger.close()

    def settled_by_node(self) -> dict[str, int]:
        ledger = Ledger(self.ledger)
        try:
            return ledger.settled_by_node()
        finally:
            ledger.close()

    # --- acts

    def start_node(self, number: int) -> None:
        actor = self.actors[number - 1]
        options = ["--port", str(actor.port), "--ledger", str(self.ledger)]
        command = [sys.executable, "-m", "gateway.demo.node", *options]
        actor.child = self._start(f"node-{number}", command, dict(os.environ))

    def kill_node(self, number: int) -> None:
        child = self.actors[number - 1].child
        if child is not None:
            child.kill()

    async def calm(self) -> None:
        """Whatever was done by hand before is undone: every node runs, none is loaded, all weigh the same."""
        for number, actor in enumerate(self.actors, 1):
            if not actor.alive:
                self.start_node(number)
            await self.set_load(number, memory=CALM_MEMORY, cpu=CALM_CPU)
        if self.weights != CALM_WEIGHTS:
            await self.weigh(CALM_WEIGHTS)

    async def weigh(self, weights: Sequence[float]) -> None:
        """Write other configured weights into the YAML and reload it."""
        self.weights = list(weights)
        self.write_configuration()
        await self.reload()

    async def set_load(self, number: int, *, memory: int | None = None, cpu: int | None = None) -> None:
        actor = self.actors[number - 1]
        actor.memory = actor.memory if memory is None else memory
        actor.cpu = actor.cpu if cpu is None else cpu
        await asyncio.to_thread(actor.agent.set_load, memory=memory, cpu=cpu)

    def write_configuration(self) -> None:
        text = gateway_yaml(
            listen=f"127.0.0.1:{self.port}",
            admin=self.admin,
            pki=self.folder / "pki",
            access_log=self.folder / "access.log",
            institutions={institution.id: institution.name for institution in (pki.HOSPITAL, pki.PHARMACY)},
            nodes=[(actor.address, actor.agent.address) for actor in self.actors],
            weights=self.weights,
        )
        self.configuration.write_text(text, encoding="utf-8")

    async def reload(self) -> str:
        """`settlegate reload`, as an operator would; returns what it printed, raises NotReady if it failed."""
        command = [*settlegate("reload"), "--admin", self.admin]
        done = await asyncio.to_thread(
            subprocess.run, command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False
        )
        output = (done.stdout + done.stderr).decode(errors="replace").strip()
        if done.returncode != 0:
            raise NotReady(f"settlegate reload: exit code {done.returncode}: {output}")
        return output

    def kill_worker(self) -> int:
        """SIGKILL to one data-plane process; returns its pid."""
        pids = self.workers()
        if not pids:
            raise NotReady("the gateway has no worker")
        os.kill(pids[0], signal.SIGKILL)
        return pids[0]

    # --- looks

    async def nodes(self) -> list[NodeView]:
        """Raises NotReady while the admin API does not answer."""
        try:
            async with self._admin.get(f"http://{self.admin}/api/v1/pools") as response:
                pools = await response.json()
            rows = [pools[POOL]["nodes"][actor.address] for actor in self.actors]
            return [_viewed(row) for row in rows]
        except (aiohttp.ClientError, TimeoutError, ValueError, LookupError) as error:
            raise NotReady(f"admin API: {type(error).__name__} {error}") from error

    async def node(self, number: int) -> NodeView:
        return (await self.nodes())[number - 1]

    def workers(self) -> list[int]:
        """Pids of the living data-plane processes: all children of the gateway but `control`."""
        return [pid for pid in children(self._gateway.pid) if b"gateway.control" not in command_line(pid)]

    async def knock(self, context: ssl.SSLContext) -> tuple[int, dict[str, Any]]:
        """One request by a stranger: status and decoded body."""
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(ssl=context)) as session,
            session.get(f"{self.url}/claims/any", headers={"Accept": "application/problem+json"}) as response,
        ):
            return response.status, clients.decoded(await response.read())

    def token_curl(self) -> list[str]:
        """curl with the token's key and all but the claim."""
        assert self.keys.token is not None  # noqa: S101
        options = self.keys.token.curl_options(self.keys.pharmacy.certificate)
        return ["curl", "--cacert", str(self.keys.ca), *options, f"{self.url}/claims/"]

    async def _all_up(self) -> bool:
        if not self._gateway.running:
            raise NotReady(f"the gateway ended: {self._gateway.last_words()}")
        try:
            return all(node.state == "up" for node in await self.nodes())
        except NotReady:
            return False

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> Child:
        child = Child(name, command, self.folder / f"{name}.log", environment)
        self._children.append(child)
        return child

    async def _close(self) -> None:
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self._stack.aclose()
        end_all(self._children[::-1], GRACE)


def _viewed(row: dict[str, Any]) -> NodeView:
    readings = row.get("readings", {})
    reason = f"{row['reason_zh']} {row['reason']}"
    return NodeView(row["state"], reason, row["requests"], row["weight"], readings.get("memory"), readings.get("cpu"))


def settlegate(command: str) -> list[str]:
    return [sys.executable, "-m", "gateway", command]
