"""Reads what a configuration is made of: its text, and the secrets it fetches from elsewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from settings.errors import Problem
from settings.types import Secret

MAX_OCTETS: Final = 8 * 1024 * 1024
_MAX_SECRET: Final = 64 * 1024

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


class UnreadableError(Exception):
    """The file ends here: nothing behind this problem can be understood."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def read_text(path: Path) -> str:
    """The whole file, without a byte order mark. Raises `UnreadableError`."""

    def unreadable(message: str, line: int = 0, column: int = 0) -> UnreadableError:
        return UnreadableError(Problem(str(path), line, column, "", message))

    try:
        if not path.is_file():
            if path.is_dir():
                raise unreadable("is a directory; a file is wanted")
            raise unreadable("is not a regular file" if path.exists() else "no such file")
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except OSError as error:
        raise unreadable(f"cannot be read: {os.strerror(error.errno or 0).lower()}") from None
    if len(octets) > MAX_OCTETS:
        raise unreadable(f"larger than {MAX_OCTETS // 1024**2} MiB")
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise unreadable("UTF-16; save it as UTF-8", 1, 1)
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = octets[: error.start].decode("utf-8-sig", "replace")
        raise unreadable("not UTF-8; save it as UTF-8", *_position(before, len(before))) from None
    if found := _FORBIDDEN.search(text):
        place = _position(text, found.start())
        raise unreadable(f"control character U+{ord(found[0]):04X}", *place)
    return text


def _position(text: str, offset: int) -> tuple[int, int]:
    line_start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - line_start + 1


def read_secret(text: str, folder: Path) -> tuple[Secret, Path | None]:
    """What `!secret file:PATH` or `!secret env:NAME` stands for, and the file it came from.

    `folder` is that of the file that says so. Raises `ValueError` with a text that repeats nothing.
    """
    kind, _, name = text.partition(":")
    if kind not in {"file", "env"} or not name:
        raise ValueError("a !secret is written !secret file:PATH or !secret env:NAME")
    if kind == "env":
        value = os.environ.get(name)
        if not value:
            raise ValueError(f"the environment variable of this !secret is {'not set' if value is None else 'empty'}")
        return Secret(value), None
    path = folder / name
    try:
        if not path.is_file():
            raise ValueError(f"the file of this !secret {'is no regular file' if path.exists() else 'does not exist'}")
        with path.open("rb") as file:
            octets = file.read(_MAX_SECRET + 1)
        value = octets.decode()
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise ValueError(f"the file of this !secret cannot be read: {reason}") from None
    except UnicodeDecodeError:
        raise ValueError("the file of this !secret is not UTF-8") from None
    value = value.removesuffix("\n").removesuffix("\r")
    if not value or len(octets) > _MAX_SECRET:
        raise ValueError(f"the file of this !secret is {'too large' if value else 'empty'}")
    return Secret(value), path
