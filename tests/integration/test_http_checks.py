"""Nodes fail and return in every way a socket allows, and HTTP and TCP checks say so, in time and in words."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from certs.config import UpstreamTLSConfig
from certs.upstream import NodeTLS
from gateway.complaints import Complaints
from gateway.probe_opening import NodeOpening
from healthcheck.config import CheckConfig, HttpCheck, TcpCheck
from healthcheck.monitor import Monitor
from healthcheck.target import Target
from settings.types import Address
from tests.support.node_tls import NAME, NodePki, serving
from tests.support.nodes import (
    RecordingNode,
    RefusingNode,
    Script,
    UnreachableNode,
    chunked,
    closes_mid_response,
    closes_without_answer,
    garbage,
    hangs,
    interim,
    ok,
    slowly,
    until_close,
)
from tests.support.reports import Heard, watching

INTERVAL, TIMEOUT = 0.3, 0.25
TCP = CheckConfig(tcp=TcpCheck(), interval=INTERVAL, timeout=TIMEOUT, fall=3, rise=2)


def http(interval: float = INTERVAL, timeout: float = TIMEOUT, **settings: Any) -> CheckConfig:
    return CheckConfig(http=HttpCheck(**settings), interval=interval, timeout=timeout, fall=3, rise=2)


def target(port: int, *checks: CheckConfig, name: str = "node", **more: Any) -> Target:
    return Target(name, "127.0.0.1", port, checks or (http(),), **more)


def test_a_healthy_node_comes_up_after_one_probe_and_stays() -> None:
    async def story() -> None:
        heard = Heard()
        with RecordingNode(ok(b"all is ok")) as node:
            async with watching(heard, [target(node.port, http(body_contains="is ok", path="/healthz?deep=1"))]):
                report = await heard.state("up")
                await heard.more_probes(4)
            assert report.active_reason.code == "http_passes"
            assert (report.snmp_eject, report.factor, report.snmp_reason.code) == (False, 1.0, "no_snmp")
            assert heard.states() == ["checking", "up"]
            assert len(heard.reports) == 2, "nothing changed, nothing is published"
            assert node.connections == len(node.requests) >= 5, "a fresh connection for every probe"
            request = node.requests[0]
            assert (request.method, request.target) == (b"GET", b"/healthz?deep=1")
            assert request.value(b"host") == node.address.encode()

    asyncio.run(story())


def test_a_failing_node_leaves_in_time_and_returns_after_rise_passes() -> None:
    async def story() -> None:
        heard = Heard()
        with RecordingNode(ok()) as node:
            async with watching(heard, [target(node.port)]):
                await heard.state("up")
                await heard.more_probes(2)
                node.answer = ok(status=500)
                broken = time.monotonic()
                report = await heard.state("down")
                took = heard.times[-1] - broken
                assert took <= 3 * INTERVAL + TIMEOUT + 0.2, "the promise, and some slack for a busy machine"
                assert report.active_reason.en == "HTTP check answered 500 (3 in a row)"
                assert report.active_reason.zh == "HTTP 检查返回 500(连续 3 次)"
                published = len(heard.reports)
                await heard.more_probes(3)
                assert len(heard.reports) == published, "a dead node is not news at every probe"
                node.answer = ok()
                await heard.state("up")
            assert heard.labels().count("status") >= 6
            tail = [report.active_reason.en for report in heard.reports[-2:]]
            assert tail == ["HTTP check passes (1 of 2)", "HTTP check passes"]

    asyncio.run(story())


def test_two_failures_of_three_change_nothing() -> None:
    async def story() -> None:
        heard = Heard()
        answers = iter([ok(), ok(status=500), ok(status=500)])
        with RecordingNode(lambda _call: next(answers, ok())) as node:
            async with watching(heard, [target(node.port)]):
                await heard.until(lambda: len(heard.probes) >= 5)
        assert heard.states() == ["checking", "up"]
        assert heard.labels()[:5] == [None, "status", "status", None, None]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("answer", "code", "label"),
    [
        (ok(status=404), "http_status", "status"),
        (ok(b"nothing of that kind"), "http_body", "body"),
        (until_close(b"nothing either"), "http_body", "body"),
        (chunked(b"no", b"no"), "http_body", "body"),
        (closes_without_answer, "http_closed_early", "protocol"),
        (closes_mid_response(b"half"), "http_closed_early", "protocol"),
        (closes_mid_response(b"half", reset=True), "http_closed_early", "protocol"),
        (garbage(), "http_not_http", "protocol"),
        (garbage(b"A" * 100), "http_not_http", "protocol"),
        (hangs, "http_timed_out", "timeout"),
        (slowly([b"HTTP/1.1 200 OK\r\n"] + [b"X-Drip: 1\r\n"] * 100, 0.05), "http_timed_out", "timeout"),
    ],
    ids=[
        "404",
        "body",
        "body to the end",
        "chunks",
        "no answer",
        "half",
        "reset",
        "garbage",
        "no line",
        "hang",
        "drip",
    ],
)
def test_an_answer_that_is_not_wanted_is_named(answer: Script, code: str, label: str) -> None:
    async def story() -> None:
        heard = Heard()
        with RecordingNode(answer) as node:
            async with watching(heard, [target(node.port, http(body_contains="fine"))]):
                report = await heard.state("down")
        assert report.active_reason.code == code
        assert set(heard.labels()) == {label}

    asyncio.run(story())


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"it is fine"),
        chunked(b"it is fi", b"ne, in pieces"),
        until_close(b"fine"),
        interim(103, final=ok(b"fine")),
        slowly([bytes((octet,)) for octet in ok(b"fine")], 0.001),
        closes_mid_response(b"fine so far"),
    ],
    ids=["length", "chunked", "until close", "interim", "octet by octet", "found before the cut"],
)
def test_a_wanted_body_is_found_however_it_is_framed(answer: Script) -> None:
    async def story() -> None:
        heard = Heard()
        with RecordingNode(answer) as node:
            async with watching(heard, [target(node.port, http(body_contains="fine"))]):
                await heard.state("up")

    asyncio.run(story())


def test_nobody_listening_and_a_host_that_is_gone_are_told_apart() -> None:
    async def story() -> None:
        heard = Heard()
        with RefusingNode() as refusing, UnreachableNode() as gone:
            tcp = CheckConfig(tcp=TcpCheck(), interval=INTERVAL, timeout=TIMEOUT)
            async with watching(
                heard,
                [
                    target(refusing.port, name="refusing"),
                    target(gone.port, name="gone"),
                    target(refusing.port, tcp, name="refusing, tcp"),
                    target(gone.port, tcp, name="gone, tcp"),
                ],
            ):
                for name in ("refusing", "gone", "refusing, tcp", "gone, tcp"):
                    await heard.state("down", name)
        codes = {name: heard.latest(name).active_reason.code for name in ("refusing", "gone", "refusing, tcp")}
        assert codes == {"refusing": "http_refused", "gone": "http_timed_out", "refusing, tcp": "tcp_refused"}
        assert set(heard.labels("refusing")) == {"connect"}
        assert set(heard.labels("gone, tcp")) == {"timeout"}

    asyncio.run(story())


def test_every_active_check_must_pass() -> None:
    async def story() -> None:
        heard = Heard()
        with RecordingNode(ok(status=503)) as node:
            tcp = CheckConfig(tcp=TcpCheck(), interval=INTERVAL, timeout=TIMEOUT)
            async with watching(heard, [target(node.port, http(), tcp)]):
                report = await heard.state("down")
                assert report.active_reason.code == "http_status"
                node.answer = ok()
                assert (await heard.state("up")).active_reason.code == "checks_pass"
        assert {check for _, check, _ in heard.probes} == {"http", "tcp"}

    asyncio.run(story())


def test_a_hanging_node_costs_only_itself() -> None:
    async def story() -> None:
        heard = Heard()
        with RecordingNode(hangs) as dead, RecordingNode(ok()) as alive:
            targets = [target(dead.port, name=f"dead {number}") for number in range(10)]
            async with watching(heard, [*targets, target(alive.port, name="alive")]):
                await heard.state("up", "alive")
                await heard.state("down", "dead 9")
                await heard.more_probes(3, "alive")
        assert heard.states("alive")[-1] == "up"
        assert "down" not in heard.states("alive")

    asyncio.run(story())


def test_when_every_place_is_taken_the_rest_wait_their_turn() -> None:
    async def story() -> None:
        heard = Heard()
        with RecordingNode(ok()) as node:
            targets = [target(node.port, name=f"node {number}") for number in range(12)]
            async with watching(heard, targets, Monitor(heard, heard, concurrency=1)):
                for each in targets:
                    await heard.state("up", each.id)

    asyncio.run(story())


def test_failed_traffic_brings_the_next_probe_forward_once_a_second() -> None:
    async def story() -> None:
        heard = Heard()
        with RecordingNode(ok()) as node:
            async with watching(heard, [target(node.port, http(interval=60))]) as monitor:
                await heard.state("up")
                monitor.hurry("node")
                await heard.until(lambda: len(heard.probes) == 2)
                monitor.hurry("node")
                monitor.hurry("a node that is not there")
                await asyncio.sleep(0.1)
                assert len(heard.probes) == 2

    asyncio.run(story())


def test_a_reload_keeps_health_with_the_address() -> None:
    async def story() -> None:
        heard = Heard()
        with RecordingNode(ok()) as node, RecordingNode(ok(status=500)) as other, RecordingNode(hangs) as late:
            async with watching(heard, [target(node.port), target(other.port, name="other")]) as monitor:
                await heard.state("up")
                await heard.state("down", "other")
                monitor.apply(
                    {
                        "node": target(node.port, http(path="/other"), http(port=late.port)),
                        "new": target(node.port, name="new"),
                    }
                )
                assert monitor.snapshot()["node"].active == "up", "a check that is new takes nobody out at once"
                assert "other" not in monitor.snapshot()
                await heard.state("up", "new")
                report = await heard.state("down")
                assert report.active_reason.code == "http_timed_out"
                assert {check for name, check, _ in heard.probes if name == "node"} == {"http", "http2"}
                seen = len(heard.labels("other"))
                await heard.more_probes(2)
                assert len(heard.labels("other")) == seen, "nobody probes what is gone"
                monitor.apply({"node": target(other.port)})
                assert monitor.snapshot()["node"].active == "checking", "another address is another node"

    asyncio.run(story())


def test_a_restarted_control_process_goes_on_from_the_last_known_state() -> None:
    async def story() -> None:
        heard = Heard()
        with RecordingNode(hangs) as node:
            monitor = Monitor(heard, heard)
            monitor.apply({"node": target(node.port)})
            monitor.resume("node", up=True)
            monitor.resume("unknown", up=False)
            assert heard.reports == [], "between apply and resume every node looks unprobed: not published"
            async with watching(heard, [target(node.port)], monitor):
                await heard.state("down")
            assert heard.states() == ["up", "down"]
            assert heard.reports[0].active_reason.code == "carried_over"

    asyncio.run(story())


def test_a_target_without_checks_is_up() -> None:
    async def story() -> None:
        heard = Heard()
        async with watching(heard, [Target("node", "127.0.0.1", 9)]):
            assert (await heard.state("up")).active_reason.code == "no_checks"
        assert heard.probes == []

    asyncio.run(story())


def test_a_crash_in_a_probe_is_a_failure_and_not_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_self: object) -> None:
        raise KeyError("a bug")

    async def story() -> None:
        heard = Heard()
        with RecordingNode(ok()) as node:
            monkeypatch.setattr("healthcheck.probes.tcp.TcpProbe.__call__", broken)
            tcp = CheckConfig(tcp=TcpCheck(), interval=INTERVAL, timeout=TIMEOUT)
            async with watching(heard, [target(node.port, tcp), target(node.port, name="other")]):
                report = await heard.state("down")
                await heard.state("up", "other")
        assert report.active_reason.code == "tcp_internal"
        assert set(heard.labels()) == {"internal"}
        assert "a bug" not in report.active_reason.en

    asyncio.run(story())
    assert "tcp check of node failed inside the gateway" in caplog.text


def test_a_publisher_that_raises_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Raising(Heard):
        def observe_probe(self, target: str, check: str, duration: float, reason: Any) -> None:
            super().observe_probe(target, check, duration, reason)
            raise OSError("no room")

        def publish(self, report: Any) -> None:
            super().publish(report)
            raise OSError("no room")

    async def story() -> None:
        heard = Raising()
        with RecordingNode(ok()) as node:
            async with watching(heard, [target(node.port)]):
                await heard.more_probes(4)

    asyncio.run(story())
    assert "publishing node failed" in caplog.text


def test_a_node_that_speaks_tls_is_checked_over_tls_and_by_name(tmp_path: Path) -> None:
    pki = NodePki(tmp_path)

    def opening(name: str, anchor: Path) -> NodeOpening:
        settings = UpstreamTLSConfig(anchors=(anchor,), server_name=name)
        tls = NodeTLS.build(settings, {str(anchor): anchor.read_bytes()})
        return NodeOpening(tls, Address("127.0.0.1", 1), Complaints("pool"))

    async def story() -> None:
        heard = Heard()
        trusting = opening(NAME, pki.anchor)
        with (
            RecordingNode(ok(), tls=serving(pki.good)) as node,
            RecordingNode(garbage(b"no TLS here\r\n")) as plain,
        ):
            async with watching(
                heard,
                [
                    target(node.port, opening=trusting, server_name=NAME),
                    target(node.port, TCP, name="tcp", opening=trusting),
                    target(node.port, name="other name", opening=opening("elsewhere.internal", pki.anchor)),
                    target(node.port, TCP, name="tcp other name", opening=opening("elsewhere.internal", pki.anchor)),
                    target(node.port, name="unknown issuer", opening=opening(NAME, pki.clients_anchor)),
                    target(plain.port, name="plain", opening=trusting),
                    target(plain.port, TCP, name="tcp plain", opening=trusting),
                    target(node.port, name="asked plainly"),
                ],
            ):
                await heard.state("up")
                await heard.state("up", "tcp")
                for name in ("other name", "tcp other name", "unknown issuer", "plain", "tcp plain", "asked plainly"):
                    await heard.state("down", name)
            assert node.requests[0].value(b"host") == f"{NAME}:{node.port}".encode()
        assert heard.latest("other name").active_reason.code == "http_untrusted"
        assert heard.latest("tcp other name").active_reason.code == "tcp_untrusted"
        assert heard.latest("unknown issuer").active_reason.code == "http_untrusted"
        assert set(heard.labels("plain")) <= {"protocol", "timeout"}

    asyncio.run(story())
