"""Before a proxy is measured: does it really do what all are to do? One that left something out would look fast."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import urllib.request
from typing import Final

from bench.errors import BenchError
from bench.processes import Program, eventually
from bench.proxies.setting import Setting

_NAME: Final = "settle.example.test"
_START: Final = 30.0


def check_features(name: str, program: Program, setting: Setting) -> None:
    """Raises BenchError with the first feature that is missing."""

    def answers() -> bool:
        if program.child.poll() is not None:
            raise BenchError(f"{name} did not start:\n{_last_words(setting)}")
        return "HTTP/1.1 200" in _ask(setting, "/claims/claim")

    try:
        eventually(f"{name} serves", answers, within=_START)
    except BenchError as error:
        raise BenchError(f"{error}\n{_last_words(setting)}") from None
    head = _ask(setting, "/claims/echo").partition("\r\n\r\n")[2]
    for what, pattern in _FORWARDED.items():
        if not re.search(pattern, head, re.IGNORECASE | re.MULTILINE):
            raise BenchError(f"{name}: {what} does not reach the node, which got:\n{head}")
    if re.search("forged", head):
        raise BenchError(f"{name}: a client's own identity field reaches the node:\n{head}")
    if _enters_without_certificate(setting):
        raise BenchError(f"{name} lets clients in without a certificate")
    with urllib.request.urlopen(f"http://127.0.0.1:{setting.metrics_port}/metrics", timeout=5) as metrics:
        if not metrics.read().strip():
            raise BenchError(f"{name} has no metrics")
    eventually(f"{name} writes its access log", lambda: "/claims/echo" in setting.access_log.read_text())
    line = next(line for line in setting.access_log.read_text().splitlines() if "/claims/echo" in line)
    for word in ("H410000000", "127.0.0.1", "GET", "200", setting.nodes[0].partition(":")[0][:6], "r-echo"):
        if word not in line:
            raise BenchError(f"{name}: {word} is not in the line of the access log: {line}")


_FORWARDED: Final = {
    "the institution": r"^x-institution-id: H410000000\r?$",
    "the client's certificate": r"^client-cert: .*(MII|BEGIN%20CERT)",
    "X-Forwarded-For": r"^x-forwarded-for: 127\.0\.0\.1\r?$",
    "X-Forwarded-Proto": r"^x-forwarded-proto: https\r?$",
    "X-Forwarded-Host": r"^x-forwarded-host: settle\.example\.test\r?$",
    "Via": r"^via: 1\.1 ",
    "the request's id": r"^x-request-id: r-echo\r?$",
}


def _ask(setting: Setting, path: str) -> str:
    """Head and body of the answer."""
    context = ssl.create_default_context(cafile=str(setting.certificates.anchor))
    context.load_cert_chain(setting.certificates.first)
    request = f"GET {path} HTTP/1.1\r\nHost: {_NAME}\r\nX-Request-Id: r-echo\r\nX-Institution-Id: forged\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", setting.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=_NAME) as stream,
    ):
        stream.sendall(request.encode())
        response = http.client.HTTPResponse(stream)
        response.begin()
        body = response.read().decode()
        return f"HTTP/1.1 {response.status}\r\n\r\n{body}"


def _enters_without_certificate(setting: Setting) -> bool:
    context = ssl.create_default_context(cafile=str(setting.certificates.anchor))
    try:
        with (
            socket.create_connection(("127.0.0.1", setting.port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=_NAME) as stream,
        ):
            stream.sendall(f"GET /claims/claim HTTP/1.1\r\nHost: {_NAME}\r\n\r\n".encode())
            return b" 200 " in stream.recv(4096).partition(b"\r\n")[0]
    except (ssl.SSLError, ConnectionError):
        return False


def _last_words(setting: Setting) -> str:
    texts = []
    for path in sorted(setting.folder.glob("*.log")):
        tail = path.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        texts += [f"{path}:", *tail] if tail else []
    return "\n".join(texts)
