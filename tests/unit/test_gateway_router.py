from __future__ import annotations

import pytest

from gateway.router import Route, Router, bare_host

CLAIMS = Route("claims", "settlement", listener="settlement", path="/claims/")
ADMIN = Route("admin", "office", path="/admin")
CATALOGUE = Route("catalogue", "catalogue", host="Catalogue.example")
REST = Route("rest", "rest", listener="settlement")
ROUTER = Router([CLAIMS, ADMIN, CATALOGUE, REST])


@pytest.mark.parametrize(
    ("path", "route"),
    [
        (b"/claims/", CLAIMS),
        (b"/claims/1", CLAIMS),
        (b"/claims", REST),
        (b"/claimsx/", REST),
        (b"/Claims/", REST),
        (b"/admin", ADMIN),
        (b"/admin/", ADMIN),
        (b"/admin/x", ADMIN),
        (b"/adminx", REST),
        (b"/", REST),
        (b"*", REST),
        (b"//claims//1", CLAIMS),
        (b"/%63laims/1", CLAIMS),
        (b"/claims%2F1", CLAIMS),
        (b"/claims;x=y/1", CLAIMS),
        (b"/;x/claims/1", CLAIMS),
        (b"/admin;x", ADMIN),
        (b"/%61dmin;x", ADMIN),
        (b"/x;/claims/", REST),
        (b"/x%20y/claims/", REST),
    ],
    ids=repr,
)
def test_paths(path: bytes, route: Route) -> None:
    assert ROUTER.find("settlement", b"h.example", path) == route


@pytest.mark.parametrize("path", [b"/;a%2Fadmin/x", b"/;%2fclaims/1", b"/admin%3b/../x;a%2fb"], ids=repr)
def test_readers_agree_or_there_is_no_route(path: bytes) -> None:
    """Cut before decoding or after it: if that makes another route, nobody is sent anywhere."""
    first = ROUTER.find("settlement", b"h", path)
    assert first is None or first is ADMIN


@pytest.mark.parametrize(
    "path", [b"/%2561dmin/x", b"/%252561dmin/x", b"/%252Fadmin", b"/;x%252Fadmin/x", b"/admi%256E"], ids=repr
)
def test_a_node_that_decodes_again_reaches_no_other_route(path: bytes) -> None:
    assert ROUTER.find("settlement", b"h", path) is None


@pytest.mark.parametrize("path", [b"/admin/100%25", b"/admin/%2541", b"/admin/a%252Fb;c"], ids=repr)
def test_what_stays_in_its_route_may_be_decoded_as_often_as_a_node_likes(path: bytes) -> None:
    assert ROUTER.find("settlement", b"h", path) == ADMIN


def test_a_disputed_path_has_no_route() -> None:
    assert ROUTER.find("settlement", b"h", b"/;a%2Fadmin/x") is None


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (b"catalogue.example", True),
        (b"CATALOGUE.EXAMPLE:8443", True),
        (b"catalogue.example.", True),
        (b"catalogue.example.:443", True),
        (b"xcatalogue.example", False),
        (b"catalogue.example.evil", False),
        (b"", False),
    ],
)
def test_hosts(host: bytes, found: bool) -> None:
    assert ROUTER.find("other", host, b"/") == (CATALOGUE if found else None)


def test_listeners() -> None:
    assert ROUTER.find("other", b"h", b"/claims/") is None
    assert ROUTER.find("other", b"h", b"/admin/") == ADMIN


def test_the_first_match_wins() -> None:
    wide, narrow = Route("wide", "a"), Route("narrow", "b", path="/claims/")
    assert Router([wide, narrow]).find("l", b"", b"/claims/") == wide
    assert Router([narrow, wide]).find("l", b"", b"/claims/") == narrow


def test_an_asterisk_needs_a_route_to_everything() -> None:
    assert Router([CLAIMS]).find("settlement", b"h", b"*") is None


def test_no_routes() -> None:
    assert Router([]).find("l", b"h", b"/") is None


def test_a_route_path_is_read_as_a_request_path_is() -> None:
    route = Route("r", "p", path="/%E7%90%86//赔")
    for path in ("/%E7%90%86/%E8%B5%94", "/%e7%90%86/%e8%b5%94/x"):
        assert Router([route]).find("l", b"h", path.encode()) == route


@pytest.mark.parametrize(
    ("host", "bare"),
    [(b"[::1]:443", b"[::1]"), (b"[FE80::1]", b"[fe80::1]"), (b"1.2.3.4:5", b"1.2.3.4"), (b"A.b.", b"a.b")],
)
def test_bare_hosts(host: bytes, bare: bytes) -> None:
    assert bare_host(host) == bare


def test_an_address_as_a_host() -> None:
    route = Route("r", "p", host="[::1]")
    assert Router([route]).find("l", b"[::1]:8443", b"/") == route
