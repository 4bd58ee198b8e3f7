"""A connection does not outlive its certificate, though nobody reloads anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.answers import ok
from tests.support.gateway import HOSPITAL, eventually
from tests.support.nodes import RecordingNode
from tests.support.operations import Operated


def test_a_live_connection_ends_when_its_certificate_expires(tmp_path: Path) -> None:
    with RecordingNode(ok(b"settled")) as node:
        gateway = Operated(tmp_path, nodes=[node.address])
        gateway.constants = {"worker.LINKS_SWEEP": 1, "worker.REVIEW_SWEEP": 1}
        soon = datetime.now(UTC) + timedelta(seconds=12)
        brief = gateway.world.issue("brief", uid=HOSPITAL, not_after=soon)
        with gateway, gateway.connect(brief) as leaving, gateway.connect() as staying:
            assert leaving.get().status == 200
            assert staying.get().status == 200
            eventually(lambda: gateway.access(event="refused", reason="certificate_expired"))
            assert leaving.closed()
            assert staying.get().status == 200
            assert datetime.now(UTC) > soon - timedelta(seconds=1)  # certificates know whole seconds
