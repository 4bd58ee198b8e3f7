"""`settlegate demo`: a whole settlement system on loopback, with things that go wrong on purpose.

It needs nothing but the project itself, and leaves nothing behind.
"""

from __future__ import annotations

from pathlib import Path


def main(once: bool, keep: Path | None = None) -> int:
    """`keep`: folder for configuration, keys and logs, left when the demo ends; None: a temporary one.

    Returns the exit code: 1 if a claim was lost or settled twice or something expected did not happen.
    """
    from gateway.demo import show  # only here: each node and agent of the demo imports this package, too

    return show.run(once=once, keep=keep)
