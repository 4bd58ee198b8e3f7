"""The nodes of a configuration as the health checks know them: targets with an id, an address and checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certs.upstream import NodeTLS
from gateway.complaints import Complaints
from gateway.probe_opening import NodeOpening
from healthcheck.target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.config import GatewayConfig, PoolConfig
    from gateway.node_table import Key


def target_id(key: Key) -> str:
    return f"{key[0]} {key[1]}"


def key_of(target: str) -> Key:
    pool, _, address = target.partition(" ")
    return pool, address


def targets_of(
    config: GatewayConfig, endpoints: Mapping[str, tuple[str, int]], files: Mapping[str, bytes]
) -> dict[str, Target]:
    """By id; nodes of pools without checks are none. `files`: what TLS to the nodes is built of, by path."""
    targets: dict[str, Target] = {}
    for pool, pool_config in config.pools.items():
        if not pool_config.checks:
            continue
        tls = _tls(pool_config, files)
        announces = pool_config.proxy_protocol is not None
        complaints = Complaints(f"checks of {pool}")
        for node in pool_config.nodes:
            address = str(node.address)
            name = target_id((pool, address))
            host, port = endpoints[address]
            agent = (node.snmp.host, node.snmp.port) if node.snmp is not None else None
            opening = None
            if tls is not None or announces:
                opening = NodeOpening(tls, node.address, complaints, announces=announces)
            server_name = pool_config.upstream_tls.server_name if pool_config.upstream_tls is not None else None
            targets[name] = Target(name, host, port, pool_config.checks, agent, opening, server_name)
    return targets


def _tls(pool: PoolConfig, files: Mapping[str, bytes]) -> NodeTLS | None:
    if pool.upstream_tls is None or all(check.snmp is not None for check in pool.checks):
        return None
    return NodeTLS.build(pool.upstream_tls, files, for_checks=True)


def checks_of(config: GatewayConfig) -> dict[Key, list[str]]:
    """Names of each node's checks as metrics show them: http, http2, snmp (see healthcheck.target.Observer)."""
    return {
        (pool, str(node.address)): _labels(pool_config.checks)
        for pool, pool_config in config.pools.items()
        for node in pool_config.nodes
    }


def _labels(checks: tuple[object, ...]) -> list[str]:
    counts: dict[str, int] = {}
    labels = []
    for check in checks:
        kind = next(kind for kind in ("http", "tcp", "snmp") if getattr(check, kind, None) is not None)
        counts[kind] = counts.get(kind, 0) + 1
        labels.append(kind if counts[kind] == 1 else f"{kind}{counts[kind]}")
    return labels
