"""Nodes and proxies that are up and have been checked: what a workload is measured on."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.certificates import Certificates
from bench.check import check_features
from bench.errors import BenchError
from bench.places import free_port, node_host
from bench.processes import Program
from bench.programs import Programs
from bench.proxies import PROXIES
from bench.proxies.setting import Recipe, Setting


@dataclass(frozen=True, slots=True)
class Cores:
    """Who may run where. Two cores are enough; more are left alone."""

    proxy: tuple[int, ...]
    load: tuple[int, ...]

    @classmethod
    def of_this_machine(cls) -> Cores:
        ours = sorted(os.sched_getaffinity(0))
        if len(ours) < 2:
            raise BenchError("two cores are needed: one for the proxy, one for nodes and load")
        return cls((ours[0],), (ours[1],))

    @property
    def shared(self) -> Cores:
        """Everybody on both."""
        both = self.proxy + self.load
        return Cores(both, both)


@dataclass(frozen=True, slots=True)
class Tools:
    """What is the same for a whole run."""

    programs: Programs
    certificates: Certificates
    cores: Cores
    work: Path


@dataclass(frozen=True, slots=True)
class Proxy:
    """One that is up."""

    name: str
    program: Program
    setting: Setting


@dataclass(frozen=True, slots=True)
class Stage:
    """Nodes, and proxies by name in front of them."""

    tools: Tools
    cores: Cores
    nodes: Program
    proxies: dict[str, Proxy]


@contextlib.contextmanager
def stage(tools: Tools, names: Sequence[str], *, nodes: int, workers: int, shared: bool) -> Iterator[Stage]:
    """Everything new: no process carries over what an earlier workload left in its memory."""
    cores = tools.cores.shared if shared else tools.cores
    hosts = [node_host(number) for number in range(1, nodes + 1)]
    port = free_port(*hosts)
    addresses = tuple(f"{host}:{port}" for host in hosts)
    with contextlib.ExitStack() as running:
        node = running.enter_context(
            Program("nodes", [str(tools.programs.node), *addresses], cores=cores.load, output=subprocess.DEVNULL)
        )
        proxies = {}
        for name in names:
            proxy = _start(tools, name, addresses, workers, cores)
            running.enter_context(proxy.program)
            proxies[name] = proxy
        for proxy in proxies.values():
            check_features(proxy.name, proxy.program, proxy.setting)
        yield Stage(tools, cores, node, proxies)
        for proxy in proxies.values():
            if proxy.program.child.poll() is not None:
                raise BenchError(f"{proxy.name} has ended by itself: {proxy.setting.folder}")


def _start(tools: Tools, name: str, nodes: tuple[str, ...], workers: int, cores: Cores) -> Proxy:
    folder = tools.work / "proxies" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port = free_port()
    metrics_port = port
    while metrics_port == port:
        metrics_port = free_port()
    setting = Setting(folder, port, metrics_port, nodes, workers, tools.certificates)
    recipe: Recipe = PROXIES[name](setting)
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), **recipe.environment}
    with (folder / recipe.output).open("ab") as output, (folder / "errors.log").open("ab") as errors:
        program = Program(
            name,
            recipe.command,
            cores=cores.proxy,
            output=output,
            errors=errors,
            environment=environment,
            folder=folder,
        )
    return Proxy(name, program, setting)
