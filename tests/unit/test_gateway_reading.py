"""The configuration is read elsewhere, and only what was found comes back."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gateway import reading
from gateway.bundling import Reading
from gateway.channel import unpack
from gateway.events import Events
from gateway.reading import Found, Reader, ReadingError, read_all, read_files, start
from tests.support.crews import events
from tests.support.gateway import Gateway, eventually
from tests.support.operations import own_descriptors


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    gateway = Gateway(tmp_path, nodes=["127.0.0.1:18101"])
    gateway.write()
    return gateway


@pytest.fixture
def heard() -> Iterator[Events]:
    with events() as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """No descriptor and no process."""
    before = own_descriptors()
    others = children()  # other tests' servers may live as long as the session
    yield
    for pid in children() - others:
        eventually(lambda pid=pid: os.waitpid(pid, os.WNOHANG)[0] == pid, within=5)
    assert own_descriptors() == before


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def nothing() -> None:
    """There is nothing to close in the tests."""


def ended(heard: Events, reader: Reader) -> tuple[Reading, int | None]:
    heard.wait_for(reader, time.monotonic() + 10)
    return reader.result()


def test_what_was_found_comes_back_and_the_whole_configuration_sealed(heard: Events, gateway: Gateway) -> None:
    found, fd = ended(heard, start(lambda: read_all(gateway.path, start=True), in_child=nothing))
    assert set(found.config.listeners) == {"settlement"}
    assert fd is not None
    assert unpack(fd).pools["settlement"].nodes[0].address.port == 18101
    os.close(fd)


def test_of_files_alone_no_configuration_comes_back(heard: Events, gateway: Gateway) -> None:
    before, _ = read_all(gateway.path, start=True)
    gateway.path.write_text("half a conf")
    gateway.world.revoke()
    found, fd = ended(heard, start(lambda: read_files(before), in_child=nothing))
    assert fd is None
    assert found.config == before.config
    assert found.files != before.files


def test_every_problem_comes_back(heard: Events, gateway: Gateway) -> None:
    gateway.config["pools"]["settlement"]["polcy"] = "x"
    gateway.config["routes"][0]["pool"] = "nowhere"
    gateway.write()
    with pytest.raises(ReadingError) as error:
        ended(heard, start(lambda: read_all(gateway.path, start=True), in_child=nothing))
    assert len(error.value.args) == 2
    gateway.path.unlink()
    with pytest.raises(ReadingError, match=r"gateway\.yaml"):
        ended(heard, start(lambda: read_all(gateway.path, start=True), in_child=nothing))


def test_problems_of_files_come_back(heard: Events, gateway: Gateway) -> None:
    (gateway.world.folder / "gateway.key").unlink()
    with pytest.raises(ReadingError, match="No such file"):
        ended(heard, start(lambda: read_all(gateway.path, start=True), in_child=nothing))


@pytest.mark.parametrize("number", [signal.SIGKILL, 0], ids=["killed", "an error"])
def test_one_that_crashes_is_a_refusal(heard: Events, number: int) -> None:
    def crashes() -> Found:
        logging.disable()  # its traceback is for the log of a gateway
        if number:
            os.kill(os.getpid(), number)
        raise MemoryError

    with pytest.raises(ReadingError, match="failed"):
        ended(heard, start(crashes, in_child=nothing))


def test_one_that_takes_too_long_is_given_up_and_ends_by_itself(heard: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_WITHIN", -0.7)  # its alarm comes a second later

    def hangs() -> Found:
        time.sleep(60)
        raise AssertionError

    reader = start(hangs, in_child=nothing)
    heard.wait_for(reader, time.monotonic() + 0.05)
    with pytest.raises(ReadingError, match="took longer"):
        reader.result()


def test_it_is_told_what_to_close(heard: Events, gateway: Gateway) -> None:
    left, right = os.pipe()
    reader = start(lambda: read_all(gateway.path, start=True), in_child=lambda: os.close(right))
    os.close(right)
    assert os.read(left, 1) == b"", "nobody holds the other end"
    os.close(left)
    _, fd = ended(heard, reader)
    assert fd is not None
    os.close(fd)
