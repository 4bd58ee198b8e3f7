"""Counters and node states that all processes share without a lock: one writer per cell, everybody reads sums.

Each worker has a row of its own; the control page belongs to `control`. Both are sealed memfds of fixed size,
so nobody can shrink one under another's feet (a read past the end is SIGBUS).

    supervisor  create()                 maps every row for writing, the page for reading
    worker      own(row), after the fork its row stays writable, all else becomes read-only
    control     attach(fds), after exec  the page is writable, the rows are read-only

Single cells are read and written whole (aligned, 8 octets); nothing promises that two cells belong together.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from typing import TYPE_CHECKING, TypeVar

from gateway.board_layout import Capacity, ControlPage, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.board_layout import Kind

_SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
# Linux 5.1; not in Python's fcntl. Mappings made before it stay writable, later ones cannot be, nor can write()
# change the file: a row belongs to the supervisor and to whoever is forked from it, whatever descriptor leaks.
_F_SEAL_FUTURE_WRITE = 0x0010


class BoardMismatchError(ValueError):
    """The descriptors handed over are not a scoreboard of this size."""


CellsT = TypeVar("CellsT", Row, ControlPage)


class _Mapped:
    """One memfd mapped here: the mapping, and the descriptor while this process still needs one (else -1)."""

    __slots__ = ("fd", "memory")

    def __init__(self, fd: int, octets: int, *, writable: bool) -> None:
        protection = mmap.PROT_READ | mmap.PROT_WRITE if writable else mmap.PROT_READ
        self.fd = fd
        self.memory = mmap.mmap(fd, octets, flags=mmap.MAP_SHARED, prot=protection)

    def close_descriptor(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def close(self) -> None:
        self.close_descriptor()
        self.memory.close()


class Scoreboard:
    """The rows and the page as this process may use them.

    `rows` and `page` are replaced by `own`: take views (`board.rows[0].node_active`) only after it.
    """

    mine: Row
    """The calling worker's row; there is none before `own`."""

    def __init__(self, capacity: Capacity, rows: Sequence[_Mapped], page: _Mapped) -> None:
        self.capacity = capacity
        self._row_memory = list(rows)
        self._page_memory = page
        self.rows: tuple[Row, ...] = tuple(_cells(Row, memory, capacity) for memory in rows)
        self.page: ControlPage = _cells(ControlPage, page, capacity)

    @classmethod
    def create(cls, rows: int, capacity: Capacity | None = None) -> Scoreboard:
        """In the supervisor, before the first fork: `rows` is the most workers that ever run side by side."""
        capacity = capacity or Capacity()
        mapped = []
        for row in range(rows):
            fd = _sized_memfd(f"settlegate-row-{row}", Row.octets(capacity))
            mapped.append(_Mapped(fd, Row.octets(capacity), writable=True))
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SIZE_SEALS | _F_SEAL_FUTURE_WRITE | fcntl.F_SEAL_SEAL)
        fd = _sized_memfd("settlegate-page", ControlPage.octets(capacity))
        # The page stays open to later writable mappings: `control` makes its own after each exec.
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SIZE_SEALS | fcntl.F_SEAL_SEAL)
        return cls(capacity, mapped, _Mapped(fd, ControlPage.octets(capacity), writable=False))

    def own(self, row: int) -> None:
        """In a worker just forked: keep `row` writable, turn the rest read-only, drop the descriptors.

        Counters go on from where a predecessor on the same row left them.
        """
        for index, memory in enumerate(self._row_memory):
            if index != row:
                self.rows[index].release()
                self._row_memory[index] = _read_only(memory, Row.octets(self.capacity))
            self._row_memory[index].close_descriptor()
        self.page.release()
        # Through /proc: a mapping of the descriptor at hand could be turned writable again by mprotect.
        reader = os.open(f"/proc/self/fd/{self._page_memory.fd}", os.O_RDONLY | os.O_CLOEXEC)
        page = _Mapped(reader, ControlPage.octets(self.capacity), writable=False)
        page.close_descriptor()
        self._page_memory.close()
        self._page_memory = page
        self.rows = tuple(
            mine if index == row else _cells(Row, self._row_memory[index], self.capacity)
            for index, mine in enumerate(self.rows)
        )
        self.page = _cells(ControlPage, page, self.capacity)
        self.mine = self.rows[row]
        self.mine.pid[0] = os.getpid()

    def for_control(self) -> tuple[int, ...]:
        """New descriptors for `attach` in a process about to be started: the page, then the rows.

        They are not inheritable (subprocess' `pass_fds` makes them so) and the caller closes them after the
        start.
        """
        rows = (os.open(f"/proc/self/fd/{m.fd}", os.O_RDONLY | os.O_CLOEXEC) for m in self._row_memory)
        return (os.dup(self._page_memory.fd), *rows)

    @classmethod
    def attach(cls, fds: Sequence[int], capacity: Capacity, rows: int) -> Scoreboard:
        """In `control`: what `for_control` handed over. Closes the descriptors. Raises BoardMismatchError."""
        if len(fds) != rows + 1:
            raise BoardMismatchError(f"{rows + 1} descriptors expected for {rows} rows and the page, got {len(fds)}")
        sizes = (ControlPage.octets(capacity), *[Row.octets(capacity)] * rows)
        for fd, octets in zip(fds, sizes, strict=True):
            if os.fstat(fd).st_size != octets:
                raise BoardMismatchError(f"descriptor {fd}: {os.fstat(fd).st_size} octets, but {octets} expected")
        page, *mapped = (
            _Mapped(fd, octets, writable=index == 0) for index, (fd, octets) in enumerate(zip(fds, sizes, strict=True))
        )
        for memory in (page, *mapped):
            memory.close_descriptor()
        return cls(capacity, mapped, page)

    def close(self) -> None:
        """Unmap everything; BufferError while anybody still holds a slice of a view."""
        for row, memory in zip(self.rows, self._row_memory, strict=True):
            row.release()
            memory.close()
        self.page.release()
        self._page_memory.close()

    # What follows in the supervisor only: it alone still has every row writable.

    def clear_gauges(self, row: int) -> None:
        """After the death of the row's worker: nothing is in flight there now. Its counters stay."""
        for name in Row.GAUGES:
            view = getattr(self.rows[row], name)
            view[:] = memoryview(bytes(view.nbytes)).cast("q")

    def zero(self, kind: Kind, slot: int) -> None:
        """Clear a slot's cells in every row before its new holder is announced to the workers."""
        for row in self.rows:
            for name, whose, width in Row.FIELDS:
                if whose != kind:
                    continue
                view = getattr(row, name)
                for index in range(slot * width, (slot + 1) * width):
                    view[index] = 0

    def is_idle(self, kind: Kind, slot: int) -> bool:
        """Nobody uses the slot: its gauges read 0 in every row, and `control` no longer speaks of the node.

        Not enough to give the slot away: every worker must also have acknowledged a generation without its
        last holder.
        """
        gauges = [name for name, whose, _ in Row.FIELDS if whose == kind and name in Row.GAUGES]
        if any(getattr(row, name)[slot] for row in self.rows for name in gauges):
            return False
        return kind != "node" or self.page.node_state[slot] == 0

    # For readers everywhere.

    def active(self, slot: int) -> int:
        """Leases of a node over all workers. A row being cleared can make the sum negative for a moment."""
        return max(0, sum([int(row.node_active[slot]) for row in self.rows]))

    def institution_active(self, slot: int) -> int:
        """Requests in flight of an institution over all workers."""
        return max(0, sum([int(row.institution_active[slot]) for row in self.rows]))

    def total(self, field: str, index: int) -> int:
        """One cell of the named field over all rows, at least 0."""
        return max(0, sum(int(getattr(row, field)[index]) for row in self.rows))

    def totals(self, field: str, start: int = 0, stop: int | None = None) -> list[int]:
        """Cells `start` to `stop` of the named field, each over all rows and at least 0."""
        columns = (getattr(row, field)[start:stop].tolist() for row in self.rows)
        return [max(0, sum(cells)) for cells in zip(*columns, strict=True)]


def _cells(kind: type[CellsT], mapped: _Mapped, capacity: Capacity) -> CellsT:
    return kind(memoryview(mapped.memory), capacity)


def _sized_memfd(name: str, octets: int) -> int:
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, octets)
    return fd


def _read_only(mapped: _Mapped, octets: int) -> _Mapped:
    """Replace an inherited writable mapping by one that F_SEAL_FUTURE_WRITE keeps read-only for good."""
    fd = os.dup(mapped.fd)
    mapped.close()
    return _Mapped(fd, octets, writable=False)
