"""The scoreboard across real processes: who may write what, and what survives a kill -9."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.board_layout import CODES, Capacity, ControlPage, Row
from gateway.scoreboard import BoardMismatchError, Scoreboard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SMALL = Capacity(listeners=2, pools=3, nodes=5, institutions=7)
ROOT = Path(__file__).parents[2]


@contextmanager
def board(rows: int = 2) -> Iterator[Scoreboard]:
    made = Scoreboard.create(rows, SMALL)
    yield made
    made.close()


def in_fork(task: Callable[[], None]) -> int:
    """Run in a forked process; wait status of it: 0 if the task returned, 1 if it raised."""
    process = os.fork()
    if process == 0:  # pragma: no cover - another process
        code = 1
        try:
            task()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(process, 0)[1]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def control(shared: Scoreboard) -> Scoreboard:
    return Scoreboard.attach(shared.for_control(), SMALL, len(shared.rows))


def test_defaults_hold_a_province() -> None:
    capacity = Capacity()
    assert (capacity.listeners, capacity.pools, capacity.nodes, capacity.institutions) == (64, 256, 4096, 32_768)
    whole = Scoreboard.create(1)
    assert len(whole.rows[0].institution_codes) == 32_768 * 5
    whole.close()


def test_counts_of_all_workers_add_up() -> None:
    with board() as shared:

        def worker(row: int) -> None:
            shared.own(row)
            shared.mine.node_active[3] += row + 1
            shared.mine.institution_active[2] += 2
            shared.mine.pool_codes[len(CODES) + 1] += 5

        assert [in_fork(lambda row=row: worker(row)) for row in (0, 1)] == [0, 0]  # type: ignore[misc]
        assert shared.active(3) == 3
        assert shared.institution_active(2) == 4
        assert shared.total("pool_codes", len(CODES) + 1) == 10
        assert shared.totals("node_active") == [0, 0, 0, 3, 0]
        assert shared.totals("pool_codes", len(CODES), len(CODES) + 3) == [0, 10, 0]
        assert shared.rows[0].pid[0] > 0


def test_sums_are_never_below_zero() -> None:
    with board() as shared:
        shared.rows[0].node_active[1] = -1
        shared.rows[0].institution_active[1] = -1
        assert (shared.active(1), shared.total("node_active", 1), shared.totals("node_active", 1, 2)) == (0, 0, [0])
        assert shared.institution_active(1) == 0


def test_counts_of_a_killed_worker_stay_and_its_gauges_are_cleared() -> None:
    with board() as shared:
        process = os.fork()
        if process == 0:  # pragma: no cover - another process
            try:
                shared.own(1)
                for name, _, _ in Row.FIELDS:
                    getattr(shared.mine, name)[0] = 7
                shared.mine.heartbeat[0] = 42
                while True:
                    signal.pause()
            finally:
                os._exit(1)
        wait_for(lambda: shared.rows[1].heartbeat[0] == 42)
        os.kill(process, signal.SIGKILL)
        assert os.WTERMSIG(os.waitpid(process, 0)[1]) == signal.SIGKILL
        shared.rows[0].node_active[0] = 2
        assert shared.active(0) == 9
        shared.clear_gauges(1)
        assert shared.active(0) == 2
        left = {name for name, _, _ in Row.FIELDS if getattr(shared.rows[1], name)[0]}
        assert left == {name for name, _, _ in Row.FIELDS} - set(Row.GAUGES)


def test_a_successor_on_the_row_counts_on() -> None:
    with board() as shared:

        def worker() -> None:
            shared.own(0)
            shared.mine.node_requests[0] += 1

        assert [in_fork(worker) for _ in range(3)] == [0, 0, 0]
        assert shared.total("node_requests", 0) == 3


def test_a_worker_can_write_nothing_but_its_row() -> None:
    with board(3) as shared:

        def worker() -> None:
            shared.own(1)
            for foreign in (shared.rows[0], shared.rows[2]):
                with pytest.raises(TypeError, match="read-only"):
                    foreign.node_active[0] = 1
            with pytest.raises(TypeError, match="read-only"):
                shared.page.node_state[0] = 1
            shared.rows[1].node_active[0] = 1
            assert shared.mine is shared.rows[1]

        assert in_fork(worker) == 0
        assert shared.totals("node_active", 0, 1) == [1]


def _make_writable(cells: Row | ControlPage) -> int:
    """mprotect(2) as a hostile worker would call it: 0 if the pages became writable."""
    libc = ctypes.CDLL(None, use_errno=True)
    # The address of a read-only buffer, by way of the buffer protocol's C interface.
    held = (ctypes.c_char * 128)()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(cells._whole[0]), held, 0)
    address = ctypes.c_void_p.from_buffer(held, 0)
    size = ctypes.c_ssize_t.from_buffer(held, 2 * ctypes.sizeof(ctypes.c_void_p))
    answer = int(libc.mprotect(address, ctypes.c_size_t(size.value), mmap.PROT_READ | mmap.PROT_WRITE))
    ctypes.pythonapi.PyBuffer_Release(held)
    return answer


def test_read_only_cannot_be_taken_back_by_mprotect() -> None:
    with board() as shared:

        def worker() -> None:
            shared.own(0)
            assert _make_writable(shared.rows[1]) == -1
            assert _make_writable(shared.page) == -1
            assert _make_writable(shared.rows[0]) == 0

        assert in_fork(worker) == 0


def test_a_row_cannot_be_written_through_any_descriptor() -> None:
    with board() as shared:
        fd = shared._row_memory[0].fd
        with pytest.raises(PermissionError):
            os.pwrite(fd, b"x", 0)
        with pytest.raises(PermissionError):
            mmap.mmap(fd, Row.octets(SMALL))


def test_a_worker_keeps_no_writable_descriptor_but_its_rows_own() -> None:
    with board() as shared:

        def worker() -> None:
            shared.own(0)
            assert [memory.fd for memory in (*shared._row_memory, shared._page_memory)] == [-1, -1, -1]
            left = []
            for entry in Path("/proc/self/fd").iterdir():
                try:
                    name, info = str(entry.readlink()), Path(f"/proc/self/fdinfo/{entry.name}").read_text()
                except FileNotFoundError:  # the directory's own descriptor
                    continue
                if "settlegate-" in name:
                    left.append(name)
                    if "settlegate-page" in name:
                        assert int(info.split("flags:")[1].split()[0], 8) & os.O_ACCMODE == os.O_RDONLY
            # mmap keeps a copy of each descriptor it was given; rows are sealed against writing through it.
            assert len(left) == 3, left

        assert in_fork(worker) == 0


@pytest.mark.parametrize("size", [0, 1 << 24])
def test_sealed_memory_refuses_another_size(size: int) -> None:
    with board() as shared:
        for memory in (*shared._row_memory, shared._page_memory):
            with pytest.raises(PermissionError):
                os.ftruncate(memory.fd, size)


def test_control_writes_the_page_and_reads_the_rows() -> None:
    with board() as shared:
        theirs = control(shared)
        shared.rows[1].node_active[4] = 3
        assert theirs.active(4) == 3
        assert theirs.page.publish(4, state=1, admin=0, weight=2.0, since=0.0)
        assert (shared.page.epoch[0], shared.page.node_state[4], shared.page.node_weight[4]) == (1, 1, 2.0)
        with pytest.raises(TypeError, match="read-only"):
            theirs.rows[0].node_active[0] = 1
        assert _make_writable(theirs.rows[0]) == -1
        with pytest.raises(TypeError, match="read-only"):
            shared.page.epoch[0] = 5
        theirs.close()


def test_the_board_travels_through_exec() -> None:
    program = (
        "import sys; from gateway.scoreboard import *\n"
        "capacity = Capacity(listeners=2, pools=3, nodes=5, institutions=7)\n"
        "board = Scoreboard.attach([int(fd) for fd in sys.argv[1:]], capacity, 2)\n"
        "board.page.publish(2, state=2, admin=1, weight=1.5, since=3.0)\n"
        "print(board.active(1))\n"
    )
    with board() as shared:
        shared.rows[0].node_active[1] = 6
        fds = shared.for_control()
        command = [sys.executable, "-c", program, *map(str, fds)]
        done = subprocess.run(command, pass_fds=fds, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
        for fd in fds:
            os.close(fd)
        assert done.stdout == "6\n"
        assert (shared.page.epoch[0], shared.page.node_state[2], shared.page.node_admin[2]) == (1, 2, 1)


def test_attach_refuses_what_is_no_board_of_that_size() -> None:
    with board() as shared:
        fds = shared.for_control()
        with pytest.raises(BoardMismatchError, match="4 descriptors expected for 3 rows and the page, got 3"):
            Scoreboard.attach(fds, SMALL, 3)
        with pytest.raises(BoardMismatchError, match=r"descriptor \d+: \d+ octets, but \d+ expected"):
            Scoreboard.attach(fds, Capacity(), 2)
        for fd in fds:
            os.close(fd)


@pytest.mark.parametrize(
    ("kind", "gauge", "counter", "width"),
    [
        ("node", "node_active", "node_requests", 1),
        ("pool", "pool_queue", "pool_codes", len(CODES)),
        ("listener", "listener_connections", "listener_handshakes", 2),
        ("institution", "institution_connections", "institution_bytes", 2),
        ("institution", "institution_active", "institution_last_seen", 1),
    ],
)
def test_a_slot_is_idle_when_its_gauges_are_zero_and_zeroing_leaves_the_neighbours(
    kind: str, gauge: str, counter: str, width: int
) -> None:
    with board() as shared:
        counts = getattr(shared.rows[1], counter)
        for index in range(len(counts)):
            counts[index] = 9
        assert shared.is_idle(kind, 1)  # type: ignore[arg-type]
        getattr(shared.rows[0], gauge)[1] = 1
        assert not shared.is_idle(kind, 1)  # type: ignore[arg-type]
        assert shared.is_idle(kind, 0)  # type: ignore[arg-type]
        shared.zero(kind, 1)  # type: ignore[arg-type]
        assert shared.is_idle(kind, 1)  # type: ignore[arg-type]
        assert [index for index, count in enumerate(counts) if count == 0] == list(range(width, 2 * width))


def test_a_node_that_control_still_speaks_of_is_not_idle() -> None:
    with board() as shared:
        theirs = control(shared)
        theirs.page.publish(1, state=2, admin=0, weight=1.0, since=0.0)
        assert not shared.is_idle("node", 1)
        theirs.page.publish(1, state=0, admin=0, weight=0.0, since=0.0)
        assert shared.is_idle("node", 1)
        theirs.close()


def test_a_kept_slice_is_told_at_closing() -> None:
    shared = Scoreboard.create(1, SMALL)
    kept = shared.rows[0].node_active[:2]
    with pytest.raises(BufferError):
        shared.close()
    kept.release()
    shared.close()
