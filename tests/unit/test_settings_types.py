"""What models accept, from a file and from code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from settings import types
from settings.types import Address, Matching, Model


class Everything(Model):
    duration: types.Duration = types.seconds(5)
    size: types.Size = 1024
    rate: types.Rate = 1.0
    byte_rate: types.ByteRate = 500
    percent: types.Percent = 0.5
    flag: types.Bool = False
    count: types.Int = 1
    weight: types.Number = 1.0
    node: types.NodeAddress = Address("127.0.0.1", 1)
    agent: types.AgentAddress = Address("127.0.0.1", 1)
    bind: types.BindAddress = Address("127.0.0.1", 0)
    server: types.ServerAddress = Address("mail.example", 25)
    file: types.FilePath = Path("x")
    name: types.Name = "a"
    path: types.RequestPath = "/"


def from_file(**values: Any) -> Everything:
    return Everything.model_validate(values, context={"folder": Path("/etc/settlegate")})


def test_written_forms_come_back() -> None:
    written = {
        "duration": "75s", "size": "2KiB", "rate": "10/m", "byte_rate": "500B/s", "percent": "40%", "flag": True,
        "count": 3, "weight": 2.0, "node": "[::1]:80", "agent": "[::1]:161", "bind": "0.0.0.0:0",
        "server": "mail.example:25", "file": "/etc/settlegate/pki/a.pem", "name": "H410300001", "path": "/claims/",
    }  # fmt: skip
    assert from_file(**written).model_dump(mode="json") == written


def test_defaults_come_back() -> None:
    assert from_file(**Everything().model_dump(mode="json")) == from_file(file="x").model_copy(
        update={"file": Path("/etc/settlegate/x")}
    )


def test_a_model_is_frozen_and_closed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Everything().count = 2  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        from_file(other=1)


@pytest.mark.parametrize(
    "values",
    [{"flag": "off"}, {"flag": 1}, {"flag": "true"}, {"count": True}, {"count": "2"}, {"count": 2.0}, {"weight": "2"},
     {"weight": True}, {"name": "a b"}, {"name": ""}, {"name": "x" * 65}, {"name": "a\n"}, {"path": "claims"},
     {"path": "/a b"}, {"file": ""}, {"file": "a\0b"}, {"file": 5}, {"name": 5}, {"node": "0.0.0.0:80"},
     {"agent": "node:161"}, {"bind": "node:80"}],
)  # fmt: skip
def test_nothing_is_guessed(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        from_file(**values)


def test_paths_are_relative_to_their_file() -> None:
    assert from_file(file="pki/a.pem").file == Path("/etc/settlegate/pki/a.pem")
    assert from_file(file="/abs/a.pem").file == Path("/abs/a.pem")
    assert Everything(file=Path("pki/a.pem")).file == Path("pki/a.pem")


def test_matching_says_what_it_wants_and_shows_in_the_schema() -> None:
    adapter: TypeAdapter[str] = TypeAdapter(Annotated[str, Matching(r"[0-9]+", "digits are wanted")])
    with pytest.raises(ValidationError, match="digits are wanted"):
        adapter.validate_python("12a")
    assert adapter.json_schema() == {"type": "string", "pattern": "^(?:[0-9]+)$"}
