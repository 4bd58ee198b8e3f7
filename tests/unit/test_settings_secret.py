"""A secret never prints."""

from __future__ import annotations

import json
import pickle

import pytest
from pydantic import ValidationError

from settings.types import Model, Secret


class Holder(Model):
    password: Secret


def test_it_prints_as_a_mask() -> None:
    holder = Holder(password=Secret("hunter2"))
    assert str(holder.password) == repr(holder.password) == f"{holder.password}" == "<secret>"
    assert "hunter2" not in repr(holder) + str(holder) + holder.model_dump_json() + str(holder.model_dump())
    assert json.loads(holder.model_dump_json()) == {"password": "<secret>"}


def test_its_value_is_asked_for() -> None:
    assert Holder.model_validate({"password": "hunter2"}).password.get_secret_value() == "hunter2"
    assert len(Secret("hunter2")) == 7


def test_it_compares_and_travels() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert pickle.loads(pickle.dumps(Secret("a"))) == Secret("a")


@pytest.mark.parametrize("value", [12345, None, ["hunter2"], {"a": "hunter2"}, True, b"hunter2"])
def test_only_text_is_a_secret(value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Holder.model_validate({"password": value})
    assert "hunter2" not in str(caught.value)
    assert "12345" not in str(caught.value)
