"""What an unquoted YAML scalar means: the core schema of YAML 1.2, section 10.3.2.

PyYAML's own rules are those of YAML 1.1, where `off` is a boolean, `1:30` is ninety and `010` is eight; an editor
that reads YAML 1.2 would show one thing and we would do another.
"""

from __future__ import annotations

import re

_INT = re.compile(r"[-+]?[0-9]{1,20}\Z")
_OCTAL = re.compile(r"0o[0-7]{1,20}\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,16}\Z")
_FLOAT = re.compile(r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]{1,5})?|[0-9]+[eE][-+]?[0-9]{1,5})\Z")

_WORDS: dict[str, bool | float | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INFINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")
_MAY_BE_OTHER = frozenset("0123456789+-.~nNtTfF")


def plain_scalar(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar; digits beyond 64 bits stay text and are refused where a number is wanted."""
    if not text:
        return None
    if text[0] not in _MAY_BE_OTHER:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    if _OCTAL.match(text):
        return int(text[2:], 8)
    if _HEX.match(text):
        return int(text[2:], 16)
    if _FLOAT.match(text) and len(text) <= 40:
        return float(text)
    if _INFINITE.match(text):
        return float(text.replace(".", "", 1))
    return text
