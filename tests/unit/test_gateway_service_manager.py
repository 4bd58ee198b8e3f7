"""What systemd is told, heard on a socket of the test's own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.service_manager import ServiceManager


@pytest.fixture
def ear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield ear


def heard(ear: socket.socket) -> list[str]:
    return ear.recv(4096).decode().split("\n")


def test_ready_reloading_and_stopping(ear: socket.socket) -> None:
    manager = ServiceManager()
    manager.ready("generation 1\nMAINPID=1")
    assert heard(ear) == ["READY=1", "STATUS=generation 1 MAINPID=1"], "one line, whatever is in it"
    manager.reloading()
    first, stamp = heard(ear)
    assert first == "RELOADING=1"
    assert stamp.removeprefix("MONOTONIC_USEC=").isdigit()
    manager.stopping()
    assert heard(ear)[0] == "STOPPING=1"


def test_children_cannot_speak_for_the_service(ear: socket.socket) -> None:
    ServiceManager()
    assert "NOTIFY_SOCKET" not in os.environ


def test_an_abstract_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(f"\0settlegate-test-{os.getpid()}")
        ear.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@settlegate-test-{os.getpid()}")
        ServiceManager().ready("x")
        assert heard(ear)[0] == "READY=1"


def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setattr(socket, "socket", None)
    ServiceManager().ready("x")


def test_one_that_does_not_listen_is_a_line_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    ServiceManager().stopping()
    assert "No such file or directory" in caplog.text
