"""The node over HTTP: settles, repeats, conflicts, and believes only X-Institution-Id."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestClient, TestServer

from gateway.demo.ledger import Ledger
from gateway.demo.node import Node

Client = TestClient[Any, Any]
HOSPITAL = {"X-Institution-Id": "H410300001"}


def claim(claim_id: str = "C-1", quantity: int = 1) -> dict[str, Any]:
    return {"claim_id": claim_id, "patient": "41", "items": [{"code": "F110200001", "quantity": quantity}]}


def serve(path: Path, play: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        node = Node("n1", path / "ledger.sqlite", 0.0)
        async with TestClient(TestServer(node.application())) as client:
            await play(client)

    asyncio.run(run())


async def answer(response: aiohttp.ClientResponse) -> tuple[int, dict[str, Any]]:
    return response.status, await response.json(content_type=None)


def test_a_repeated_claim_gets_the_same_receipt(tmp_path: Path) -> None:
    async def play(client: Client) -> None:
        headers = {**HOSPITAL, "X-Request-Id": "r-1"}
        status, first = await answer(await client.post("/claims/", json=claim(), headers=headers))
        assert (status, first["repeated"], first["total"], first["node"]) == (200, False, "12.00", "n1")
        status, again = await answer(await client.post("/claims/", json=claim(), headers=HOSPITAL))
        assert (status, again["repeated"], again["receipt"]) == (200, True, first["receipt"])
        status, shown = await answer(await client.get("/claims/C-1", headers=HOSPITAL))
        assert (status, shown["receipt"]) == (200, first["receipt"])

    serve(tmp_path, play)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert ledger.attempts() == {("H410300001", "C-1"): 2}
    ledger.close()


def test_other_content_under_the_same_id_conflicts(tmp_path: Path) -> None:
    async def play(client: Client) -> None:
        await client.post("/claims/", json=claim(), headers=HOSPITAL)
        response = await client.post("/claims/", json=claim(quantity=2), headers=HOSPITAL)
        assert response.content_type == "application/problem+json"
        status, document = await answer(response)
        assert (status, document["reason"]) == (409, "claim_conflict")
        status, document = await answer(
            await client.post("/claims/", json=claim(quantity=2), headers={"X-Institution-Id": "P"})
        )
        assert (status, document["total"]) == (200, "24.00")

    serve(tmp_path, play)


def test_refuses_what_it_cannot_settle(tmp_path: Path) -> None:
    async def play(client: Client) -> None:
        status, document = await answer(await client.post("/claims/", json=claim()))
        assert (status, document["reason"]) == (403, "institution_missing")
        for body in (b"{", b"\xff", b"[" * 100_000):
            status, document = await answer(await client.post("/claims/", data=body, headers=HOSPITAL))
            assert (status, document["reason"]) == (400, "json_invalid")
        wrong = {**claim(), "items": [{"code": "nothing"}]}
        response = await client.post("/claims/", json=wrong, headers=HOSPITAL)
        assert response.content_type == "application/problem+json"
        status, document = await answer(response)
        assert (status, document["errors"][0]["item"]) == (422, "nothing")
        status, document = await answer(await client.get("/claims/C-1", headers={"X-Institution-Id": "other"}))
        assert (status, document["reason"]) == (404, "claim_unknown")

    serve(tmp_path, play)


def test_healthz_says_ok(tmp_path: Path) -> None:
    async def play(client: Client) -> None:
        response = await client.get("/healthz")
        assert (response.status, await response.text()) == (200, "ok\n")

    serve(tmp_path, play)
