"""The admin API over HTTP: metrics, health, pools, draining, reload, status page.

Reached from the gateway's own host only, but a browser runs there too: a page from anywhere may send requests to
loopback addresses. So nothing is changed for a request that another site caused, and nothing is answered to a
name that is not this host's (DNS rebinding makes a foreign name lead here, and the page may then read the answer).
"""

from __future__ import annotations

import asyncio
import difflib
import ipaddress
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from monitoring import status_page
from monitoring.centre import ACTIONS, AdminAction, Centre, ReloadUnderWayError, UnknownNodeError, UnknownPoolError
from monitoring.exposition import CONTENT_TYPE as METRICS_TYPE

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOG = logging.getLogger("settlegate.admin")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": status_page.POLICY,
}


def build(centre: Centre, versions: Mapping[str, str] | None = None) -> web.Application:
    """The application; `versions` is what /api/v1/version tells."""
    api = _Api(centre, dict(versions or {}))
    app = web.Application(middlewares=[_guard])
    app.add_routes(
        [
            web.get("/", api.status),
            web.get("/metrics", api.metrics),
            web.get("/metrics/institutions", api.institutions_metrics),
            web.get("/healthz", api.healthz),
            web.get("/readyz", api.readyz),
            web.get("/api/v1/pools", api.pools),
            web.get("/api/v1/version", api.version),
            web.post("/api/v1/reload", api.reload),
            *(web.post(f"/api/v1/pools/{{pool}}/nodes/{{address}}/{action}", api.setter(action)) for action in ACTIONS),
        ]
    )
    return app


async def serve(app: web.Application, sock: socket.socket) -> web.AppRunner:
    """Answer on a socket that listens already. The caller ends it with the runner's `cleanup()`."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, sock).start()
    return runner


class _Api:
    """The handlers: each asks the centre and says the answer."""

    def __init__(self, centre: Centre, versions: Mapping[str, str]) -> None:
        self._centre = centre
        self._versions = versions

    async def status(self, request: web.Request) -> web.Response:
        ready, sentence = self._centre.ready()
        page = status_page.page(self._centre.pools(), ready=ready, sentence=sentence, versions=self._versions)
        return web.Response(text=page, content_type="text/html", charset="utf-8")

    async def metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._centre.metrics_text(), headers={"Content-Type": METRICS_TYPE})

    async def institutions_metrics(self, request: web.Request) -> web.Response:
        # A fifth of a second for 2,000 institutions: too long for the loop that keeps the probes' time.
        text = await asyncio.to_thread(self._centre.institutions_metrics_text)
        return web.Response(body=text, headers={"Content-Type": METRICS_TYPE})

    async def healthz(self, request: web.Request) -> web.Response:
        alive = self._centre.alive()
        return web.Response(text="ok\n" if alive else "not alive\n", status=200 if alive else 503)

    async def readyz(self, request: web.Request) -> web.Response:
        ready, sentence = self._centre.ready()
        return web.Response(text=sentence + "\n", status=200 if ready else 503)

    async def pools(self, request: web.Request) -> web.Response:
        return _json(self._centre.pools())

    async def version(self, request: web.Request) -> web.Response:
        return _json(self._versions)

    async def reload(self, request: web.Request) -> web.Response:
        try:
            result = await self._centre.reload()
        except ReloadUnderWayError:
            return problem(409, "reload_under_way", "another reload has not ended yet; ask again in a moment")
        if result.ok:
            return _json({"ok": True, "generation": result.generation, "notices": result.notices})
        detail = f"{_counted(result.problems)} found; generation {result.generation} stays in force"
        return problem(
            422, "configuration_refused", detail, generation=result.generation, problems=list(result.problems)
        )

    def setter(self, action: AdminAction) -> Handler:
        """The handler of one action: which ones exist is said once, in ACTIONS."""

        async def set_admin(request: web.Request) -> web.StreamResponse:
            pool, address = request.match_info["pool"], request.match_info["address"]
            try:
                view = await self._centre.set_admin(pool, address, action)
            except UnknownPoolError:
                return _unknown("pool", pool, self._centre.pools())
            except UnknownNodeError:
                nodes = self._centre.pools().get(pool, {"nodes": {}})["nodes"]
                return _unknown("node", address, nodes, f" of pool {pool}")
            _LOG.info("admin: node %s of pool %s set to %s", address, pool, action)
            return _json(view)

        return set_admin


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every answer passes here: what is refused before the handler, and how errors are told."""
    try:
        refusal = _refusal(request)
        response = await handler(request) if refusal is None else refusal
    except web.HTTPException as error:
        response = _told(request, error)
    except Exception:  # noqa: BLE001 - whatever it is, the caller gets a document and the log the traceback
        _LOG.exception("admin: %s %s failed", request.method, request.path)
        response = problem(500, "internal", "the request failed inside the gateway; its log says why")
    response.headers.update(_HEADERS)
    return response


def _refusal(request: web.Request) -> web.Response | None:
    """Why the request must not reach its handler, else None."""
    host = request.headers.get("Host", "")
    # Without Host no browser is behind it (HTTP/1.0 health checkers leave it out).
    if host and not is_own_host(host):
        detail = "ask by IP address or as localhost: other names are refused, because a web page can choose them"
        return problem(403, "host_refused", detail)
    if request.method in _SAFE_METHODS:
        return None
    site = request.headers.get("Sec-Fetch-Site", "none")
    origin = request.headers.get("Origin")
    if site not in {"same-origin", "none"} or (origin is not None and origin != f"{request.scheme}://{host}"):
        return problem(403, "cross_site", "a web page of another site caused this request")
    return None


def is_own_host(host: str) -> bool:
    """A Host field value that DNS has no say in: an IP literal or localhost, with or without a port."""
    name, colon, port = host.rpartition(":")
    if not colon or not port.isascii() or not (port.isdigit() or port == ""):
        name = host
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    if name.lower() == "localhost":
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def problem(status: int, reason: str, detail: str, **more: object) -> web.Response:
    """A problem document (RFC 9457); `reason` is the word programs look at."""
    title = HTTPStatus(status).phrase
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, "reason": reason, **more}
    return web.Response(text=_dump(document), status=status, content_type="application/problem+json")


def _told(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    """aiohttp's own refusals as problem documents; its Allow field is kept."""
    if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = error.headers.get("Allow", "")
        response = problem(405, "method_not_allowed", f"{request.method} is not offered here; offered: {allowed}")
        response.headers["Allow"] = allowed
        return response
    if error.status == HTTPStatus.NOT_FOUND:
        return problem(404, "no_such_page", "nothing is here; see /, /metrics, /healthz, /readyz, /api/v1/pools")
    if error.status >= HTTPStatus.BAD_REQUEST:
        return problem(error.status, "bad_request", error.reason)
    raise error


def _unknown(what: str, name: str, known: Iterable[str], where: str = "") -> web.Response:
    names = list(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f'; did you mean "{nearest[0]}"?' if nearest else ""
    if not names:
        there = f"there are no {what}s{where}"
    else:
        there = f"known {what}s{where}: " + ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    detail = f'no {what} "{name[:200]}"{where}{hint or "; " + there}'
    more: dict[str, object] = {"known": names[:20]}
    if nearest:
        more["nearest"] = nearest[0]
    return problem(404, f"unknown_{what}", detail, **more)


def _counted(problems: tuple[str, ...]) -> str:
    return "1 problem" if len(problems) == 1 else f"{len(problems)} problems"


def _json(value: object) -> web.Response:
    return web.Response(text=_dump(value), content_type="application/json")


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain) + "\n"


def _plain(value: object) -> object:
    """Read-only mappings and other containers of the centre's."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(f"not fit for JSON: {type(value).__name__}")
