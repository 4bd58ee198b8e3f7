"""Pools."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from balancer.config import BalancingConfig, EjectionConfig, NodeConfig, PoolTimeouts, RetryConfig

NODE = {"address": "127.0.0.1:1"}
BACKUP = {"address": "127.0.0.1:2", "backup": True}


def test_defaults() -> None:
    pool = BalancingConfig.model_validate({"nodes": [NODE]})
    node = pool.nodes[0]
    assert (node.weight, node.max_requests, node.backup, node.snmp) == (1.0, None, False, None)
    assert (pool.ejection.consecutive, pool.ejection.share, pool.ejection.base, pool.ejection.longest) == (
        5,
        0.5,
        10,
        300,
    )
    assert (pool.queue.length, pool.queue.timeout) == (1000, 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nodes": [NODE, NODE]}, "the pool has this node already"),
        ({"nodes": [NODE, {"address": "127.0.0.1:1", "weight": 2}]}, "the pool has this node already"),
        ({"nodes": [BACKUP]}, "every node is a backup"),
        ({"nodes": [NODE], "min_healthy": 2}, "more than the pool has nodes"),
        ({"nodes": []}, "at least 1"),
        ({"nodes": [NODE], "policy": "fastest"}, "least_connections"),
    ],
)
def test_what_makes_no_pool(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BalancingConfig.model_validate(values)


def test_a_backup_beside_a_node() -> None:
    assert len(BalancingConfig.model_validate({"nodes": [NODE, BACKUP], "min_healthy": 2}).nodes) == 2


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf"), 1001.0])
def test_weights(weight: float) -> None:
    with pytest.raises(ValidationError):
        NodeConfig.model_validate(NODE | {"weight": weight})


def test_orders() -> None:
    with pytest.raises(ValidationError, match="longest must not be below base"):
        EjectionConfig(base=10, longest=5)
    with pytest.raises(ValidationError, match="above zero"):
        PoolTimeouts(connect=0)
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        RetryConfig(attempts=-1)
