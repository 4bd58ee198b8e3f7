"""The gateway's configuration for the demo, as the YAML text that is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.demo.agents import COMMUNITY

INTERVAL = 1.0
TIMEOUT = 0.5
FALL = RISE = 2
SLOW_START = 2.0


def quoted(path: Path) -> str:
    """A YAML double-quoted scalar; JSON's strings are among them."""
    return json.dumps(str(path), ensure_ascii=False)


def gateway_yaml(
    *,
    listen: str,
    admin: str,
    pki: Path,
    access_log: Path,
    institutions: Mapping[str, str],
    nodes: Sequence[tuple[str, str]],
    weights: Sequence[float],
) -> str:
    """`nodes`: address and SNMP agent of each; `institutions`: names by id."""
    entries = "\n".join(f"  {key}: {{name: {name}}}" for key, name in institutions.items())
    rows = "\n".join(
        f"      - {{address: {address!r}, weight: {weight:g}, snmp: {agent!r}}}"
        for (address, agent), weight in zip(nodes, weights, strict=True)
    )
    return f"""\
workers: 2

listeners:
  settlement:
    bind: {listen!r}
    certificate: {quoted(pki / "gateway.pem")}
    key: {quoted(pki / "gateway.key")}
    trust:
      anchors: [{quoted(pki / "ca.pem")}]
      crls: [{quoted(pki / "ca.crl")}]
      institution_id: subject.UID
    refusal: explain            # finish the handshake and say why

institutions:
{entries}

routes:
  - {{name: claims, path: /claims/, pool: settlement}}

pools:
  settlement:
    policy: least_connections
    nodes:
{rows}
    min_healthy: 1
    slow_start: {SLOW_START:g}s
    ejection: {{consecutive: 3, share: 50%, base: 2s, longest: 10s}}
    queue: {{length: 1000, timeout: 3s}}
    timeouts: {{connect: 1s, response: 5s}}
    retries: {{attempts: 3, budget: 50%}}
    checks:
      - http: {{path: /healthz, status: [200], body_contains: ok}}
        interval: {INTERVAL:g}s
        timeout: {TIMEOUT * 1000:g}ms
        fall: {FALL}
        rise: {RISE}
      - snmp:
          version: 2c
          community: {COMMUNITY}
          metrics:                # cpu is set low: readings are smoothed over 30 s, and nobody waits that long here
            cpu:    {{comfort: 10%, limit: 40%}}
            memory: {{comfort: 60%, limit: 95%, eject_above: 98%}}
        interval: {INTERVAL:g}s
        timeout: {TIMEOUT * 1000:g}ms
        fall: {FALL}
        rise: {RISE}

admin: {{bind: {admin!r}}}
log: {{access: {quoted(access_log)}}}
"""
