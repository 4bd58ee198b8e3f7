"""The real gateway as a child process, on free ports of the loopback, with a fresh PKI and a configuration of the test.

with Gateway(tmp_path, nodes=[node.address]) as gateway:
    with gateway.connect() as client:
        assert client.exchange(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n").status == 200
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import psutil
import yaml
from cryptography import x509

from certs.authority import Authority, Issued, crl_pem
from tests.support.client import Client

T = TypeVar("T")
PATIENCE = 20.0
HOSPITAL = "H410300001"
PHARMACY = "P410300017"


def eventually(what: Callable[[], T], *, within: float = PATIENCE) -> T:
    """Ask until the answer is true; the last answer, or exception, is the failure's text."""
    deadline = time.monotonic() + within
    last: object = None
    while time.monotonic() < deadline:
        try:
            answer = what()
        except (AssertionError, OSError) as error:
            last = error
        else:
            if answer:
                return answer
            last = answer
        time.sleep(0.02)
    raise AssertionError(f"not within {within:g} s: {what}; last: {last!r}")


class World:
    """Certificates of one test: one authority, a gateway and institutions, saved as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = Authority.create("Institutions CA")
        self.gateway = self.authority.issue("gateway", usage="server", san=["127.0.0.1", "localhost"])
        self.gateway.save(folder / "gateway.pem", folder / "gateway.key")
        self.anchor = folder / "ca.pem"
        self.anchor.write_bytes(self.authority.pem)
        self.crl = folder / "ca.crl"
        self.revoke()
        self.hospital = self.issue("hospital", uid=HOSPITAL)
        self.pharmacy = self.issue("pharmacy", uid=PHARMACY)

    def issue(self, name: str, **values: Any) -> Path:
        """A client certificate with its key as NAME.pem and NAME.key; returns the first."""
        return self.save(name, self.authority.issue(name, **values))

    def save(self, name: str, issued: Issued) -> Path:
        path = self.folder / f"{name}.pem"
        issued.save(path, path.with_suffix(".key"))
        return path

    def revoke(self, *certificates: Path) -> None:
        serials = [x509.load_pem_x509_certificate(path.read_bytes()).serial_number for path in certificates]
        fresh = self.crl.with_suffix(".new")
        fresh.write_bytes(crl_pem(self.authority.crl(serials)))
        fresh.replace(self.crl)


class Gateway:
    """One run. `changes` are merged into the configuration below, section by section."""

    def __init__(
        self,
        folder: Path,
        *,
        nodes: Sequence[str | dict[str, Any]] = ("127.0.0.1:9",),
        workers: int = 1,
        listener: dict[str, Any] | None = None,
        pool: dict[str, Any] | None = None,
        program: Sequence[str] = ("-m", "gateway"),
        environment: dict[str, str] | None = None,
        **sections: Any,
    ) -> None:
        self.folder = folder
        self.program = program
        self.environment = environment or {}
        self.world = World(folder / "pki")
        self.path = folder / "gateway.yaml"
        self.log_path = folder / "gateway.log"
        self.access_path = folder / "access.log"
        self.config: dict[str, Any] = {
            "workers": workers,
            "listeners": {
                "settlement": {
                    "bind": "127.0.0.1:0",
                    "certificate": "pki/gateway.pem",
                    "key": "pki/gateway.key",
                    "trust": {"anchors": ["pki/ca.pem"], "crls": ["pki/ca.crl"], "institution_id": "subject.UID"},
                }
                | (listener or {})
            },
            "institutions": {HOSPITAL: {"name": "洛阳市中心医院"}, PHARMACY: {"name": "同仁堂洛阳药房"}},
            "routes": [{"name": "all", "path": "/", "pool": "settlement"}],
            "pools": {
                "settlement": {"nodes": [n if isinstance(n, dict) else {"address": n} for n in nodes]} | (pool or {})
            },
            "admin": {"bind": "127.0.0.1:0"},
            "log": {"access": str(self.access_path)},
        } | sections
        self.process: subprocess.Popen[bytes] | None = None
        self._admin = ""
        self._ports: dict[str, int] = {}

    # ---- life

    def write(self) -> None:
        self.path.write_text(yaml.safe_dump(self.config, allow_unicode=True, sort_keys=False))

    def start(self) -> Self:
        self.write()
        environment = os.environ | {"SETTLEGATE_STATE": str(self.folder / "state")} | self.environment
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, "run", str(self.path)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        eventually(self._is_ready)
        return self

    def _is_ready(self) -> bool:
        assert self.process is not None
        log = self.log()
        assert self.process.poll() is None, f"the gateway ended: {log}"
        if "ready: generation" not in log:
            return False
        found = re.findall(r"listening: (\S+) on \S+:(\d+),", log)
        self._ports = {name: int(port) for name, port in found}
        self._admin = re.findall(r"admin on (\S+),", log)[0]
        return True

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is None:
            return
        family = self._family()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(4 if error is None else 1)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if error is not None:
            sys.stderr.write(self.log())

    # ---- what can be seen of it

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def access(self, **where: object) -> list[dict[str, Any]]:
        """Lines of the access log that have these values."""
        lines = self.access_path.read_text().splitlines() if self.access_path.exists() else []
        rows = [json.loads(line) for line in lines]
        return [row for row in rows if all(row.get(key) == value for key, value in where.items())]

    def port(self, listener: str = "settlement") -> int:
        return self._ports[listener]

    @property
    def admin(self) -> str:
        return self._admin

    def get(self, path: str) -> Any:
        """JSON or text of the admin API."""
        with urllib.request.urlopen(f"http://{self._admin}{path}", timeout=PATIENCE) as answer:
            body = answer.read().decode()
            return json.loads(body) if "json" in answer.headers["Content-Type"] else body

    def post(self, path: str) -> tuple[int, Any]:
        request = urllib.request.Request(f"http://{self._admin}{path}", method="POST")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def node(self, address: str, pool: str = "settlement") -> dict[str, Any]:
        view: dict[str, Any] = self.get("/api/v1/pools")[pool]["nodes"][address]
        return view

    def metric(self, line: str) -> float:
        """Value of one series, as `name{label="value"}`; labels in alphabetical order."""
        for row in self.get("/metrics").splitlines():
            name, _, value = row.rpartition(" ")
            if name == line:
                return float(value)
        raise AssertionError(f"no series {line}")

    def _family(self) -> list[psutil.Process]:
        assert self.process is not None
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def workers(self) -> list[int]:
        """Process ids, oldest first."""
        return [pid for pid, command in self._commands() if "gateway.control" not in command]

    def control(self) -> int:
        return next(pid for pid, command in self._commands() if "gateway.control" in command)

    def _commands(self) -> Iterator[tuple[int, str]]:
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):  # a zombie, too, has no command any more
                yield process.pid, " ".join(process.cmdline())

    def reload(self, *, expect: bool = True) -> dict[str, Any]:
        status, body = self.post("/api/v1/reload")
        assert (status == 200) is expect, (status, body)
        return dict(body)

    # ---- clients

    def context(self, certificate: Path | None = None, *, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.world.anchor))
        if certificate is not None:
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context

    def connect(
        self,
        certificate: Path | None = None,
        *,
        anonymous: bool = False,
        context: ssl.SSLContext | None = None,
        session: ssl.SSLSession | None = None,
    ) -> Client:
        """A TLS connection, as the hospital unless told otherwise."""
        if context is None:
            context = self.context(None if anonymous else certificate or self.world.hospital)
        raw = socket.create_connection(("127.0.0.1", self.port()), timeout=PATIENCE)
        try:
            return Client(context.wrap_socket(raw, server_hostname="127.0.0.1", session=session))
        except BaseException:
            raw.close()
            raise

    @contextlib.contextmanager
    def plain(self) -> Iterator[socket.socket]:
        """TCP without TLS."""
        with socket.create_connection(("127.0.0.1", self.port()), timeout=PATIENCE) as raw:
            yield raw
