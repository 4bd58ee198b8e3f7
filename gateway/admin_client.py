"""The command line's client of the admin API: one blocking request at a time.

What answers may be anything that happens to listen on that port, so an answer is checked before it is believed.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import quote

from monitoring.centre import AdminAction, NodeView, PoolView
from settings.types import Address

ANSWER_LIMIT: Final = 64 << 20
"""Octets. Two thousand nodes with their reasons are one MiB."""
RELOAD_WITHIN: Final = 120.0
"""Seconds: the gateway itself gives a reload 90."""


class AdminError(Exception):
    """The request did not do what it was meant to; the message is fit for the operator."""


class NoAnswerError(AdminError):
    """Nobody listens there, or not in time."""


class ForeignAnswerError(AdminError):
    """Somebody answers who is not Settlegate."""


class RefusedError(AdminError):
    """The gateway understood and said no: `document` is its problem document (RFC 9457)."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(str(document.get("detail") or document.get("title") or f"status {status}"))
        self.status = status
        self.reason = str(document.get("reason", ""))
        problems = document.get("problems")
        self.problems: tuple[str, ...] = tuple(map(str, problems)) if isinstance(problems, list) else ()


class AdminClient:
    """Talks to one admin address. Every method raises AdminError."""

    def __init__(self, address: Address, timeout: float = 5.0) -> None:
        self.address = address
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"<AdminClient {self.address}>"

    def pools(self) -> dict[str, PoolView]:
        pools = self._ask("GET", "/api/v1/pools")
        if not all(isinstance(pool, dict) and isinstance(pool.get("nodes"), dict) for pool in pools.values()):
            raise self._foreign()
        for pool in pools.values():
            for node in pool["nodes"].values():
                self._check_node(node)
        return cast("dict[str, PoolView]", pools)

    def version(self) -> dict[str, str]:
        return {str(name): str(value) for name, value in self._ask("GET", "/api/v1/version").items()}

    def reload(self) -> tuple[int, tuple[str, ...]]:
        """The generation in force now, and what the gateway has to say about it. RefusedError with `problems`."""
        answer = self._ask("POST", "/api/v1/reload", RELOAD_WITHIN)
        generation, notices = answer.get("generation"), answer.get("notices", [])
        if not isinstance(generation, int) or not isinstance(notices, list):
            raise self._foreign()
        return generation, tuple(map(str, notices))

    def set_admin(self, pool: str, node: str, action: AdminAction) -> NodeView:
        return self._check_node(self._ask("POST", f"/api/v1/pools/{_part(pool)}/nodes/{_part(node)}/{action}"))

    def _ask(self, method: str, path: str, timeout: float | None = None) -> dict[str, Any]:
        host, port = self.address
        connection = http.client.HTTPConnection(host, port, timeout=timeout or self._timeout)
        try:
            connection.request(method, path, headers={"Accept": "application/json"})
            response = connection.getresponse()
            body = response.read(ANSWER_LIMIT)
        except http.client.HTTPException:
            raise self._foreign() from None
        except TimeoutError:
            raise NoAnswerError(f"{self.address} 未在限期内应答 does not answer in time") from None
        except OSError as error:
            why = error.strerror or str(error)
            raise NoAnswerError(f"{self.address} 无应答 does not answer: {why}") from None
        finally:
            connection.close()
        try:
            document = json.loads(body)
        except ValueError:
            raise self._foreign() from None
        if not isinstance(document, dict):
            raise self._foreign()
        if response.status != http.HTTPStatus.OK:
            if response.headers.get_content_type() != "application/problem+json":
                raise self._foreign()
            raise RefusedError(response.status, document)
        return document

    def _check_node(self, node: Any) -> NodeView:
        kinds: dict[str, type | tuple[type, ...]] = {
            "state": str,
            "reason": str,
            "reason_zh": str,
            "requests": int,
            "weight": (int, float),
        }
        if not isinstance(node, dict) or not all(isinstance(node.get(key), kind) for key, kind in kinds.items()):
            raise self._foreign()
        return cast("NodeView", node)

    def _foreign(self) -> ForeignAnswerError:
        return ForeignAnswerError(
            f"{self.address} 的应答不是 Settlegate 管理接口 answers, but not as Settlegate's admin API"
        )


def _part(text: str) -> str:
    return quote(text, safe=":[]")
