"""The demo's YAML means what the demo relies on."""

from __future__ import annotations

from pathlib import Path

from gateway.config import load_gateway
from gateway.demo import configuration


def test_the_yaml_is_read_by_the_gateway(tmp_path: Path) -> None:
    pki = tmp_path / 'a "quoted" 文件夹'
    text = configuration.gateway_yaml(
        listen="127.0.0.1:18443",
        admin="127.0.0.1:19901",
        pki=pki,
        access_log=tmp_path / "access.log",
        institutions={"H410300001": "洛阳市中心医院"},
        nodes=[("127.0.0.1:18101", "127.0.0.1:16101"), ("127.0.0.1:18102", "127.0.0.1:16102")],
        weights=[1.0, 2.5],
    )
    path = tmp_path / "gateway.yaml"
    path.write_text(text, encoding="utf-8")
    read = load_gateway(path)
    pool = read.pools["settlement"]
    assert [(str(node.address), node.weight, str(node.snmp)) for node in pool.nodes] == [
        ("127.0.0.1:18101", 1.0, "127.0.0.1:16101"),
        ("127.0.0.1:18102", 2.5, "127.0.0.1:16102"),
    ]
    assert [(check.interval, check.timeout, check.fall, check.rise) for check in pool.checks] == [(1.0, 0.5, 2, 2)] * 2
    assert read.listeners["settlement"].key == pki / "gateway.key"
    assert read.listeners["settlement"].trust.institution_id == "subject.UID"
    assert read.institutions["H410300001"].name == "洛阳市中心医院"
    assert read.workers == 2
