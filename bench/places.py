"""Folders and addresses of the bench: everything on loopback, everything temporary in one folder outside git."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final

from bench.errors import BenchError

ROOT: Final = Path(__file__).resolve().parent.parent
WORK: Final = ROOT / "bench" / "work"
"""Compiled programs, certificates, configurations and logs of the last run; may be deleted at any time."""
RESULTS: Final = ROOT / "bench" / "results"

PROXY: Final = "127.0.0.1"
NODES: Final = 200
"""At most; node n listens on 127.0.2.n, all on one port."""


def node_host(number: int) -> str:
    return f"127.0.2.{number}"


def free_port(*hosts: str) -> int:
    """A port that nobody listens on, below those the kernel gives to connecting clients."""
    for port in random.sample(range(20000, 32000), 200):
        if all(_is_free(host, port) for host in hosts or (PROXY,)):
            return port
    raise BenchError("no free port between 20000 and 32000 on loopback")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as sock:
        try:
            sock.bind((host, port))
        except OSError:
            return False
    return True
