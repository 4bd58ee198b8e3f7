from __future__ import annotations

from typing import Any

import pytest

from healthcheck.config import SnmpCheck
from healthcheck.probes.snmp_agent import Agent, Community, User, agent_of
from healthcheck.target import Target
from settings.types import Secret

NODE = Target("node", "192.0.2.7", 80)


def v3(**changes: Any) -> SnmpCheck:
    keys = {"user": "gate", "auth": {"sha": "maplesyrup"}, "privacy": {"aes128": "maplesyrup"}}
    return SnmpCheck(version="3", **(keys | changes))


def test_keys_are_those_of_rfc_3414() -> None:
    """A.3.2: the key of "maplesyrup" with SHA before it is localised."""
    user = agent_of(NODE, v3()).credential
    assert isinstance(user, User)
    assert user.auth_key.hex() == "9fb5cc0381497b3793528939ff788d5d79145211"
    assert user.privacy_key == user.auth_key, "derived with the hash of the authentication protocol"


@pytest.mark.parametrize(("auth", "length"), [("sha256", 32), ("sha384", 48), ("sha512", 64)])
def test_longer_hashes_give_longer_keys(auth: str, length: int) -> None:
    user = agent_of(NODE, v3(auth={auth: "maplesyrup"})).credential
    assert isinstance(user, User)
    assert len(user.auth_key) == length


def test_where_the_agent_is() -> None:
    check = SnmpCheck(community="public", port=1161)
    assert agent_of(NODE, check) == Agent("192.0.2.7", 1161, Community(Secret("public")))
    elsewhere = Target("node", "192.0.2.7", 80, snmp=("192.0.2.9", 161))
    assert agent_of(elsewhere, check) == Agent("192.0.2.9", 161, Community(Secret("public")))


def test_secrets_do_not_print() -> None:
    for check in (v3(), SnmpCheck(community="s3cret-community")):
        agent = agent_of(NODE, check)
        assert "maple" not in repr(agent)
        assert "s3cret" not in repr(agent)
        assert "9fb5cc" not in repr(agent)


def test_equal_credentials_are_equal_agents() -> None:
    assert agent_of(NODE, v3()) == agent_of(NODE, v3())
    assert hash(agent_of(NODE, v3())) == hash(agent_of(NODE, v3()))
    assert agent_of(NODE, v3()) != agent_of(NODE, v3(auth={"sha": "another phrase"}))


def test_a_check_without_credentials_is_refused() -> None:
    check = SnmpCheck(community="public").model_copy(update={"community": None})
    with pytest.raises(ValueError, match="a community or a user"):
        agent_of(NODE, check)
