"""A node: what it is (identity, from the configuration) and, apart from that, what is known of it (four inputs).

The inputs are never merged into one flag: each has its own writer, hysteresis and expiry, and the effective
state is a pure function of them. So "drained by hand and also down" stays two facts, and ending one leaves the
other in force.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class Words(NamedTuple):
    """A reason: a code for machines, a sentence for people in either language."""

    code: str
    en: str
    zh: str


class NodeState(IntEnum):
    """The number is the code on the scoreboard, `label` the word in the admin API and in metrics."""

    CHECKING = 0
    UP = 1
    DOWN = 2
    EJECTED = 3
    DRAINING = 4
    MAINTENANCE = 5

    @property
    def label(self) -> str:
        return self.name.lower()

    @property
    def zh(self) -> str:
        return _STATES_ZH[self]


_STATES_ZH = {
    NodeState.CHECKING: "检查中",
    NodeState.UP: "正常",
    NodeState.DOWN: "故障",
    NodeState.EJECTED: "已剔除",
    NodeState.DRAINING: "排空中",
    NodeState.MAINTENANCE: "维护中",
}


def state_of(code: int) -> NodeState:
    """The state a cell stands for; a code that is none counts as down, since nothing vouches for the node."""
    try:
        return NodeState(code)
    except ValueError:
        return NodeState.DOWN


class Admin(IntEnum):
    """What an operator asked for."""

    READY = 0
    DRAIN = 1
    MAINTENANCE = 2


class Active(IntEnum):
    """What rise and fall made of the probes; NONE: the pool has no checks, the node is up at once."""

    NONE = 0
    CHECKING = 1
    UP = 2
    DOWN = 3


@dataclass(frozen=True, slots=True)
class Node:
    """One address of one pool. Equal by value: a reload that changes nothing of it changes nothing at all."""

    address: str
    """host:port, as in the configuration and in metrics."""
    slot: int
    """Its cells on the scoreboard."""
    weight: float = 1.0
    """As configured; the weight in force is on the control page."""
    max_requests: int | None = None
    backup: bool = False


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that is known of a node's condition. Reasons are any (code, en, zh)."""

    admin: Admin = Admin.READY
    active: Active = Active.NONE
    active_reason: tuple[str, str, str] | None = None
    ejected_until: float | None = None
    """On the clock of `now`; the passive ejection ends by itself then."""
    ejection_reason: tuple[str, str, str] | None = None
    snmp_eject: bool = False
    snmp_reason: tuple[str, str, str] | None = None
    snmp_reading: float = 0.0
    """How bad the worst metric is, the more the worse; only compared between the nodes of one pool."""
    withheld: tuple[str, str, str] | None = None
    """Set by the guard: why an ejection that was asked for is not in force."""

    def available(self) -> bool:
        """Neither the operator nor the active checks keep the node from traffic."""
        return self.admin is Admin.READY and self.active in (Active.NONE, Active.UP)

    def ejected(self, now: float) -> bool:
        """A passive ejection is asked for and not over."""
        return self.ejected_until is not None and now < self.ejected_until


_UP = Words("up", "in service", "正常服务")
_CHECKING = Words("checking", "waiting for the first checks to pass", "等待首次健康检查通过")
_DOWN = Words("check_failed", "active checks fail", "健康检查失败")
_DRAIN = Words("drain", "drained by an operator: no new requests", "管理员已设为排空，不再接收新请求")
_MAINTENANCE = Words("maintenance", "taken out for maintenance by an operator", "管理员已设为维护")
_SNMP = Words("snmp", "SNMP readings are beyond the limit for traffic", "SNMP 指标超过剔除阈值")
_EJECTED = Words("ejected", "too many real requests failed", "实际请求连续失败，暂时剔除")


def effective(inputs: Inputs, now: float) -> tuple[NodeState, Words]:
    """The state in force and why: the first that holds of maintenance, drain, down, checking, SNMP, ejection, up.

    Apply `guard.honoured` to the pool's inputs first.
    """
    if inputs.admin is Admin.MAINTENANCE:
        return NodeState.MAINTENANCE, _MAINTENANCE
    if inputs.admin is Admin.DRAIN:
        return NodeState.DRAINING, _DRAIN
    if inputs.active is Active.DOWN:
        return NodeState.DOWN, _words(inputs.active_reason, _DOWN)
    if inputs.active is Active.CHECKING:
        return NodeState.CHECKING, _words(inputs.active_reason, _CHECKING)
    if inputs.snmp_eject:
        return NodeState.EJECTED, _words(inputs.snmp_reason, _SNMP)
    if inputs.ejected(now):
        return NodeState.EJECTED, _words(inputs.ejection_reason, _EJECTED)
    return NodeState.UP, _words(inputs.withheld, _UP)


def _words(given: tuple[str, str, str] | None, default: Words) -> Words:
    return Words(*given) if given is not None else default
