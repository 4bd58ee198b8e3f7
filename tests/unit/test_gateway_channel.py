"""Messages between the supervisor and its children: whole, bounded, and never a wait."""

from __future__ import annotations

import array
import fcntl
import json
import os
import resource
import socket
import time
from collections.abc import Iterator

import pytest

from gateway.channel import (
    DESCRIPTORS,
    LIMIT,
    Channel,
    ChannelClosedError,
    DescriptorsLostError,
    pack,
    unpack,
)
from tests.support.operations import own_descriptors


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    """The supervisor's and the child's."""
    ours, theirs = Channel.pair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_a_message_arrives_as_it_was_sent(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    theirs.send("not_ready", problem="医院 ✗", generation=3)
    theirs.send("second")
    assert ours.receive() == ({"kind": "not_ready", "fds": 0, "problem": "医院 ✗", "generation": 3}, [])
    received = ours.receive()
    assert received is not None
    assert received[0]["kind"] == "second"
    assert ours.receive() is None


def test_descriptors_come_along_and_stay_here_in_an_exec(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    fds = [pack(number) for number in range(3)]
    ours.send("prepare", fds)
    for fd in fds:
        os.close(fd)
    received = theirs.receive()
    assert received is not None
    assert [unpack(fd) for fd in received[1]] == [0, 1, 2]
    for fd in received[1]:
        assert not os.get_inheritable(fd)
        os.close(fd)


def test_as_many_descriptors_as_promised_fit_one_message(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    with open(os.devnull) as null:  # noqa: PTH123 - a descriptor is wanted, no path
        ours.send("sockets", [null.fileno()] * DESCRIPTORS)
        received = theirs.receive()
        assert received is not None
        assert len(received[1]) == DESCRIPTORS
        for fd in received[1]:
            os.close(fd)
        with pytest.raises(ValueError, match="too much"):
            ours.send("sockets", [null.fileno()] * (DESCRIPTORS + 1))


def test_the_supervisor_takes_no_descriptor_from_a_child(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    before = own_descriptors()
    reader, writer = os.pipe()
    theirs.send("ready", [writer])
    os.close(writer)
    received = ours.receive()
    assert received is not None
    assert (received[0]["kind"], received[1]) == ("ready", [])
    assert os.read(reader, 1) == b"", "nobody holds the other end any more"
    os.close(reader)
    assert own_descriptors() == before


def test_what_is_too_long_is_refused_by_the_sender(ends: tuple[Channel, Channel]) -> None:
    ours, _ = ends
    with pytest.raises(ValueError, match="too much"):
        ours.send("not_ready", problem="x" * LIMIT)


def test_the_end_of_the_other_side_is_told(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    theirs.send("last words")
    theirs.close()
    assert ours.receive() is not None
    with pytest.raises(ChannelClosedError):
        ours.receive()
    with pytest.raises(ChannelClosedError):
        ours.send("anybody")


@pytest.mark.parametrize(
    "data",
    [b"\xff", b"{", b"[]", b"3", b"{}", b'{"kind": 1}', b"[" * 60_000, b'{"kind": "ready"}' + b" " * LIMIT],
    ids=["octets", "cut", "a list", "a number", "no kind", "a strange kind", "depth", "length"],
)
def test_what_is_no_message_ends_the_conversation_and_nothing_else(ends: tuple[Channel, Channel], data: bytes) -> None:
    """A worker speaks with the whole world; whatever has become of it, the supervisor goes on."""
    ours, theirs = ends
    theirs.sock.send(data)
    with pytest.raises(ChannelClosedError):
        ours.receive()


def test_descriptors_of_what_is_no_message_are_closed(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    reader, writer = os.pipe()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writer]))]
    ours.sock.sendmsg([b"nonsense"], rights)
    os.close(writer)
    with pytest.raises(ChannelClosedError):
        theirs.receive()
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_descriptors_for_which_there_is_no_room_are_missed(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    fd = pack("something")
    ours.send("prepare", [fd, fd, fd], generation=7)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = own_descriptors()
    limit = next(number for number in range(3, 10_000) if number not in taken) + 1  # one more fits
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        with pytest.raises(DescriptorsLostError) as lost:
            theirs.receive()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert lost.value.message["generation"] == 7
    assert own_descriptors() == taken, "the one that fitted is closed again"
    os.close(fd)


def test_whoever_does_not_read_makes_nobody_wait(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    begun = time.monotonic()

    def talk() -> None:
        for _ in range(100_000):
            ours.send("reloaded", lines="x" * 1000)

    with pytest.raises(ChannelClosedError):
        talk()
    assert time.monotonic() - begun < 5
    assert theirs.receive() is not None, "what fitted is there"


def test_a_pack_is_sealed_and_read_by_many(ends: tuple[Channel, Channel]) -> None:
    fd = pack({"files": {"a": b"x" * 100_000}})
    assert unpack(fd) == unpack(fd) == {"files": {"a": b"x" * 100_000}}
    with pytest.raises(PermissionError):
        os.pwrite(fd, b"y", 0)
    seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    assert seals & fcntl.F_SEAL_WRITE
    assert seals & fcntl.F_SEAL_SHRINK
    os.close(fd)


def test_what_cannot_be_packed_leaves_nothing_open() -> None:
    before = own_descriptors()
    with pytest.raises((AttributeError, TypeError)):
        pack(lambda: None)
    assert own_descriptors() == before


def test_messages_are_plain_json(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    theirs.send("settled", undecided=2)
    assert json.loads(ours.sock.recv(LIMIT)) == {"kind": "settled", "fds": 0, "undecided": 2}
