"""The scripted tour: one act after the other, each with what must follow from it and within which time.

Claims flow all the while. What is expected is read from the admin API, as an operator or a script would.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import aiohttp

from gateway.demo.configuration import FALL, INTERVAL, RISE, SLOW_START, TIMEOUT
from gateway.demo.processes import NotReady, until
from gateway.demo.stage import CALM_CPU, CALM_MEMORY, NodeView, Stage

NOTICE = FALL * INTERVAL + TIMEOUT + 1.0
"""Seconds in which a dead node must be out: all failing probes, the last one's timeout, and the way to the API."""
RETURN = 2.0 + RISE * INTERVAL + TIMEOUT + 2.0
"""Seconds in which a node that serves again must be up: probes of a down node come every 2 s at first."""
OUT = ("down", "ejected")
BUSY = 95
FULL = 99
"""Per cent of CPU and memory in an overloaded node."""
LIGHTER = 0.85
"""Of its former weight is what a busy node must come below while the tour looks on; it would go on falling."""


class NotAsExpected(Exception):
    """An act did not have its effect."""


@dataclass(frozen=True, slots=True)
class Act:
    zh: str
    en: str
    play: Callable[[Stage], Awaitable[str]]
    """Does it, waits for the effect, returns what was seen; raises NotReady or NotAsExpected."""
    deadline: float


@dataclass(frozen=True, slots=True)
class Outcome:
    act: Act
    passed: bool
    seen: str
    seconds: float
    settled: int
    """Claims settled during the act."""


async def claims_flow(stage: Stage) -> str:
    await stage.calm()

    async def all_up() -> bool:
        return all(node.state == "up" for node in await stage.nodes())

    await until(all_up, "three nodes up", RETURN)
    took = await _settled_more(stage, 30, 6.0)
    return f"30 claims in {took:.1f} s"


async def kill_node_2(stage: Stage) -> str:
    stage.kill_node(2)
    seen, took = await _node_gets(stage, 2, lambda node: node.state in OUT, "out", NOTICE)
    await _settled_more(stage, 10, 3.0)
    return f"{seen.state} after {took:.1f} s: {seen.reason}"


async def start_node_2(stage: Stage) -> str:
    stage.start_node(2)
    _, took = await _node_gets(stage, 2, lambda node: node.state == "up", "up", RETURN)
    return f"up after {took:.1f} s"


async def fill_memory_of_node_1(stage: Stage) -> str:
    await stage.set_load(1, memory=FULL)
    seen, took = await _node_gets(stage, 1, lambda node: node.state in OUT, "ejected", NOTICE + INTERVAL)
    if "memory" not in seen.reason.lower():
        raise NotAsExpected(f"node 1 is {seen.state}, but not for its memory: {seen.reason}")
    return f"{seen.state} after {took:.1f} s: {seen.reason}"


async def free_memory_of_node_1(stage: Stage) -> str:
    await stage.set_load(1, memory=CALM_MEMORY)
    _, took = await _node_gets(stage, 1, lambda node: node.state == "up", "up", RETURN + INTERVAL)
    return f"up after {took:.1f} s"


async def load_node_3(stage: Stage) -> str:
    before = (await stage.node(3)).weight
    await stage.set_load(3, cpu=BUSY)
    light = before * LIGHTER
    seen, took = await _node_gets(stage, 3, lambda node: node.weight <= light, f"weight below {light:.2f}", 8.0)
    if seen.state != "up" or seen.weight <= 0:
        raise NotAsExpected(f"load alone must not take a node out: {seen.state}, weight {seen.weight:.2f}")
    await stage.set_load(3, cpu=CALM_CPU)
    return f"weight {before:.2f} -> {seen.weight:.2f} after {took:.1f} s, still up"


async def reload_weights(stage: Stage) -> str:
    opened = stage.hospital.opened
    await stage.weigh([1.0, 2.0, 1.0])
    seen, took = await _node_gets(stage, 2, lambda node: node.weight > 1.2, "weight towards 2", SLOW_START + 3.0)
    await _settled_more(stage, 20, 3.0)
    if stage.hospital.opened != opened:
        raise NotAsExpected(f"{stage.hospital.opened - opened} connections were broken by the reload")
    return f"weight of node 2 is {seen.weight:.2f} after {took:.1f} s, no connection broken"


async def kill_a_worker(stage: Stage) -> str:
    before = set(stage.workers())
    killed = stage.kill_worker()

    async def respawned() -> bool:
        now = set(stage.workers())
        return killed not in now and len(now) == len(before)

    took = await until(respawned, "a new worker", 5.0)
    await _settled_more(stage, 20, 5.0)
    return f"worker {killed} killed, replaced after {took:.1f} s"


async def strangers_knock(stage: Stage) -> str:
    seen = []
    for pair, expected in ((None, "certificate_missing"), (stage.keys.foreign, "issuer_unknown")):
        try:
            status, document = await stage.knock(stage.keys.context(pair))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotAsExpected(f"no answer where 403 {expected} was expected: {error}") from error
        if (status, document.get("reason")) != (403, expected):
            raise NotAsExpected(f"403 {expected} was expected, {status} {document.get('reason')} came")
        seen.append(f"{status} {expected}")
    return ", ".join(seen)


ACTS = (
    Act("三个节点就绪,单据结算", "three nodes up, claims flow", claims_flow, 12.0),
    Act("强杀 2 号节点", "kill -9 node 2", kill_node_2, 8.0),
    Act("2 号节点恢复", "start node 2 again", start_node_2, 8.0),
    Act("1 号节点内存占满", "node 1 out of memory (SNMP)", fill_memory_of_node_1, 8.0),
    Act("1 号节点内存释放", "node 1 has memory again", free_memory_of_node_1, 9.0),
    Act("3 号节点 CPU 繁忙", "node 3 busy (SNMP)", load_node_3, 9.0),
    Act("修改权重并重新加载", "new weight, settlegate reload", reload_weights, 10.0),
    Act("强杀一个工作进程", "kill -9 a worker", kill_a_worker, 10.0),
    Act("拒绝陌生人并说明原因", "strangers refused, with reason", strangers_knock, 6.0),
)


async def play(stage: Stage, told: Callable[[Outcome], None], acts: Sequence[Act] = ACTS) -> list[Outcome]:
    """All acts in order; an act that fails does not keep the next from being tried. `told` after each."""
    outcomes = []
    for act in acts:
        start, settled = time.monotonic(), stage.fates.settled
        passed, seen = False, ""
        try:
            async with asyncio.timeout(act.deadline):
                seen = await act.play(stage)
            passed = True
        except (NotReady, NotAsExpected, OSError) as error:
            seen = f"{error}" or type(error).__name__
        outcome = Outcome(act, passed, seen, time.monotonic() - start, stage.fates.settled - settled)
        told(outcome)
        outcomes.append(outcome)
    return outcomes


async def _node_gets(
    stage: Stage, number: int, there: Callable[[NodeView], bool], what: str, within: float
) -> tuple[NodeView, float]:
    seen: list[NodeView] = []

    async def look() -> bool:
        seen.append(await stage.node(number))
        return there(seen[-1])

    try:
        took = await until(look, f"node {number} {what}", within)
    except NotReady as error:
        raise NotReady(f"{error}; last seen: {seen[-1] if seen else 'nothing'}") from error
    return seen[-1], took


async def _settled_more(stage: Stage, count: int, within: float) -> float:
    goal = stage.fates.settled + count

    async def look() -> bool:
        return stage.fates.settled >= goal

    return await until(look, f"{count} more claims settled", within)
