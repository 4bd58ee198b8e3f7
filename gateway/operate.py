"""The commands that talk to a running gateway: status, drain, ready, reload.

Each finds the admin API in the same order: --admin, the configuration that was named, the gateway last run here.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from gateway import last_run, status_table
from gateway.admin_client import AdminClient, AdminError, NoAnswerError, RefusedError
from gateway.last_run import LastRun
from settings.types import Address

AnswerT = TypeVar("AnswerT")

LOOK_EVERY: Final = 0.25
"""Seconds between two looks at a node that is draining."""
WATCH_EVERY: Final = 2.0


class FailedError(Exception):
    """What was asked is not so; the message is for the operator, line by line."""


@dataclass(frozen=True, slots=True)
class Running:
    """The gateway a command is about."""

    client: AdminClient
    last: LastRun | None
    """What was remembered of it; None if it was not started here, or not last."""

    def explain(self, error: NoAnswerError) -> str:
        """Why nobody answers, as far as it can be known here."""
        if self.last is not None and not self.last.running():
            return f"{error}\n上次在此运行的网关 (进程 {self.last.pid}) 已结束 the gateway last run here has ended"
        return str(error)


def find(admin: Address | None, config: Path | None) -> Running:
    """Raises FailedError if no address can be found, ConfigError for a broken configuration."""
    last = last_run.recall()
    if admin is not None:
        return Running(AdminClient(admin), last if last is not None and last.admin == str(admin) else None)
    if config is not None:
        return _configured(config, last)
    if last is None:
        raise FailedError(
            "不知道要找哪个网关: 本机没有运行记录, 请用 --admin 主机:端口 或给出配置文件\n"
            "which gateway? none was run here before; give --admin HOST:PORT or a configuration file"
        )
    return Running(AdminClient(_remembered(last)), last)


def _configured(config: Path, last: LastRun | None) -> Running:
    from gateway.config import load_gateway

    same = last if last is not None and last.config == config.resolve() else None
    bind = load_gateway(config).admin.bind
    if bind.port:
        return Running(AdminClient(bind), same)
    if same is None:
        raise FailedError(
            f"{config}: admin.bind 未定端口, 且本机没有运行记录, 请用 --admin\n"
            f"{config}: admin.bind leaves the port open and no run of it is known here; give --admin HOST:PORT"
        )
    return Running(AdminClient(_remembered(same)), same)


def _remembered(last: LastRun) -> Address:
    from settings.addresses import parse_address

    try:
        return parse_address(last.admin)
    except ValueError:
        raise FailedError(f"运行记录已损坏 the remembered run is damaged: {last.admin!r}; give --admin") from None


def status(running: Running, *, as_json: bool, watch: bool) -> None:
    """Print pools and nodes, once or until interrupted."""
    if as_json:
        _say(json.dumps(_answered(running, running.client.pools), ensure_ascii=False, indent=2))
        return
    console = Console(highlight=False)
    if not watch:
        console.print(status_table.tables(_answered(running, running.client.pools)))
        return
    if not console.is_terminal:
        while True:
            console.print(_look(running))
            sys.stdout.flush()
            time.sleep(WATCH_EVERY)
    with Live(_look(running), console=console, auto_refresh=False, screen=True) as live:
        while True:
            time.sleep(WATCH_EVERY)
            live.update(_look(running), refresh=True)


def _look(running: Running) -> RenderableType:
    """A gateway that restarts must not end the watching."""
    try:
        return status_table.tables(running.client.pools())
    except AdminError as error:
        return Text(str(error), style="red")


def drain(running: Running, pool: str, node: str, wait: float | None) -> None:
    """Take a node out for new requests; with `wait` (seconds) until it is empty. FailedError if it does not empty."""
    view = _answered(running, lambda: running.client.set_admin(pool, node, "drain"))
    _say(f"{pool} {node}: {view['state']}, {view['requests']} 个进行中 in flight")
    if wait is None:
        return
    deadline = time.monotonic() + wait
    while (left := _in_flight(running, pool, node)) > 0:
        if time.monotonic() >= deadline:
            raise FailedError(f"{pool} {node}: {wait:g} 秒后仍有 {left} 个请求 still {left} in flight after {wait:g} s")
        time.sleep(min(LOOK_EVERY, max(0.0, deadline - time.monotonic())))
    _say(f"{pool} {node}: 已排空 empty")


def ready(running: Running, pool: str, node: str) -> None:
    """Let a node take requests again, as far as its checks allow."""
    view = _answered(running, lambda: running.client.set_admin(pool, node, "ready"))
    _say(f"{pool} {node}: {view['state']}: {view['reason_zh']} {view['reason']}")


def reload(running: Running) -> None:
    """Have the configuration read again; by signal if the admin API does not answer."""
    try:
        generation, notices = running.client.reload()
    except NoAnswerError as error:
        _reload_by_signal(running, error)
        return
    except RefusedError as error:
        if error.problems:
            raise FailedError("\n".join((*error.problems, f"未生效 not reloaded: {error}"))) from None
        raise FailedError(f"未生效 not reloaded: {error}") from None
    except AdminError as error:
        raise FailedError(str(error)) from None
    for notice in notices:
        _say(notice)
    _say(f"已重新加载, 第 {generation} 代配置生效 reloaded, generation {generation} is in force")


def _reload_by_signal(running: Running, error: NoAnswerError) -> None:
    last = running.last
    if last is None or not last.running():
        raise FailedError(running.explain(error)) from None
    try:
        os.kill(last.pid, signal.SIGHUP)
    except OSError as failure:
        raise FailedError(f"{error}\n进程 process {last.pid}: SIGHUP: {failure.strerror}") from None
    _say(
        f"{error}\n已改用信号: 向进程 {last.pid} 发送了 SIGHUP, 结果见其日志\n"
        f"fell back to a signal: sent SIGHUP to process {last.pid}; its log tells how it ended"
    )


def _in_flight(running: Running, pool: str, node: str) -> int:
    pools = _answered(running, running.client.pools)
    view = pools[pool]["nodes"].get(node) if pool in pools else None
    return view["requests"] if view is not None else 0  # removed by a reload: nothing is left of it


def _answered(running: Running, ask: Callable[[], AnswerT]) -> AnswerT:
    try:
        return ask()
    except NoAnswerError as error:
        raise FailedError(running.explain(error)) from None
    except AdminError as error:
        raise FailedError(str(error)) from None


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
