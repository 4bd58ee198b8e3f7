"""Rules between sections."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import load_gateway
from gateway.config_rules import oddities
from settings.errors import ConfigError

LISTENER = "certificate: a.pem, key: a.key, trust: {anchors: [ca.pem]}"
REST = "pools: {clinic: {nodes: [{address: 127.0.0.1:18101}]}}\nroutes: [{name: all, pool: clinic}]\n"


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "a.yaml"
    path.write_text(text)
    try:
        load_gateway(path)
    except ConfigError as error:
        return [f"{problem.path}: {problem.message}" for problem in error.problems]
    return []


def listeners(**binds: str) -> str:
    return "listeners:\n" + "".join(f"  {name}: {{bind: '{bind}', {LISTENER}}}\n" for name, bind in binds.items())


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("127.0.0.1:443", "127.0.0.1:443", True),
        ("127.0.0.1:443", "127.0.0.1:444", False),
        ("127.0.0.1:443", "127.0.0.2:443", False),
        ("0.0.0.0:443", "127.0.0.2:443", True),
        ("127.0.0.2:443", "0.0.0.0:443", True),
        ("[::]:443", "[::1]:443", True),
        ("[::]:443", "0.0.0.0:443", False),
        ("[::1]:443", "[0::1]:443", True),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_clashes_of_addresses(tmp_path: Path, one: str, other: str, clash: bool) -> None:
    found = problems(tmp_path, listeners(one=one, other=other) + REST)
    assert [line.partition(":")[0] for line in found] == (["listeners.other.bind"] if clash else [])


def test_the_admin_address_is_one_of_them(tmp_path: Path) -> None:
    found = problems(tmp_path, listeners(one="0.0.0.0:19901") + REST)
    assert found == ["admin.bind: 127.0.0.1:19901 (default), but listeners.one listens on 0.0.0.0:19901 already"]


@pytest.mark.parametrize(
    ("bind", "node", "loop"),
    [
        ("127.0.0.1:443", "127.0.0.1:443", True),
        ("0.0.0.0:443", "127.0.0.1:443", True),
        ("0.0.0.0:443", "localhost:443", True),
        ("0.0.0.0:443", "192.0.2.1:443", False),
        ("192.0.2.9:443", "192.0.2.1:443", False),
        ("0.0.0.0:443", "node.example:443", False),
        ("[::]:443", "127.0.0.1:443", False),
        ("127.0.0.1:443", "127.0.0.1:19901", True),
    ],
)
def test_a_node_is_not_this_gateway(tmp_path: Path, bind: str, node: str, loop: bool) -> None:
    found = problems(tmp_path, listeners(one=bind) + REST.replace("127.0.0.1:18101", f"'{node}'"))
    assert bool(found) is loop
    assert all("that is this gateway itself" in line for line in found)


def test_everything_named_exists(tmp_path: Path) -> None:
    text = listeners(one="127.0.0.1:0") + REST.replace("pool: clinic", "pool: other, listener: two")
    assert problems(tmp_path, text + "institutions: {A: {routes: [none, all]}}\n") == [
        "routes[0].pool: other, but there is no such pool",
        "routes[0].listener: two, but there is no such listener",
        "institutions.A.routes[0]: none, but there is no such route",
    ]


def test_a_key_belongs_to_one_institution(tmp_path: Path) -> None:
    pin = "sha256:" + "0" * 64
    text = (
        listeners(one="127.0.0.1:0") + REST + f"institutions: {{A: {{keys: [{pin}]}}, B: {{keys: [{pin}, {pin}]}}}}\n"
    )
    found = problems(tmp_path, text)
    assert [line.partition(":")[0] for line in found] == ["institutions.B.keys[0]", "institutions.B.keys[1]"]


def odd(folder: Path, text: str) -> list[str]:
    path = folder / "a.yaml"
    path.write_text(listeners(one="127.0.0.1:0", two="127.0.0.2:0") + text)
    return [oddity.message for oddity in oddities(load_gateway(path))]


SHADOWED = "pools: {clinic: {nodes: [{address: 127.0.0.1:18101}]}}\ninstitutions: {A: {}}\nroutes:\n"


@pytest.mark.parametrize(
    ("earlier", "later", "shadowed"),
    [
        ("path: /", "path: /claims", True),
        ("path: /claims", "path: /claims", True),
        ("path: /claims", "path: /claims/x", True),
        ("path: /claims", "path: /claimsx", False),
        ("path: /claims/", "path: /", False),
        ("listener: one", "path: /", False),
        ("listener: one", "listener: one", True),
        ("listener: one", "listener: two", False),
        ("path: /", "listener: two", True),
        ("host: a.example", "path: /", False),
        ("host: a.example", "host: A.Example", True),
        ("host: a.example", "host: b.example", False),
    ],
)
def test_routes_that_never_match(tmp_path: Path, earlier: str, later: str, shadowed: bool) -> None:
    text = f"  - {{name: first, pool: clinic, {earlier}}}\n  - {{name: second, pool: clinic, {later}}}\n"
    expected = ["never matches: route first before it takes everything"] if shadowed else []
    assert odd(tmp_path, SHADOWED + text) == expected


def test_what_leads_nowhere(tmp_path: Path) -> None:
    text = "pools: {clinic: {nodes: [{address: 127.0.0.1:18101}]}}\n"
    text += "institutions: {A: {enabled: false}, B: {enabled: false, routes: []}}\n"
    channel = "alerts: {channels: {duty: {sms: {http: {url: 'http://127.0.0.1/'}, to: ['13800000000']}}}}\n"
    assert odd(tmp_path, text + channel) == [
        "there is no route: every request is answered 404",
        "no route leads to this pool",
        "there is no enabled institution and unlisted is refuse: nobody may enter",
        "an empty list: it may use no route at all",
        "no alert is sent here",
    ]


def test_balancers_that_may_be_anybody_are_odd(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    text = listeners(one="127.0.0.1:443").replace(
        "certificate", "proxy_protocol: {from: [10.0.0.0/8, '::/0']}, certificate"
    )
    path.write_text(text + REST + "institutions: {H1: {}}\n")
    found = [(oddity.place, oddity.message) for oddity in oddities(load_gateway(path))]
    assert found == [
        (
            ("listeners", "one", "proxy_protocol", "from", 1),
            "everybody: whoever reaches this listener may announce any client address",
        )
    ]
