"""What must hold between the sections of one configuration, and what is merely odd. No file is opened here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from settings.addresses import Address, ip_address
from settings.errors import RuleError
from settings.wording import nearest

if TYPE_CHECKING:
    from gateway.config import GatewayConfig, RouteConfig


def broken_rules(config: GatewayConfig) -> list[RuleError]:
    """Everything that makes the configuration unusable although each section is fine."""
    return [*_sections(config), *_names(config), *_addresses(config), *_pins(config)]


def _sections(config: GatewayConfig) -> Iterator[RuleError]:
    for section in ("listeners", "pools"):
        if not getattr(config, section):
            yield RuleError("missing; at least one is wanted", section)


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    meant = nearest(name, known)
    return f"there is no such {kind}" + (f'; did you mean "{meant}"?' if meant else "")


def _names(config: GatewayConfig) -> Iterator[RuleError]:
    routes: set[str] = set()
    for index, route in enumerate(config.routes):
        if route.name in routes:
            yield RuleError("an earlier route has this name", "routes", index, "name")
        routes.add(route.name)
        if route.pool not in config.pools:
            message = _unknown("pool", route.pool, config.pools)
            yield RuleError(message, "routes", index, "pool", uses=(("pools", route.pool),))
        if route.listener is not None and route.listener not in config.listeners:
            message = _unknown("listener", route.listener, config.listeners)
            yield RuleError(message, "routes", index, "listener", uses=(("listeners", route.listener),))
    for key, institution in config.institutions.items():
        for index, name in enumerate(institution.routes or ()):
            if name not in routes:
                message = _unknown("route", name, routes)
                yield RuleError(message, "institutions", key, "routes", index, uses=(("routes",),))


class _Bound(NamedTuple):
    address: Address
    place: tuple[str | int, ...]
    title: str


def _addresses(config: GatewayConfig) -> Iterator[RuleError]:
    bound = [
        _Bound(address, ("listeners", name, "bind", index), f"listeners.{name}")
        for name, listener in config.listeners.items()
        for index, address in enumerate(listener.bind)
    ]
    # Listening sockets share their port with the other workers' (SO_REUSEPORT): the kernel would not object.
    bound.append(_Bound(config.admin.bind, ("admin", "bind"), "admin"))
    for number, one in enumerate(bound):
        for other in bound[:number]:
            if _overlap(one.address, other.address):
                yield RuleError(f"{other.title} listens on {other.address} already", *one.place, uses=(other.place,))
                break
    for pool, settings in config.pools.items():
        for index, node in enumerate(settings.nodes):
            for own in bound:
                if _reaches(node.address, own.address):
                    message = f"that is this gateway itself: {own.title} listens on {own.address}"
                    yield RuleError(message, "pools", pool, "nodes", index, "address", uses=(own.place,))
                    break


def _overlap(one: Address, other: Address) -> bool:
    """IPv6 sockets are opened for IPv6 alone, so `[::]` does not take the IPv4 port."""
    first, second = ip_address(one.host), ip_address(other.host)
    if one.port != other.port or not one.port or first is None or second is None:
        return False
    return first.version == second.version and (first == second or first.is_unspecified or second.is_unspecified)


def _reaches(node: Address, own: Address) -> bool:
    """A node on another host may well have the port that we listen on everywhere."""
    if node.port != own.port:
        return False
    there, here = ip_address("127.0.0.1" if node.host == "localhost" else node.host), ip_address(own.host)
    if there is None or here is None or there.version != here.version:
        return False
    return there == here or (here.is_unspecified and there.is_loopback)


def _pins(config: GatewayConfig) -> Iterator[RuleError]:
    """A key that opens two doors makes it unclear whose it is."""
    owners: dict[str, str] = {}
    for key, institution in config.institutions.items():
        for index, pin in enumerate(institution.keys):
            owner = owners.setdefault(pin, key)
            if owner != key:
                message = f"institutions.{owner} has this key already"
                yield RuleError(message, "institutions", key, "keys", index)
            elif pin in institution.keys[:index]:
                yield RuleError("written twice", "institutions", key, "keys", index)


class Oddity(NamedTuple):
    """Legal, and probably not what was meant."""

    place: tuple[str | int, ...]
    message: str


def oddities(config: GatewayConfig) -> Iterator[Oddity]:
    """Worth a notice; `settlegate check` prints them."""
    for index, route in enumerate(config.routes):
        earlier = next((other for other in config.routes[:index] if _shadows(other, route)), None)
        if earlier is not None:
            yield Oddity(("routes", index), f"never matches: route {earlier.name} before it takes everything")
    if not config.routes:
        yield Oddity(("routes",), "there is no route: every request is answered 404")
    used = {route.pool for route in config.routes}
    for pool in config.pools:
        if pool not in used:
            yield Oddity(("pools", pool), "no route leads to this pool")
    admits = any(listener.trust.unlisted == "admit" for listener in config.listeners.values())
    if not admits and not any(institution.enabled for institution in config.institutions.values()):
        yield Oddity(("institutions",), "there is no enabled institution and unlisted is refuse: nobody may enter")
    for name, listener in config.listeners.items():
        anchors, field = listener.trust.anchors, listener.trust.institution_id
        if len(anchors) > 1:
            what = (
                f"{len(anchors)} files of anchors: each of these authorities may name any institution; pin keys to tell"
            )
            yield Oddity(("listeners", name, "trust", "anchors"), what)
        for index, network in enumerate(listener.proxy_protocol.networks if listener.proxy_protocol else ()):
            if network.prefixlen == 0:
                what = "everybody: whoever reaches this listener may announce any client address"
                yield Oddity(("listeners", name, "proxy_protocol", "from", index), what)
        if field == "fingerprint" and listener.trust.unlisted == "admit":
            what = "with unlisted: admit an altered signature makes a new identity of the same certificate"
            yield Oddity(("listeners", name, "trust", "institution_id"), what)
    for key, institution in config.institutions.items():
        if institution.routes == ():
            yield Oddity(("institutions", key, "routes"), "an empty list: it may use no route at all")
    sent = {channel for route in config.alerts.routes for channel in route.send}
    for channel in config.alerts.channels:
        if channel not in sent:
            yield Oddity(("alerts", "channels", channel), "no alert is sent here")


def _shadows(earlier: RouteConfig, later: RouteConfig) -> bool:
    if earlier.listener is not None and earlier.listener != later.listener:
        return False
    if earlier.host is not None and (later.host is None or earlier.host.lower() != later.host.lower()):
        return False
    prefix = earlier.path
    return later.path == prefix or later.path.startswith(prefix if prefix.endswith("/") else prefix + "/")
