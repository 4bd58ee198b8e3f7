"""Which pool an exchange goes to: the first route, in the order of the file, that fits listener, host and path.

Knows nothing of institutions: whether this one may use the route found is decided by admission.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol
from urllib.parse import unquote_to_bytes

REMEMBERED: Final = 4096
LONGEST_REMEMBERED: Final = 512
"""Most requests ask for a path that was asked for before; 2 MiB at the most, whatever is sent."""

_UNUSUAL = re.compile(rb"[%;]|//")
_PARAMETERS = re.compile(rb";[^/]*")
_DECODINGS = 3
"""As many as `http1.target` looks through for dot segments."""
_SLASHES = re.compile(rb"/{2,}")


class RouteRule(Protocol):
    """What a route's configuration offers; RouteConfig fits."""

    @property
    def name(self) -> str: ...
    @property
    def pool(self) -> str: ...
    @property
    def listener(self) -> str | None: ...
    @property
    def host(self) -> str | None: ...
    @property
    def path(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Route:
    name: str
    pool: str
    listener: str | None = None
    """None: every listener."""
    host: str | None = None
    """None: every host."""
    path: str = "/"
    """A prefix. Without a slash at its end it matches whole segments only: `/claims`, `/claims/x`, never
    `/claimsx`."""


class _Matcher(NamedTuple):
    host: bytes | None
    prefix: bytes
    exact: bytes | None
    """The one path that fits although it lacks the prefix's last slash."""
    route: Route


class Router:
    """Immutable; one per snapshot."""

    __slots__ = ("_anywhere", "_by_listener", "_found")

    def __init__(self, routes: Iterable[RouteRule]) -> None:
        own = [Route(rule.name, rule.pool, rule.listener, rule.host, rule.path) for rule in routes]
        listeners = {route.listener for route in own if route.listener is not None}
        self._anywhere = _matchers(own, None)
        self._by_listener = {listener: _matchers(own, listener) for listener in listeners}
        self._found: dict[tuple[str, bytes, bytes], Route | None] = {}

    def find(self, listener: str, host: bytes, path: bytes) -> Route | None:
        """`host` and `path` as in RequestHead; None also where readers could disagree about the path."""
        key = (listener, host, path)
        try:
            return self._found[key]
        except KeyError:
            route = self._search(listener, host, path)
        if len(path) <= LONGEST_REMEMBERED:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            self._found[key] = route
        return route

    def _search(self, listener: str, host: bytes, path: bytes) -> Route | None:
        matchers = self._by_listener.get(listener, self._anywhere)
        name = bare_host(host)
        if not _UNUSUAL.search(path):
            return _first(matchers, name, path)
        found = [_first(matchers, name, _SLASHES.sub(b"/", reading)) for reading in _readings(path)]
        return found[0] if all(route is found[0] for route in found) else None


def _readings(path: bytes) -> list[bytes]:
    """What nodes may make of it; all must lead to the same route.

    One cuts matrix parameters before it decodes and another one after: `/;a%2Fclaims` is `/` or `/claims`. And behind
    a node there may be one that decodes again what it is given: `/%2563laims`.
    """
    readings = []
    whole, cut = path, _PARAMETERS.sub(b"", path)
    for _ in range(_DECODINGS):
        whole, cut = unquote_to_bytes(whole), unquote_to_bytes(cut)
        readings += [_PARAMETERS.sub(b"", whole), cut]
        if b"%" not in whole:
            break
    return readings


def bare_host(host: bytes) -> bytes:
    """Lower case, without port and without the dot that ends a fully qualified name."""
    if host.startswith(b"["):
        return host.partition(b"]")[0].lower() + b"]"
    return host.partition(b":")[0].removesuffix(b".").lower()


def _matchers(routes: Iterable[Route], listener: str | None) -> tuple[_Matcher, ...]:
    return tuple(_matcher(route) for route in routes if route.listener in (None, listener))


def _matcher(route: Route) -> _Matcher:
    host = None if route.host is None else bare_host(route.host.encode("idna" if _foreign(route.host) else "ascii"))
    path = _SLASHES.sub(b"/", unquote_to_bytes(route.path))
    if path.endswith(b"/"):
        return _Matcher(host, path, None, route)
    return _Matcher(host, path + b"/", path, route)


def _foreign(host: str) -> bool:
    return not host.isascii()


def _first(matchers: tuple[_Matcher, ...], host: bytes, path: bytes) -> Route | None:
    for matcher in matchers:
        if (path.startswith(matcher.prefix) or path == matcher.exact) and matcher.host in (None, host):
            return matcher.route
    # `OPTIONS *` concerns the host as a whole, and so only a route that does, too.
    return _first(matchers, host, b"/") if path == b"*" else None
