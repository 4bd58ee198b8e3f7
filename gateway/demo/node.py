"""One settlement node of the demo, a process of its own: `python -m gateway.demo.node --port N --ledger FILE`.

    POST /claims/       settle a claim; a repeated claim id gets the same receipt, another content 409
    GET  /claims/{id}   what was settled, for the institution that asks
    GET  /healthz       ok

Who asks is what the gateway says in X-Institution-Id. The node is reached by nobody else, so it believes it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.demo import claims
from gateway.demo.ledger import Entered, Ledger

PROBLEM = "application/problem+json"


class Node:
    """The handlers; the ledger lives in a thread of its own, since SQLite waits for its lock."""

    def __init__(self, name: str, ledger: Path, service_time: float) -> None:
        self._name = name
        self._service_time = service_time
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._ledger = self._thread.submit(Ledger, ledger).result()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=1024 * 1024)
        app.router.add_post("/claims/", self.settle)
        app.router.add_get("/claims/{claim_id}", self.show)
        app.router.add_get("/healthz", self.healthy)
        app.on_cleanup.append(self._close)
        return app

    async def healthy(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def settle(self, request: web.Request) -> web.Response:
        institution = request.headers.get("X-Institution-Id")
        if institution is None:
            return problem(403, "institution_missing", "no X-Institution-Id: the gateway did not send this")
        try:
            claim = claims.parse(json.loads(await request.read()))
        except (ValueError, RecursionError):
            return problem(400, "json_invalid", "the body is not JSON")
        except claims.ClaimError as error:
            rows = [each.as_document() for each in error.problems]
            return problem(422, "claim_invalid", str(error), {"errors": rows})
        await asyncio.sleep(self._service_time)
        settlement = claims.settle(institution, claim)
        document = json.dumps(settlement.as_document(), ensure_ascii=False)
        enter = partial(
            self._ledger.enter,
            institution,
            claim.claim_id,
            claim.digest(),
            receipt=settlement.receipt,
            fund_pays=settlement.fund_pays,
            document=document,
            node=self._name,
            request_id=request.headers.get("X-Request-Id"),
        )
        return self._answer(await asyncio.get_running_loop().run_in_executor(self._thread, enter))

    async def show(self, request: web.Request) -> web.Response:
        institution = request.headers.get("X-Institution-Id", "")
        find = partial(self._ledger.find, institution, request.match_info["claim_id"])
        document = await asyncio.get_running_loop().run_in_executor(self._thread, find)
        if document is None:
            return problem(404, "claim_unknown", "this institution has no such settled claim")
        return web.json_response(text=document)

    def _answer(self, entered: Entered) -> web.Response:
        if entered.outcome == "conflict":
            return problem(409, "claim_conflict", "this claim id was settled with other content")
        document = json.loads(entered.document) | {"repeated": entered.outcome == "repeated", "node": self._name}
        return web.json_response(document, dumps=partial(json.dumps, ensure_ascii=False))

    async def _close(self, _app: web.Application) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._ledger.close)
        self._thread.shutdown()


def problem(status: int, reason: str, detail: str, more: Mapping[str, Any] | None = None) -> web.Response:
    """RFC 9457, as the gateway's own answers."""
    body = {"title": reason.replace("_", " "), "status": status, "reason": reason, "detail": detail, **(more or {})}
    return web.json_response(body, status=status, content_type=PROBLEM, dumps=partial(json.dumps, ensure_ascii=False))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m gateway.demo.node", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--service-time", type=float, default=0.04, help="seconds a claim takes")
    options = parser.parse_args()
    node = Node(f"127.0.0.1:{options.port}", options.ledger, options.service_time)
    web.run_app(node.application(), host="127.0.0.1", port=options.port, access_log=None, print=None)


if __name__ == "__main__":
    main()
