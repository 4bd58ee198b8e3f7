"""The gateway of this tree, with its defaults wherever the comparison does not ask for something else."""

from __future__ import annotations

import sys

import yaml

from bench.places import ROOT
from bench.proxies.setting import Recipe, Setting, most_connections


def settlegate(setting: Setting) -> Recipe:
    """As installed: compiled where a compiler was at hand."""
    return _recipe(setting, {})


def settlegate_pure(setting: Setting) -> Recipe:
    """Without compiled parts."""
    return _recipe(setting, {"SETTLEGATE_PURE": "1"})


def _recipe(setting: Setting, environment: dict[str, str]) -> Recipe:
    path = setting.folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(_configuration(setting), allow_unicode=True), encoding="utf-8")
    return Recipe(
        (sys.executable, "-m", "gateway", "run", str(path)),
        f"http://127.0.0.1:{setting.metrics_port}/metrics",
        # Where it notes its last run: the operator's own note is none of our business.
        environment | {"PYTHONPATH": str(ROOT), "SETTLEGATE_STATE": str(setting.folder / "state")},
    )


def _configuration(setting: Setting) -> dict[str, object]:
    files = setting.certificates
    return {
        "workers": setting.workers,
        "listeners": {
            "settlement": {
                "bind": f"127.0.0.1:{setting.port}",
                "certificate": str(files.server),
                "key": str(files.server_key),
                "trust": {"anchors": [str(files.anchor)], "institution_id": "subject.UID"},
                "limits": {"connections": most_connections()},
            }
        },
        # Neither nginx nor HAProxy knows who may enter; the gateway looks every institution up.
        "institutions": {uid: {"name": f"医院 {uid}"} for uid in files.ids()},
        "routes": [{"name": "claims", "path": "/claims/", "pool": "settlement"}],
        "pools": {
            "settlement": {"policy": "least_connections", "nodes": [{"address": node} for node in setting.nodes]}
        },
        "admin": {"bind": f"127.0.0.1:{setting.metrics_port}"},
        "log": {"access": str(setting.access_log)},
    }
