"""The pages that tell a person what to type: every command is run, and prints what the page says."""

from __future__ import annotations

import shutil
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.demo import pki
from tests.support.markdown import ROOT, adapted, blocks, walk
from tests.support.token import HardwareKey


def free_addresses(*written: str) -> dict[str, str]:
    """Another port for each address of the page, as long and as short-lived as a port can be."""
    with ExitStack() as stack:
        chosen = {}
        for address in written:
            sock = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            chosen[address.rpartition(":")[2]] = str(sock.getsockname()[1])
        return chosen


ADDRESSES = ("127.0.0.1:18443", "127.0.0.1:19901", "127.0.0.1:18101")


def test_quick_start_with_a_hardware_key(tmp_path: Path) -> None:
    HardwareKey.make(tmp_path / "token")  # skips where the programs are missing
    folder = tmp_path / "walk"
    folder.mkdir()
    page = ROOT / "docs/quickstart-hardware-key.md"
    walk(page, folder, replace=free_addresses(*ADDRESSES), environment={"SETTLEGATE_STATE": str(tmp_path / "state")})


def test_the_readme(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    page = ROOT / "README.md"
    addresses = free_addresses(*ADDRESSES)
    (tmp_path / "demo").mkdir()
    pki.make(tmp_path / "demo/pki")  # what `settlegate demo --once --keep demo` leaves, sooner
    text = next(text for kind, text in blocks(page) if kind == "yaml") + "admin: {bind: 127.0.0.1:19901}\n"
    (tmp_path / "gateway.yaml").write_text(adapted(text, addresses), encoding="utf-8")
    walk(page, tmp_path, replace=addresses, environment={"SETTLEGATE_STATE": str(tmp_path / "state")})
