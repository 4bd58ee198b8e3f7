"""Whom pacing looks at, and whom it charges. The kernel's side is tested with real clients (test_slow_clients)."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import pacing
from gateway.pacing import SHARES, Pacing, judge, watch

RATE = 100


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pacing, "monotonic", made)
    return made


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Octets acknowledged, and octets that found no room."""
    counts = [0, 0]
    monkeypatch.setattr(pacing, "_kernel", lambda _: tuple(counts))
    return counts


def listener(rate: int = RATE, idle: float = 75.0) -> Any:
    return SimpleNamespace(minimum_rate=rate, idle_timeout=idle, body_timeout=30.0)


class Session:
    def __init__(self, **more: Any) -> None:
        self.exchange: Any = None
        self.transfer: Any = None
        self.deadline = 1010.0
        self.client_unknown = False
        self.listener = listener()
        self.stream: Any = SimpleNamespace(queued=0, reading=True, sock=None)
        self.errors: list[str] = []
        self.__dict__.update(more)

    def too_slow(self, error: Exception) -> None:
        self.errors.append(str(error))


def exchange(*, left: bool = True, octets: int = 0, **more: Any) -> Any:
    values: dict[str, Any] = {
        "tunnel": False,
        "started": 999.0,
        "body": SimpleNamespace(octets=octets),
        "head": SimpleNamespace(expect_continue=False),
        "awaits_body": lambda: left,
    }
    return SimpleNamespace(**values | more)


def seconds(session: Session, clock: Clock, most: int = 60) -> int:
    """Looks, one a second, until it is too slow; `most` if it never is."""
    for second in range(most):
        judge(session)  # type: ignore[arg-type]
        if session.errors:
            return second
        clock.now += 1
    return most


def shares(sessions: list[Session], *listeners: Any) -> list[list[Session]]:
    made = Pacing()
    return [made.share(sessions, listeners, 1000.0) for _ in range(SHARES)]  # type: ignore[arg-type,misc]


def test_each_session_is_in_one_share() -> None:
    sessions = [Session(exchange=exchange()) for _ in range(10)]
    found = [session for share in shares(sessions, listener()) for session in share]
    assert sorted(map(id, found)) == sorted(map(id, sessions))


def test_only_those_that_move_or_have_just_moved_something() -> None:
    busy, watched = Session(exchange=exchange()), Session(transfer=object())
    fresh, closing, idle = Session(deadline=1074.0), Session(deadline=float("inf")), Session(deadline=1060.0)
    everybody = [idle, busy, watched, fresh, closing, idle]
    found = [session for share in shares(everybody, listener(), listener(0, 1.0)) for session in share]
    assert {id(session) for session in found} == {id(busy), id(watched), id(fresh), id(closing)}


def test_without_a_minimum_nobody_is_looked_at() -> None:
    assert shares([Session(exchange=exchange())], listener(0)) == [[]] * SHARES


def test_a_body_that_does_not_come(clock: Clock, kernel: list[int]) -> None:
    session = Session(exchange=exchange())
    assert seconds(session, clock) == 6
    assert session.errors == ["the request body came at less than 100 octets a second"]


@pytest.mark.parametrize(
    "free",
    [
        {"exchange": exchange(left=False)},
        {"stream": SimpleNamespace(queued=0, reading=False, sock=None), "exchange": exchange()},
        {"exchange": exchange(head=SimpleNamespace(expect_continue=True))},
        {"exchange": exchange(tunnel=True)},
        {"listener": listener(0), "exchange": exchange()},
    ],
    ids=["body complete", "node takes no more", "leave to send not given", "tunnel", "no minimum"],
)
def test_what_costs_nobody_anything(clock: Clock, kernel: list[int], free: dict[str, Any]) -> None:
    assert seconds(Session(**free), clock) == 60


def test_an_answer_that_is_not_taken(clock: Clock, kernel: list[int]) -> None:
    kernel[1] = 5000
    session = Session()
    assert seconds(session, clock) == 6
    assert session.errors == ["the answer was taken at less than 100 octets a second"]


def test_what_waits_in_our_own_queue_counts_too(clock: Clock, kernel: list[int]) -> None:
    session = Session(stream=SimpleNamespace(queued=9, reading=False, sock=None), exchange=exchange(left=False))
    assert seconds(session, clock) == 6


def test_the_next_exchange_begins_anew_and_an_answer_taken_is_forgotten(clock: Clock, kernel: list[int]) -> None:
    session = Session(exchange=exchange())
    assert seconds(session, clock, 5) == 5
    session.exchange = exchange(started=1004.0)
    assert seconds(session, clock, 5) == 5
    session.exchange = None
    judge(session)  # type: ignore[arg-type]
    assert session.transfer is None


def test_whoever_is_watched_is_looked_at_from_then_on(clock: Clock, kernel: list[int]) -> None:
    session, free = Session(), Session(listener=listener(0))
    for one in (session, session, free):
        watch(one)  # type: ignore[arg-type]
    assert session.transfer is not None
    assert free.transfer is None
    assert repr(session.transfer) == "<Transfer body=None answer=<Pace 5.0 s left, 0 octets>>"


def test_a_socket_that_is_closed_has_moved_nothing() -> None:
    sock = socket.socket()
    sock.close()
    assert pacing._kernel(sock) == (0, 0)


def test_the_kernel_s_numbers_are_where_they_are_looked_for() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.connect(server.getsockname())
    ours, _ = server.accept()
    with server, client, ours:
        ours.setblocking(False)
        sent = ours.send(bytes(1 << 20))
        acknowledged, unsent = pacing._kernel(ours)
        assert unsent > 0
        assert 0 <= acknowledged + unsent <= sent + 1, "the SYN counts as one"
