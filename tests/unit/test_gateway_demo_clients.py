"""A counter insists with the same claim until it is settled, and remembers what it took."""

from __future__ import annotations

import asyncio
import random
import ssl
import sys
from typing import Any

import pytest

from gateway.demo import claims, clients
from gateway.demo.account import Fates
from gateway.demo.clients import Answer, Counter, TokenLine, Trouble, decoded, invent, is_settled
from tests.support import nodes


class ScriptedLine:
    """Answers from a list; the last one settles and stops the counter."""

    def __init__(self, stop: asyncio.Event, *troubles: Answer | Trouble) -> None:
        self.sent: list[dict[str, Any]] = []
        self._stop = stop
        self._troubles = list(troubles)

    async def send(self, claim: dict[str, Any]) -> Answer:
        self.sent.append(claim)
        if self._troubles:
            trouble = self._troubles.pop(0)
            if isinstance(trouble, Trouble):
                raise trouble
            return trouble
        self._stop.set()
        return Answer(200, {"claim_id": claim["claim_id"], "receipt": "R", "fund_pays": "1.00"})


def work(*troubles: Answer | Trouble) -> tuple[Fates, ScriptedLine]:
    async def run() -> tuple[Fates, ScriptedLine]:
        stop, fates = asyncio.Event(), Fates()
        line = ScriptedLine(stop, *troubles)
        async with asyncio.timeout(10):
            await Counter("H", "H1", line, fates, rest=0.0).work(stop)
        return fates, line

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "PAUSE", (0.0, 0.0))


def test_the_same_claim_is_sent_again_until_it_is_settled() -> None:
    fates, line = work(Trouble("cut"), Answer(503, {"reason": "no_node"}), Answer(502, {}))
    assert len(line.sent) == 4
    assert all(claim == line.sent[0] for claim in line.sent)
    (fate,) = fates.claims.values()
    assert (fate.sends, fate.receipt, fate.fund_pays, fate.given_up) == (4, "R", "1.00", False)
    assert fate.troubles == ["cut", "503 no_node", "502 without a reason"]
    assert (fates.settled, fates.resent, fates.pending) == (1, 1, 0)


def test_it_gives_up_at_last_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "MOST_SENDS", 3)
    fates, _ = work(*[Trouble("cut")] * 3)
    first, second = fates.claims.values()
    assert (first.given_up, first.sends, first.receipt) == (True, 3, None)
    assert (second.given_up, second.receipt) == (False, "R")
    assert (fates.given_up, fates.settled) == (1, 1)


def test_a_patience_of_nothing_gives_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "PATIENCE", -1.0)

    async def run() -> Fates:
        stop, fates = asyncio.Event(), Fates()
        line = ScriptedLine(stop)
        task = asyncio.create_task(Counter("H", "H1", line, fates, rest=0.001).work(stop))
        while not fates.given_up:
            await asyncio.sleep(0)
        stop.set()
        await task
        assert line.sent == []
        return fates

    assert asyncio.run(run()).given_up >= 1


def test_somebody_elses_answer_is_not_taken() -> None:
    other = Answer(200, {"claim_id": "H2-00001", "receipt": "X", "fund_pays": "9.99"})
    fates, _ = work(other)
    (fate,) = fates.claims.values()
    assert (fate.misdirected, fate.receipt) == (True, "R")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(502, {"claim_id": "C", "receipt": "R", "fund_pays": "1.00"}),
        Answer(200, {"claim_id": "C", "receipt": "R"}),
        Answer(200, {"claim_id": "C", "fund_pays": "1.00"}),
        Answer(200, {}),
    ],
)
def test_only_whole_answers_settle(answer: Answer) -> None:
    assert not is_settled(answer, "C")


def test_invented_claims_are_valid_and_repeatable() -> None:
    made = [invent(random.Random(7), "C-1") for _ in range(2)]
    assert made[0] == made[1]
    dice = random.Random(1)
    for number in range(200):
        claims.settle("H", claims.parse(invent(dice, f"C-{number}")))


def test_decoded_takes_objects_only() -> None:
    assert [decoded(body) for body in (b'{"a": 1}', b"[1]", b"", b"\xff", b"<html>")] == [{"a": 1}, {}, {}, {}, {}]


def test_a_file_key_line_names_its_troubles_and_never_repeats_by_itself() -> None:
    settled = b'{"claim_id": "C", "receipt": "R", "fund_pays": "1.00"}'
    script = nodes.in_turn(nodes.closes_without_answer, nodes.closes_mid_response(), nodes.ok(settled))

    async def run(port: int) -> None:
        context = ssl.create_default_context()
        async with clients.FileKeyLine(f"http://127.0.0.1:{port}/claims/", context, 1) as line:
            for _ in range(2):
                with pytest.raises(Trouble):
                    await line.send({"claim_id": "C"})
            assert is_settled(await line.send({"claim_id": "C"}), "C")

    with nodes.RecordingNode(script) as node:
        asyncio.run(run(node.port))
        assert [request.body for request in node.wait_for(3)] == [b'{"claim_id": "C"}'] * 3


def test_a_token_line_reads_curl() -> None:
    program = "import sys; sys.stdin.read(); sys.stdout.write('{\"a\": 1}\\n200')"
    line = TokenLine([sys.executable, "-c", program], {})
    assert asyncio.run(line.send({})) == Answer(200, {"a": 1})
    failing = TokenLine([sys.executable, "-c", "import sys; sys.exit('curl: (7) refused')"], {})
    with pytest.raises(Trouble, match="refused"):
        asyncio.run(failing.send({}))
