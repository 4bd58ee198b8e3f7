"""What stands where on the scoreboard: codes, buckets, reasons, and the cells of a row and of the control page.

Every cell is a 64-bit number in one flat array per field, reached as `row.node_active[slot]`: an index on an
attribute is all that the hot path pays. Fields with an inner table are indexed `slot * len(TABLE) + position`.
Owns no memory: scoreboard.py maps it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Literal, cast

Kind = Literal["listener", "pool", "node", "institution"]
"""What can hold a slot."""

CELL = 8
"""Octets of one cell."""

CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")

CODES: tuple[str, ...] = (
    *(str(int(status)) for status in HTTPStatus if status == HTTPStatus.SWITCHING_PROTOCOLS or status >= 200),
    *CLASSES,
)
"""Labels of `pool_codes`: each registered final status, 101, and per class one for whatever has no name."""

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, math.inf)
"""Upper bounds in seconds of `pool_buckets`; cells are not cumulative, the reader adds them up."""

REFUSAL_REASONS = (
    "certificate_missing",
    "certificate_expired",
    "certificate_not_yet_valid",
    "certificate_revoked",
    "certificate_invalid",
    "crl_missing",
    "crl_stale",
    "issuer_unknown",
    "purpose_wrong",
    "hardware_key_required",
    "pin_mismatch",
    "identity_missing",
    "institution_unknown",
    "institution_disabled",
    "route_forbidden",
    "internal",
    "handshake_failed",
    "handshake_timeout",
    "plain_http",
    "limit_exceeded",
    "request_timeout",
    "proxy_peer_unknown",
    "proxy_header_invalid",
)
"""Why a listener turned a client away, in the order of `listener_refusals`."""

REFUSAL_INDEX = {reason: index for index, reason in enumerate(REFUSAL_REASONS)}

RETRY_REASONS = ("node_unreachable", "node_timeout", "node_protocol_error")
"""Why an exchange went on to another node: the `reason` of the NodeError that ended the attempt before."""

RETRY_INDEX = {reason: index for index, reason in enumerate(RETRY_REASONS)}

ADDRESS_CELLS = 65_536
"""Of the tables of client addresses; see gateway/per_address.py."""

HANDSHAKES = ("full", "resumed")
DIRECTIONS = ("in", "out")
"""Of an institution's octets: `in` came from the institution."""


def _index_of_status(status: int) -> int:
    label = str(status)
    if label in CODES:
        return CODES.index(label)
    # What is no status at all is the node's fault and counts as such.
    return CODES.index(CLASSES[status // 100 - 1] if status >= 100 else "5xx")


CODE_INDEX: tuple[int, ...] = tuple(_index_of_status(status) for status in range(600))
"""Status code to its place in CODES: the hot path's form of `code_index` (0 to 599 only)."""


def code_index(status: int) -> int:
    """Place of a status code in CODES; any integer has one."""
    return CODE_INDEX[status if 0 <= status < 600 else 0]


def code_label(index: int) -> str:
    """Label of a place in CODES: "200", or "4xx" for those without a name of their own."""
    return CODES[index]


def bucket_index(seconds: float) -> int:
    """Place in BUCKETS of a duration: the first bound that is not below it (`le` in Prometheus' words)."""
    return bisect_left(BUCKETS, seconds)


@dataclass(frozen=True)
class Capacity:
    """How many of each the scoreboard has room for; fixed for the life of the supervisor."""

    listeners: int = 64
    pools: int = 256
    nodes: int = 4096
    institutions: int = 32_768

    def of(self, kind: Kind | None) -> int:
        """Slots of that kind; None stands for the process, which has one."""
        return 1 if kind is None else int(getattr(self, kind + "s"))


Field = tuple[str, Kind | None, int]
"""Name, what its slots stand for (None: the process itself), cells per slot."""


class _Cells:
    """Views of one mapping, one attribute per field of FIELDS."""

    FIELDS: ClassVar[tuple[Field, ...]] = ()
    DOUBLES: ClassVar[frozenset[str]] = frozenset()
    __slots__ = ("_whole",)

    def __init__(self, memory: memoryview, capacity: Capacity) -> None:
        """`memory` is the whole mapping as octets; it may be longer than the fields need, never shorter."""
        self._whole: list[memoryview] = [memory]
        start = 0
        for name, kind, width in self.FIELDS:
            end = start + capacity.of(kind) * width * CELL
            view = memory[start:end].cast("d" if name in self.DOUBLES else "q")
            self._whole.append(cast("memoryview", view))
            setattr(self, name, view)
            start = end

    @classmethod
    def octets(cls, capacity: Capacity) -> int:
        """Room the fields need, in whole pages of 4 KiB."""
        cells = sum(capacity.of(kind) * width for _, kind, width in cls.FIELDS)
        return -(-cells * CELL // 4096) * 4096

    def release(self) -> None:
        """Let go of the mapping so that it can be closed; slices others made of the views keep it open."""
        for view in reversed(self._whole):
            view.release()


class Row(_Cells):
    """One worker's cells. Counters only rise; GAUGES go up and down and are cleared when the worker dies."""

    FIELDS = (
        ("heartbeat", None, 1),
        ("pid", None, 1),
        ("generation", None, 1),
        ("accepting", None, 1),
        ("node_active", "node", 1),
        ("node_requests", "node", 1),
        ("node_failures", "node", 1),
        ("pool_codes", "pool", len(CODES)),
        ("pool_buckets", "pool", len(BUCKETS)),
        ("pool_seconds", "pool", 1),
        ("pool_retries", "pool", len(RETRY_REASONS)),
        ("pool_queue", "pool", 1),
        ("listener_connections", "listener", 1),
        ("listener_strangers", "listener", 1),
        ("listener_handshakes", "listener", len(HANDSHAKES)),
        ("listener_refusals", "listener", len(REFUSAL_REASONS)),
        ("institution_active", "institution", 1),
        ("institution_connections", "institution", 1),
        ("institution_codes", "institution", len(CLASSES)),
        ("institution_bytes", "institution", len(DIRECTIONS)),
        ("institution_last_seen", "institution", 1),
        ("institution_next_turn", "institution", 1),
        ("address_connections", None, ADDRESS_CELLS),
        ("address_strangers", None, ADDRESS_CELLS),
    )
    GAUGES: ClassVar[tuple[str, ...]] = (
        "heartbeat",
        "pid",
        "generation",
        "accepting",
        "node_active",
        "pool_queue",
        "listener_connections",
        "listener_strangers",
        "institution_active",
        "institution_connections",
        "address_connections",
        "address_strangers",
    )
    __slots__ = tuple(name for name, _, _ in FIELDS)

    heartbeat: memoryview
    """One cell: when the worker's loop last turned, monotonic nanoseconds."""
    pid: memoryview
    """One cell: process id, 0 while nobody owns the row."""
    generation: memoryview
    """One cell: the generation of the snapshot in force in this worker."""
    accepting: memoryview
    """One cell: 1 while the worker accepts connections."""
    node_active: memoryview
    """Leases held."""
    node_requests: memoryview
    node_failures: memoryview
    """Connect failures and time-outs, never the node's own error statuses."""
    pool_codes: memoryview
    pool_buckets: memoryview
    pool_seconds: memoryview
    """Sum of durations in microseconds."""
    pool_retries: memoryview
    pool_queue: memoryview
    listener_connections: memoryview
    """Open, admitted or not."""
    listener_strangers: memoryview
    """Open and not admitted: in their handshake, or refused and not gone yet."""
    listener_handshakes: memoryview
    listener_refusals: memoryview
    institution_active: memoryview
    institution_connections: memoryview
    institution_codes: memoryview
    institution_bytes: memoryview
    institution_last_seen: memoryview
    """Unix seconds."""
    institution_next_turn: memoryview
    """Of its limits.rate, as this worker last set it: monotonic nanoseconds; see gateway/turns.py."""
    address_connections: memoryview
    address_strangers: memoryview


class ControlPage(_Cells):
    """What `control` says of the nodes. Whoever reads clamps: the page's writer talks to the network.

    A writer changes cells first and then adds one to `epoch`; a reader remembers the epoch it read *before*
    the cells. So a change is never missed, at worst read twice.
    """

    FIELDS = (
        ("epoch", None, 1),
        ("generation", None, 1),
        ("heartbeat", None, 1),
        ("node_state", "node", 1),
        ("node_admin", "node", 1),
        ("node_weight", "node", 1),
        ("node_since", "node", 1),
    )
    DOUBLES = frozenset({"node_weight", "node_since"})
    __slots__ = tuple(name for name, _, _ in FIELDS)

    epoch: memoryview
    """One cell."""
    generation: memoryview
    """One cell: the generation of the configuration the states below belong to."""
    heartbeat: memoryview
    """One cell: monotonic nanoseconds."""
    node_state: memoryview
    """Codes of balancer.node.NodeState; 0, as in untouched memory, is checking: no traffic."""
    node_admin: memoryview
    """Codes of balancer.node.Admin."""
    node_weight: memoryview[float]
    """The full effective weight."""
    node_since: memoryview[float]
    """When the state began, Unix seconds."""

    def publish(self, slot: int, *, state: int, admin: int, weight: float, since: float) -> bool:
        """Write what changed of a node; False, and no new epoch, if nothing did."""
        changed = False
        for codes, code in ((self.node_state, state), (self.node_admin, admin)):
            if codes[slot] != code:
                codes[slot] = code
                changed = True
        for numbers, number in ((self.node_weight, weight), (self.node_since, since)):
            if numbers[slot] != number:
                numbers[slot] = number
                changed = True
        if changed:
            self.epoch[0] += 1
        return changed
