"""When what is configured will expire: the earliest date of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from certs.authority import Authority, crl_pem
from certs.config import UpstreamTLSConfig
from certs.trust import Trust
from gateway.dates import dates

NOW = datetime.now(UTC).replace(microsecond=0)


def later(days: float) -> datetime:
    return NOW + timedelta(days=days)


def found(files: dict[str, bytes], **trust: tuple[str, ...]) -> dict[str, dict[str, float]]:
    values = SimpleNamespace(
        anchors=(Path("ca"),),
        intermediates=tuple(map(Path, trust.get("intermediates", ()))),
        crls=tuple(map(Path, trust.get("crls", ()))),
        stale_crl="warn",
    )
    config: Any = SimpleNamespace(listeners={"one": SimpleNamespace(certificate=Path("gateway"), trust=values)})
    return dates(config, files, {"one": Trust.build(values, files)})


def world() -> tuple[Authority, dict[str, bytes]]:
    authority = Authority.create("CA", not_after=later(300))
    gateway = authority.issue("gateway", usage="server", not_after=later(90))
    return authority, {"ca": authority.pem, "gateway": gateway.pem}


def test_certificates_have_the_end_of_the_shortest_in_their_file() -> None:
    authority, files = world()
    shorter = authority.issue("other", usage="server", not_after=later(10))
    files["gateway"] += shorter.pem
    ends = found(files)["certificates"]
    assert ends == {"ca": later(300).timestamp(), "gateway": later(10).timestamp()}


def test_what_is_no_certificate_has_no_date() -> None:
    _, files = world()
    files["gateway"] = b"nonsense"
    assert set(found(files)["certificates"]) == {"ca"}


def test_of_several_lists_the_newest_counts() -> None:
    authority, files = world()
    files["old"] = crl_pem(authority.crl([], last_update=later(-9), next_update=later(-1)))
    files["new"] = crl_pem(authority.crl([], last_update=later(-2), next_update=later(5)))
    (end,) = found(files, crls=("new", "old"))["crls"].values()
    assert end == later(5).timestamp()


def test_lists_in_one_file_are_all_seen() -> None:
    authority, files = world()
    other = authority.intermediate("Issuing CA")
    files["sub"] = other.pem
    files["lists"] = b"".join(
        crl_pem(issuer.crl([], last_update=later(-1), next_update=later(days)))
        for days, issuer in ((5, authority), (7, other))
    )
    ends = found(files, crls=("lists",), intermediates=("sub",))["crls"]
    assert sorted(ends.values()) == [later(5).timestamp(), later(7).timestamp()]


def test_a_listener_whose_trust_was_not_built_has_no_lists() -> None:
    _, files = world()
    assert found(files)["crls"] == {}


def test_nodes_certificates_and_ours_for_them_have_dates() -> None:
    authority, files = world()
    files["ours"] = authority.issue("gateway", not_after=later(40)).pem
    files["check"] = authority.issue("check", not_after=later(20)).pem
    files["list"] = crl_pem(authority.crl([], last_update=later(-1), next_update=later(3)))
    upstream = UpstreamTLSConfig(
        anchors=(Path("ca"),),
        crls=(Path("list"),),
        certificate=Path("ours"),
        key=Path("k"),
        check_certificate=Path("check"),
        check_key=Path("k"),
    )
    pools = {"claims": SimpleNamespace(upstream_tls=upstream), "plain": SimpleNamespace(upstream_tls=None)}
    config: Any = SimpleNamespace(listeners={}, pools=pools)
    ends = dates(config, files, {}, {"claims": Trust.build(upstream, files)})
    assert ends == {
        "certificates": {
            "ca": later(300).timestamp(),
            "ours": later(40).timestamp(),
            "check": later(20).timestamp(),
        },
        "crls": {"CN=CA": later(3).timestamp()},
    }
