"""From a configuration file to a `Bundle`: everything read once, by the supervisor, before anybody acts on it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.snapshot import Bundle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.config import GatewayConfig, ListenerConfig
    from gateway.slots import Slots

STOCK: Final = 64
"""Blank TLS contexts made before the first fork, 39 KiB each: one per listener and night."""


class BundleError(Exception):
    """A file or name the configuration needs is not there; one problem per argument."""


def for_workers(config: GatewayConfig) -> GatewayConfig:
    """Without what only `control` may know: SNMP, mail and SMS secrets."""
    pools = {name: pool.model_copy(update={"checks": ()}) for name, pool in config.pools.items()}
    return config.model_copy(update={"pools": pools, "alerts": type(config.alerts)()})


def bundle(config: GatewayConfig, generation: int, slots: Slots, bases: dict[str, int]) -> Bundle:
    """Reads every file and resolves every name. Raises BundleError with all problems."""
    problems: list[str] = []
    files = dict(_read(config, problems))
    endpoints = dict(_resolve(config, problems))
    if problems:
        raise BundleError(*problems)
    return Bundle(generation, for_workers(config), files, slots, bases, endpoints)


def tls_files(listener: ListenerConfig) -> Iterator[tuple[Path, bool]]:
    """Every file of a listener, and whether it can be done without: a list that cannot be read never stops a start."""
    trust = listener.trust
    for path in (listener.certificate, listener.key, *trust.anchors, *trust.intermediates):
        yield path, False
    for path in trust.crls:
        yield path, True


def _read(config: GatewayConfig, problems: list[str]) -> Iterator[tuple[str, bytes]]:
    for name, listener in config.listeners.items():
        for path, optional in tls_files(listener):
            try:
                yield str(path), path.read_bytes()
            except OSError as error:
                if not optional:
                    problems.append(f"listeners.{name}: {path}: {error.strerror}")


def _resolve(config: GatewayConfig, problems: list[str]) -> Iterator[tuple[str, tuple[str, int]]]:
    for name, pool in config.pools.items():
        for node in pool.nodes:
            host, port = node.address
            try:
                found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except OSError as error:
                problems.append(f"pools.{name}.nodes: {node.address}: {error.strerror}")
                continue
            yield str(node.address), (str(found[0][4][0]), port)


def choose_bases(
    config: GatewayConfig, previous: Bundle | None, used: int, *, rotate: bool
) -> tuple[dict[str, int], int]:
    """Listener → index into the stock, and how many of the stock are used then.

    A base keeps its ticket keys and its settings for good; new settings, or a rotation of the keys, take a blank one.
    """
    bases: dict[str, int] = {}
    for name, listener in config.listeners.items():
        before = previous.config.listeners.get(name) if previous is not None else None
        if previous is not None and before is not None and not rotate and _settings(before) == _settings(listener):
            bases[name] = previous.bases[name]
        else:
            bases[name] = used
            used += 1
    return bases, used


def _settings(listener: ListenerConfig) -> tuple[object, ...]:
    return listener.minimum_tls, listener.refusal, listener.resumption
