"""The root model and how a file becomes one."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path

import pytest

from gateway.config import GatewayConfig, load_document, load_gateway, read_gateway
from settings.errors import ConfigError

SMALL = """\
listeners:
  front:
    bind: 127.0.0.1:0
    certificate: pki/gateway.pem
    key: pki/gateway.key
    trust: {anchors: [pki/ca.pem]}
routes:
  - {name: all, pool: clinic}
pools:
  clinic:
    nodes:
      - {address: 127.0.0.1:18101}
"""


def written(folder: Path, text: str = SMALL) -> Path:
    path = folder / "gateway.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_small_file_has_every_default(tmp_path: Path) -> None:
    config = load_gateway(written(tmp_path))
    assert 1 <= config.workers <= len(os.sched_getaffinity(0))
    front = config.listeners["front"]
    assert front.bind == (("127.0.0.1", 0),)
    assert (front.minimum_tls, front.refusal) == ("1.2", "explain")
    assert (front.timeouts.handshake, front.timeouts.body, front.timeouts.idle) == (10, 30, 75)
    assert (front.limits.connections, front.limits.head, front.limits.target) == (20000, 32768, 8192)
    assert front.limits.minimum_rate is None
    assert (front.resumption.enabled, front.resumption.lifetime) == (True, 3600)
    assert (front.trust.stale_crl, front.trust.unlisted) == ("refuse", "refuse")
    pool = config.pools["clinic"]
    assert (pool.policy, pool.min_healthy, pool.slow_start) == ("least_connections", 1, 30)
    assert (pool.retries.attempts, pool.retries.budget) == (2, 0.1)
    assert (pool.timeouts.connect, pool.timeouts.response, pool.timeouts.idle) == (3, 60, 300)
    assert (pool.upstream_tls, pool.checks) == (None, ())
    assert str(config.admin.bind) == "127.0.0.1:19901"
    assert config.log.access == "stdout"


def test_paths_are_absolute_wherever_it_is_loaded_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    monkeypatch.chdir(tmp_path)
    front = load_gateway(Path("gateway.yaml")).listeners["front"]
    assert front.certificate == tmp_path / "pki/gateway.pem"
    assert front.trust.anchors == (tmp_path / "pki/ca.pem",)


def test_it_travels_to_other_processes(tmp_path: Path) -> None:
    config = load_gateway(written(tmp_path))
    assert pickle.loads(pickle.dumps(config)) == config


def test_several_addresses(tmp_path: Path) -> None:
    config = load_gateway(written(tmp_path, SMALL.replace("127.0.0.1:0", "[127.0.0.1:1443, '[::1]:1443']")))
    assert [str(address) for address in config.listeners["front"].bind] == ["127.0.0.1:1443", "[::1]:1443"]


def test_snmp_version_three_needs_no_quotes(tmp_path: Path) -> None:
    snmp = "{snmp: {version: 3, user: m, auth: {sha256: passphrase}, privacy: {aes128: passphrase}}}"
    config = load_gateway(written(tmp_path, SMALL + f"    checks: [{snmp}]\n"))
    check = config.pools["clinic"].checks[0].snmp
    assert check is not None
    assert check.version == "3"
    assert "passphrase" not in repr(config)


def test_two_thousand_institutions_load_within_a_second(tmp_path: Path) -> None:
    (tmp_path / "institutions").mkdir()
    for part in range(4):
        entries = [
            f"H{part}{number:08d}:\n  name: 第{number}医院\n  routes: [all]\n  limits: {{requests: 32, rate: 200/s}}\n"
            f"  keys:\n    - sha256:{part * 1000 + number:064x}\n"
            for number in range(500)
        ]
        (tmp_path / "institutions" / f"{part}.yaml").write_text("".join(entries), encoding="utf-8")
    path = written(tmp_path, SMALL + "institutions_from: institutions/*.yaml\n")
    begun = time.process_time()
    config = load_gateway(path)
    assert time.process_time() - begun < 1
    assert len(config.institutions) == 2000
    assert config.institutions["H300000499"].name == "第499医院"


def test_every_file_read_is_known(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("A: {}\n")
    document = read_gateway(written(tmp_path, SMALL + "institutions_from: more.yaml\n"))
    assert [path.name for path in document.files] == ["gateway.yaml", "more.yaml"]
    assert isinstance(load_document(document), GatewayConfig)


def test_an_empty_list_of_routes_is_not_all_routes(tmp_path: Path) -> None:
    config = load_gateway(written(tmp_path, SMALL + "institutions: {A: {routes: []}, B: {}}\n"))
    assert config.institutions["A"].routes == ()
    assert config.institutions["B"].routes is None
    with pytest.raises(ConfigError, match="empty"):
        load_gateway(written(tmp_path, SMALL + "institutions:\n  A:\n    routes:\n"))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_gateway(tmp_path / "gateway.yaml")
