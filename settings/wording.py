"""Our words for what is wrong with a value: what was seen, what is allowed, the nearest key.

This is where secrets are kept out of messages. A value is shown only if it is a scalar, written where a scalar is
wanted, and nothing on the way to it is a `Secret` or `Hidden`. Everything shown is cut and cleaned.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

Step = str | int

_KEY = re.compile(r"[\w.-]{1,64}")
_SHOWN = 60


def show_key(key: str) -> str:
    """A key as written, cut at the first odd character: `community:public` is a key if its blank is missing."""
    found = _KEY.match(key)
    sound = found[0] if found else ""
    return sound if sound == key else sound + "…"


def dotted(path: Iterable[Step]) -> str:
    """`pools.clinic.checks[0].timeout`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{show_key(step)}" if text else show_key(step)
    return text


def show_text(text: str, *, quoted: bool = False) -> str:
    """Foreign text on one line, at most sixty characters, without control or direction characters."""
    cut = text[:_SHOWN]
    clean = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)
    if len(clean) > _SHOWN or len(text) > _SHOWN:
        clean = clean[:_SHOWN] + "…"
    return f'"{clean}"' if quoted or not clean or clean != clean.strip() else clean


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    candidates = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), candidates, n=1, cutoff=0.6)
    return candidates[found[0]] if found else None
