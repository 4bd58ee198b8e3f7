from __future__ import annotations

import asyncio
import socket

import pytest

from healthcheck.config import TcpCheck
from healthcheck.probes.snmp_poller import SnmpPoller
from healthcheck.probes.tcp import TcpProbe
from healthcheck.target import Target


def test_its_own_port_goes_before_the_node_s() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        node = Target("n", "127.0.0.1", closed.getsockname()[1])
        assert asyncio.run(TcpProbe(node, TcpCheck(port=listening.getsockname()[1]), SnmpPoller())()).passed is True
        refused = asyncio.run(TcpProbe(node, TcpCheck(), SnmpPoller())())
    assert (refused.passed, refused.words.code) == (False, "tcp_refused")


def test_a_timeout_of_the_kernel_is_left_to_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async def slow(*_arguments: object) -> None:
            raise TimeoutError

        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", slow)
        with pytest.raises(TimeoutError):
            await TcpProbe(Target("n", "127.0.0.1", 1), TcpCheck(), SnmpPoller())()

    asyncio.run(story())
