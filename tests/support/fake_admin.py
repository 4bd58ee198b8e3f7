"""The admin API on a real socket with a fake centre behind it, for the tests of both its ends."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Mapping
from typing import Any

from monitoring.admin import build, serve
from monitoring.centre import (
    AdminAction,
    NodeView,
    PoolView,
    ReloadResult,
    UnknownNodeError,
    UnknownPoolError,
)


def node(state: str = "up") -> NodeView:
    return {
        "state": state,
        "reason": "all checks pass",
        "reason_zh": "检查全部通过",
        "requests": 3,
        "weight": 2.0,
    }


class FakeCentre:
    """Answers what the test put there."""

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, NodeView]] = {
            "settlement": {"127.0.0.1:18101": node(), "[::1]:18102": node("down")},
            "门诊": {},
        }
        self.readiness = (True, "accepting connections")
        self.living = True
        self.result: ReloadResult | Exception = ReloadResult(True, 2, notices=("pool clinic added",))
        self.fault: Exception | None = None
        self.loop_thread: threading.Thread | None = None

    def pools(self) -> Mapping[str, PoolView]:
        if self.fault:
            raise self.fault
        return {name: {"nodes": nodes} for name, nodes in self.nodes.items()}

    def alive(self) -> bool:
        return self.living

    def ready(self) -> tuple[bool, str]:
        return self.readiness

    async def reload(self) -> ReloadResult:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    async def set_admin(self, pool: str, address: str, action: AdminAction) -> NodeView:
        if pool not in self.nodes:
            raise UnknownPoolError(pool)
        if address not in self.nodes[pool]:
            raise UnknownNodeError(address)
        state = {"drain": "draining", "ready": "up", "maintenance": "maintenance"}[action]
        self.nodes[pool][address]["state"] = state
        return self.nodes[pool][address]

    def metrics_text(self) -> bytes:
        return b"settlegate_config_reload_success 1.0\n"

    def institutions_metrics_text(self) -> bytes:
        assert threading.current_thread() is not self.loop_thread
        return b"settlegate_institution_connections 0.0\n"


class AdminServer:
    """The application on its own loop in a thread, so that tests may ask with a plain, blocking client."""

    def __init__(self, centre: FakeCentre) -> None:
        self.centre = centre
        self._loop = asyncio.new_event_loop()
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._sock.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> AdminServer:
        self._thread.start()
        self.centre.loop_thread = self._thread
        app = build(self.centre, {"settlegate": "0.1.0"})
        self._runner = asyncio.run_coroutine_threadsafe(serve(app, self._sock), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_default_executor(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, headers={key.replace("_", "-"): value for key, value in headers.items()})
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    def problem(self, method: str, path: str, **headers: str) -> dict[str, Any]:
        status, fields, body = self.ask(method, path, **headers)
        assert fields.get_content_type() == "application/problem+json", body
        document: dict[str, Any] = json.loads(body)
        assert document["status"] == status
        assert {"type", "title", "detail", "reason"} <= set(document)
        return document
