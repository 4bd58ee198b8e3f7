"""What tests of faults share: clients that break off or tell a cut from an end, and what a gateway still holds."""

from __future__ import annotations

import socket
import struct

import psutil

from tests.support.client import Client
from tests.support.gateway import Gateway, eventually
from tests.support.nodes import Call

GAUGES = (
    "settlegate_connections",
    "settlegate_unadmitted_connections",
    "settlegate_node_requests",
    "settlegate_queue_length",
    "settlegate_institution_connections",
    "settlegate_institution_in_flight_requests",
)


def series(text: str) -> dict[str, float]:
    """Every series of a page of metrics."""
    rows = (row.rpartition(" ") for row in text.splitlines() if row and not row.startswith("#"))
    return {name: float(value) for name, _, value in rows}


def held(gateway: Gateway) -> dict[str, float]:
    """Gauges of things in flight that do not read 0."""
    found = series(gateway.get("/metrics")) | series(gateway.get("/metrics/institutions"))
    return {name: value for name, value in found.items() if name.startswith(GAUGES) and value}


def all_returned(gateway: Gateway, *, within: float = 5.0) -> None:
    """Every lease, request and connection has been given back, and no worker has died or logged a traceback."""
    left: dict[str, float] = {}

    def none() -> bool:
        left.clear()
        left.update(held(gateway))
        return not left

    try:
        eventually(none, within=within)
    except AssertionError:
        raise AssertionError(f"still held after {within:g} s: {left}") from None
    log = gateway.log()
    assert "Traceback" not in log, log


def refused(gateway: Gateway, reason: str, listener: str = "settlement") -> float:
    return gateway.metric(f'settlegate_refusals_total{{listener="{listener}",reason="{reason}"}}')


def descriptors(gateway: Gateway) -> int:
    """Open in all workers."""
    return sum(psutil.Process(pid).num_fds() for pid in gateway.workers())


def reset(client: Client) -> None:
    """End with a reset, as a client does whose machine was switched off and on."""
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sock.close()


def strict(gateway: Gateway) -> Client:
    """A client that tells a cut connection (OSError) from one that was ended by close_notify."""
    raw = socket.create_connection(("127.0.0.1", gateway.port()), timeout=20)
    context = gateway.context(gateway.world.hospital)
    return Client(context.wrap_socket(raw, server_hostname="127.0.0.1", suppress_ragged_eofs=False))


def until_it_closes(call: Call) -> None:
    """A node that says nothing more until the gateway ends the connection."""
    call.sock.recv(1)
    call.close()
