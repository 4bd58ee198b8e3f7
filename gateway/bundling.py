"""From configuration files to what the processes run: everything read once, before anybody acts on it.

`reading` runs this in a process of its own. What comes of it is in two parts, because nobody gets what he does not
need: a `Reading` for the supervisor and the workers, and the whole configuration, with the secrets of SNMP, mail and
SMS, for `control` alone.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from certs.contexts import Terminator, blank_stock
from certs.trust import Trust
from certs.upstream import NodeTLS, upstream_files
from gateway.dates import dates
from gateway.watching import stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gateway.config import GatewayConfig, ListenerConfig
    from gateway.dates import Dates
    from gateway.snapshot import Bundle
    from gateway.watching import Stamp

STOCK: Final = 64
"""Blank TLS contexts made before the first fork, 39 KiB each: one per listener and night."""


class BundleError(Exception):
    """A file or name the configuration needs is not there; one problem per argument."""


@dataclass(frozen=True)
class Reading:
    """What was found in the configuration and the files it names."""

    config: GatewayConfig
    """Without what only `control` may know."""
    files: Mapping[str, bytes] = field(repr=False)
    endpoints: Mapping[str, tuple[str, int]]
    dates: Dates
    stamps: Mapping[str, Stamp]
    """Of every file named, from before it was read: a change in between is seen later as one."""
    warnings: tuple[str, ...] = ()
    """What is worth a line in the log and stops nothing."""
    for_checks: tuple[str, ...] = ()
    """Those of `files` that health checks need to speak TLS to nodes."""


def for_workers(config: GatewayConfig) -> GatewayConfig:
    """Without what only `control` may know: SNMP, mail and SMS secrets."""
    pools = {name: pool.model_copy(update={"checks": ()}) for name, pool in config.pools.items()}
    return config.model_copy(update={"pools": pools, "alerts": type(config.alerts)()})


def gather(config: GatewayConfig, known: Mapping[str, tuple[str, int]] | None, *, start: bool) -> Reading:
    """Reads every file, resolves every name, and tries what comes of it. Raises BundleError with all problems.

    `known`: addresses of nodes already resolved, when only files are to be read anew. `start`: nothing is in force
    yet that could be kept instead, so a revocation list that cannot be read only warns.
    """
    problems: list[str] = []
    warnings: list[str] = []
    named = [*_named(config)]
    stamps = {str(path): stamp(path) for _, path, _ in named}
    files = dict(_read(named, warnings if start else problems, problems))
    endpoints = known if known is not None else dict(_resolve(config, problems))
    trusts, node_trusts = {}, {}
    if not problems:
        doubts = warnings if start else problems
        trusts = dict(_tried(config, files, doubts, warnings, problems))
        node_trusts = dict(_tried_nodes(config, files, doubts, warnings, problems))
    if problems:
        raise BundleError(*dict.fromkeys(problems))
    ends = dates(config, files, trusts, node_trusts)
    return Reading(for_workers(config), files, endpoints, ends, stamps, (*warnings,), for_checks(config))


def tls_files(listener: ListenerConfig) -> tuple[Path, ...]:
    """Every file of a listener."""
    trust = listener.trust
    return (listener.certificate, listener.key, *trust.anchors, *trust.intermediates, *trust.crls)


def for_checks(config: GatewayConfig) -> tuple[str, ...]:
    """What health checks need: of pools that are checked over a connection, and nothing of the listeners."""
    sections = [
        pool.upstream_tls
        for pool in config.pools.values()
        if pool.upstream_tls is not None and any(check.snmp is None for check in pool.checks)
    ]
    files = [path for section in sections for path in upstream_files(section, for_checks=True)]
    return tuple(dict.fromkeys(map(str, files)))


def _named(config: GatewayConfig) -> Iterator[tuple[str, Path, bool]]:
    """(section, file, whether it is a revocation list) of every file."""
    for name, listener in config.listeners.items():
        for path in tls_files(listener):
            yield f"listeners.{name}", path, path in listener.trust.crls
    for name, pool in config.pools.items():
        section = pool.upstream_tls
        if section is not None:
            for path in dict.fromkeys((*upstream_files(section), *upstream_files(section, for_checks=True))):
                yield f"pools.{name}", path, path in section.crls


def _read(
    named: Iterable[tuple[str, Path, bool]], doubts: list[str], problems: list[str]
) -> Iterator[tuple[str, bytes]]:
    for section, path, is_list in named:
        try:
            yield str(path), path.read_bytes()
        except OSError as error:
            (doubts if is_list else problems).append(f"{section}: {path}: {error.strerror}")


def _tried(
    config: GatewayConfig, files: Mapping[str, bytes], doubts: list[str], warnings: list[str], problems: list[str]
) -> Iterator[tuple[str, Trust]]:
    """What each worker will build, built once here: what cannot be used is found out before anybody is asked."""
    for name, listener in config.listeners.items():
        try:
            trust = Trust.build(listener.trust, files)
            trial = Terminator(
                *blank_stock(1),
                listener=name,
                minimum_tls=listener.minimum_tls,
                explain=listener.refusal == "explain",
                resumption=listener.resumption.enabled,
                lifetime=listener.resumption.lifetime,
            )
            trial.prepare(files[str(listener.certificate)], files[str(listener.key)], trust)
        except ValueError as error:
            problems.append(f"listeners.{name}: {str(error).removeprefix(f'{name}: ')}")
            continue
        _doubt(f"listeners.{name}", trust, listener.trust.crls, files, doubts, warnings)
        yield name, trust


def _tried_nodes(
    config: GatewayConfig, files: Mapping[str, bytes], doubts: list[str], warnings: list[str], problems: list[str]
) -> Iterator[tuple[str, Trust]]:
    """The same for the nodes: workers and `control` will build of these files what is built here."""
    for name, pool in config.pools.items():
        section = pool.upstream_tls
        if section is None:
            continue
        try:
            for checks in (False, True):
                tls = NodeTLS.build(section, files, for_checks=checks)
                for node in pool.nodes:
                    tls.connect(str(node.address), node.address.host, None)
        except ValueError as error:
            problems.append(f"pools.{name}: {error}")
            continue
        _doubt(f"pools.{name}", tls.trust, section.crls, files, doubts, warnings)
        yield name, tls.trust


def _doubt(
    section: str,
    trust: Trust,
    lists: Sequence[Path],
    files: Mapping[str, bytes],
    doubts: list[str],
    warnings: list[str],
) -> None:
    read = {entry.source for entry in trust.revocations.lists}
    # A list gone bad would lock everybody out: rather keep the one in force.
    bad = [path for path in lists if str(path) in files and str(path) not in read]
    doubts.extend(f"{section}: {path}: no revocation list can be read from it" for path in bad)
    warnings.extend(f"{section}: {warning}" for warning in trust.warnings)


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
