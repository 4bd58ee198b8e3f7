"""Three proxies before one node: the gateway, Debian's nginx, Debian's HAProxy, told to do the same as far as they can.

The two others hear plain HTTP on a Unix socket: what is compared is how messages are read and written.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from tests.conformance.wire import Caught, talk_plain, talk_tls
from tests.support.desk import Desk, Reply
from tests.support.gateway import HOSPITAL, Gateway, eventually
from tests.support.http1_strict import Fields, Message

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
OWN = {
    b"x-institution-id": re.compile(re.escape(HOSPITAL).encode()),
    b"client-cert": re.compile(rb":MII[A-Za-z0-9+/=]+:"),
    b"x-forwarded-for": re.compile(rb"127\.0\.0\.1"),
    b"x-forwarded-proto": re.compile(rb"https"),
    b"x-forwarded-host": re.compile(rb"[^,]*"),
    b"via": re.compile(rb"1\.1 settlegate"),
}
"""What a proxy says of the client in its own name, and how it says it."""
NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_header_timeout 20s;
    client_body_timeout 20s;
    proxy_read_timeout 20s;
    client_max_body_size 0;
    large_client_header_buffers 4 32k;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream node {{ server {node}; keepalive 8; }}
    server {{
        listen unix:{folder}/nginx.sock;
        location / {{
            proxy_pass http://node;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_ignore_client_abort on;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Institution-Id {institution};
            proxy_set_header Client-Cert :MIIB:;
            proxy_set_header X-Forwarded-For 127.0.0.1;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header Via "1.1 settlegate";
        }}
    }}
}}
"""
HAPROXY = """
global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
frontend clients
    bind unix@{folder}/haproxy.sock
    http-request set-header X-Institution-Id {institution}
    http-request set-header Client-Cert :MIIB:
    http-request set-header X-Forwarded-For 127.0.0.1
    http-request set-header X-Forwarded-Proto https
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header Via "1.1 settlegate"
    default_backend nodes
backend nodes
    server node {node}
"""


class Proxy(Protocol):
    """What stands before the node."""

    name: str
    desk: Desk

    def talk(self, data: bytes, *, singly: bool, fin: bool, until: bytes) -> Caught: ...


class Ours:
    """The gateway; the client is the hospital."""

    name = "Settlegate"

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk = desk
        timeouts = {"handshake": "20s", "head": "20s", "body": "20s", "idle": "20s"}
        self.gateway = Gateway(folder, nodes=[desk.address], listener={"timeouts": timeouts})
        self._context: ssl.SSLContext | None = None

    def __enter__(self) -> Self:
        self.gateway.start()
        self._context = self.gateway.context(self.gateway.world.hospital)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gateway.__exit__(kind, error, trace)

    def talk(self, data: bytes, *, singly: bool, fin: bool, until: bytes) -> Caught:
        assert self._context is not None
        return talk_tls(self.gateway.port(), self._context, data, singly=singly, fin=fin, until=until)


class Debian:
    """nginx or HAProxy as Debian packages it."""

    def __init__(self, program: str, desk: Desk) -> None:
        self.name = {"nginx": "nginx", "haproxy": "HAProxy"}[program]
        self.desk = desk
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="conformance-"))
        self._socket = self._folder / f"{self._program}.sock"
        path = self._folder / "config"
        template = NGINX if self._program == "nginx" else HAPROXY
        path.write_text(template.format(folder=self._folder, node=self.desk.address, institution=HOSPITAL))
        arguments = ["-c", str(path)] if self._program == "nginx" else ["-db", "-f", str(path)]
        executable = found(self._program)
        assert executable is not None
        with (self._folder / "output").open("wb") as output:
            self._process = subprocess.Popen([executable, *arguments], stdout=output, stderr=subprocess.STDOUT)
        eventually(self._listens)
        return self

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "output").read_text()
        return self._socket.exists()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)
        shutil.rmtree(self._folder)

    def talk(self, data: bytes, *, singly: bool, fin: bool, until: bytes) -> Caught:
        """Always whole."""
        return talk_plain(str(self._socket), data, fin=fin, until=until)


def found(program: str) -> str | None:
    """Where the program is, if it is installed."""
    return shutil.which(program, path=PATH)


def version(program: str) -> str:
    """As `nginx/1.22.1`."""
    executable = found(program)
    assert executable is not None
    done = subprocess.run([executable, "-v"], capture_output=True, text=True, check=True)
    match = re.search(r"(?:nginx/|HAProxy version )([0-9.]+)", done.stdout + done.stderr)
    assert match is not None
    return match[1]


def without_own(message: Message) -> tuple[Message, list[str]]:
    """The message without what the proxy said in its own name, and what is wrong with that."""
    complaints = []
    left: Fields = ()
    counts = dict.fromkeys(OWN, 0)
    for name, value in message.fields:
        if name in OWN and OWN[name].fullmatch(value):
            counts[name] += 1
        elif not (name == b"x-request-id" and re.fullmatch(rb"[0-9a-zA-Z._-]+", value)):
            left += ((name, value),)
    complaints += [f"{count} times {name!r}" for name, count in counts.items() if count != 1]
    return message._replace(fields=left), complaints


def echo(message: Message) -> Reply:
    """The node's answer where a case says nothing else: it repeats the target."""
    body = b"seen %b" % message.line[1]
    length = b"Content-Length: %d\r\n" % len(body)
    return Reply(b"HTTP/1.1 200 OK\r\n%b\r\n%b" % (length, b"" if message.line[0] == b"HEAD" else body))
