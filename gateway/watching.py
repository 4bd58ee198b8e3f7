"""Which files have changed on disk, judged by looking at them now and then."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

Stamp = tuple[int, int, int] | None
"""What a file looks like from outside (mtime, size, inode); None if it is not there."""


def stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class FileWatch:
    """Tells of a change when it has stood still between two looks: half a copy is nothing to act upon."""

    def __init__(self) -> None:
        self._seen: dict[str, Stamp] = {}
        self._acted_upon: dict[str, Stamp] = {}

    def __repr__(self) -> str:
        return f"<FileWatch of {len(self._seen)} files>"

    def follow(self, stamps: Mapping[str, Stamp]) -> None:
        """These files, which looked like this when they were read."""
        self._seen = self._acted_upon = dict(stamps)

    def look(self) -> bool:
        """Whether there is something new to read. Said once: only a further change is another chance."""
        seen = {path: stamp(Path(path)) for path in self._seen}
        moved, self._seen = seen != self._seen, seen
        if moved or seen == self._acted_upon:
            return False
        self._acted_upon = seen
        return True
