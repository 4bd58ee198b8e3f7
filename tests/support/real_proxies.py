"""Debian's nginx and HAProxy as child processes on free ports of the loopback, configured by a test."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateway import PATIENCE, eventually

needs_nginx = pytest.mark.skipif(shutil.which("nginx", path="/usr/sbin:/usr/bin") is None, reason="no nginx here")
needs_haproxy = pytest.mark.skipif(shutil.which("haproxy", path="/usr/sbin:/usr/bin") is None, reason="no HAProxy here")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def nginx(folder: Path, port: int, http: str) -> Iterator[Path]:
    """`http`: what stands in its http section. The path is that of its error log."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    log = folder / "error.log"
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {log} info;\n"
        f"events {{ worker_connections 256; }}\nhttp {{ access_log off;\n{temporary}{http}\n}}\n"
    )
    with _running(["/usr/sbin/nginx", "-p", str(folder), "-e", str(log), "-c", str(configuration)], port, log):
        yield log


@contextlib.contextmanager
def haproxy(folder: Path, port: int, sections: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "haproxy.cfg"
    configuration.write_text(
        "global\n  nbthread 1\ndefaults\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\n" + sections
    )
    with _running(["/usr/sbin/haproxy", "-db", "-f", str(configuration)], port, folder / "haproxy.out"):
        yield


@contextlib.contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[None]:
    with (log.parent / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:

        def accepts() -> bool:
            assert process.poll() is None, (log.parent / "output").read_text()
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
                return True

        eventually(accepts)
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
