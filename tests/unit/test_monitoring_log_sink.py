"""Sinks: real files, pipes and sockets, full and failing ones."""

from __future__ import annotations

import os
import select
import socket
import stat
import subprocess
import sys
from pathlib import Path

from monitoring.log_sink import PIPE_ATOMIC, Descriptor, Nowhere, open_sink

LINES = ['{"a":1}\n', '{"b":2}\n']


def _with_stdout(code: str, stdout: int) -> subprocess.CompletedProcess[bytes]:
    program = f"from monitoring.log_sink import open_sink\nsink = open_sink('stdout')\n{code}"
    return subprocess.run(
        [sys.executable, "-c", program], stdout=stdout, stderr=subprocess.PIPE, timeout=30, check=True
    )


def test_a_file_is_appended_to_and_not_readable_by_everybody(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    old = os.umask(0)
    try:
        first, second = open_sink(path), open_sink(path)
    finally:
        os.umask(old)
    assert not first.silent
    assert not first.atomic
    assert first.write(LINES) == 2
    assert second.write(["{}\n"]) == 1
    assert first.write(LINES) == 2
    assert path.read_text() == "".join([*LINES, "{}\n", *LINES])
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    first.close()
    first.close()
    second.close()


def test_a_rotated_file_is_taken_up_and_an_unchanged_one_left_alone(tmp_path: Path) -> None:
    path, rotated = tmp_path / "access.log", tmp_path / "access.log.1"
    sink = open_sink(path)
    sink.write(LINES)
    assert sink.reopen() is None
    path.rename(rotated)
    sink.write(["late\n"])
    assert sink.reopen() is None
    sink.write(["new\n"])
    assert rotated.read_text() == "".join(LINES) + "late\n"
    assert path.read_text() == "new\n"
    sink.close()


def test_a_path_that_cannot_be_reopened_leaves_the_old_file_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    sink = open_sink(folder / "access.log")
    folder.rename(tmp_path / "moved")
    problem = sink.reopen()
    assert problem is not None
    assert "No such file" in problem
    assert sink.write(LINES) == 2
    assert (tmp_path / "moved" / "access.log").read_text() == "".join(LINES)
    sink.close()


def test_a_file_that_could_not_be_opened_is_tried_again_later(tmp_path: Path) -> None:
    path = tmp_path / "later" / "access.log"
    sink = open_sink(path)
    assert isinstance(sink, Descriptor)
    assert sink.write(LINES) == 0
    assert "No such file" in (sink.problem or "")
    assert "No such file" in repr(sink)
    path.parent.mkdir()
    assert sink.write(LINES) == 2
    assert sink.problem is None
    assert path.read_text() == "".join(LINES)
    sink.close()


def test_a_full_disk_takes_nothing_and_raises_nothing() -> None:
    sink = open_sink(Path("/dev/full"))
    assert isinstance(sink, Descriptor)
    assert sink.write(LINES) == 0
    assert sink.problem == "No space left on device"
    sink.close()


def test_a_full_pipe_takes_nothing_until_somebody_reads(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    sink = open_sink(path)
    assert isinstance(sink, Descriptor)
    assert sink.write(LINES) == 0  # no reader yet
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    line = "x" * (PIPE_ATOMIC - 1) + "\n"
    written = 0
    while sink.write([line]):
        written += 1
        assert written < 1000, "a pipe never fills"
    assert sink.atomic
    assert sink.problem == "full"
    got = b""
    while select.select([reader], [], [], 0)[0]:
        got += os.read(reader, 65536)
    assert got == line.encode() * written
    assert sink.write([line]) == 1
    os.close(reader)
    assert sink.write([line]) == 0  # the reader went away: no SIGPIPE, no exception
    sink.close()


def test_standard_output_stays_blocking_for_the_others_that_share_it() -> None:
    reader, writer = os.pipe()
    fill = (
        "import fcntl, os\n"
        "line = 'x' * 4095 + '\\n'\n"
        "count = 0\n"
        "while sink.write([line]): count += 1\n"
        "assert sink.problem == 'full', sink\n"
        "assert not fcntl.fcntl(1, fcntl.F_GETFL) & os.O_NONBLOCK\n"
        "assert count >= 1\n"
    )
    try:
        _with_stdout(fill, writer)
    finally:
        os.close(reader)
        os.close(writer)


def test_a_shell_redirection_is_shared_with_the_parent_without_overwriting(tmp_path: Path) -> None:
    path = tmp_path / "out.log"
    with path.open("wb") as out:
        out.write(b"before\n")
        out.flush()
        _with_stdout("sink.write(['line\\n'])", out.fileno())
        out.write(b"after\n")
    assert path.read_bytes() == b"before\nline\nafter\n"


def test_a_socket_as_standard_output_never_blocks() -> None:
    """What a service manager gives: a stream socket, which cannot be opened through /proc."""
    ours, theirs = socket.socketpair()
    fill = "line = 'x' * 4095 + '\\n'\nwhile sink.write([line]): pass\nassert sink.problem == 'full', sink\n"
    with ours, theirs:
        _with_stdout(fill, theirs.fileno())
        assert theirs.getblocking()
        ours.setblocking(False)
        assert ours.recv(4096) == b"x" * 4095 + b"\n"


def test_a_write_cut_inside_a_line_is_mended_by_the_next() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sink = Descriptor(os.dup(theirs.fileno()))
        room = iter([11, 2, None])

        def put(fd: int, data: bytes) -> int:
            limit = next(room)
            return os.write(fd, data if limit is None else data[:limit])

        sink._put = put
        assert sink.write(LINES) == 1  # the first line, and three octets of the second
        assert sink.write(LINES[1:]) == 0  # a line end, and one octet
        assert sink.write([*LINES[1:], "{}\n"]) == 2
        assert ours.recv(4096).decode().split("\n") == ['{"a":1}', '{"b', "{", '{"b":2}', "{}", ""]
        sink.close()


def test_a_short_write_that_ends_with_a_line_leaves_nothing_to_mend() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sink = Descriptor(os.dup(theirs.fileno()))
        limits = iter([len(LINES[0]), None])

        def put(fd: int, data: bytes) -> int:
            return os.write(fd, data[: next(limits)])

        sink._put = put
        assert sink.write(LINES) == 1
        assert sink.write(LINES[1:]) == 1
        assert ours.recv(4096).decode() == "".join(LINES)
        sink.close()


def test_nowhere_is_silent() -> None:
    sink = open_sink("none")
    assert isinstance(sink, Nowhere)
    assert sink.silent
    assert sink.write(LINES) == 2
    assert sink.reopen() is None
    sink.close()
