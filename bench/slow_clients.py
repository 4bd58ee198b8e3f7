"""What slow and greedy clients do to everybody else: claims are settled while 2,000 connections attack.

    python bench/slow_clients.py [--connections 2000] [--seconds 15] [--only WORD] [--cores]

The gateway runs one worker. Honest clients (mutual TLS) settle claims on kept connections, and newcomers log in all
the time; their latencies are measured from the moment a request was due. Attacks: slowhttptest's four (it has no
certificate: strangers), and those of an attacker with a certificate. Node, clients and attackers are processes of
this file. `--cores` gives the gateway one core and everybody else the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter

import uvloop

sys.path.insert(0, os.environ.get("SETTLEGATE_ROOT", str(Path(__file__).parents[1])))

from tests.support.gateway import Gateway

KEPT = 16
"""Honest kept connections."""
PER_SECOND = 10.0
"""Claims on each of them."""
LOGINS = 5.0
"""Newcomers a second: full handshake and one claim."""
CLAIM = json.dumps({"claim_id": "b-1", "patient": "41030000001", "items": [{"code": "F210300001"}] * 8}).encode()
POST = b"POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
BIG = bytes(1 << 20)

# ---- the node


async def node(port_file: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(x[15:]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:")), 0)
                await reader.readexactly(length)
                body = BIG if head.startswith(b"GET /big") else b'{"status": "settled"}'
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
                for at in range(0, len(body), 1 << 16):  # so that the node has not to hold what nobody takes
                    writer.write(body[at : at + (1 << 16)])
                    await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    port_file.write_text(str(server.sockets[0].getsockname()[1]))  # noqa: ASYNC240 - once, before anything else
    await server.serve_forever()


# ---- honest clients


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(POST % (b"/claims/", len(CLAIM)) + CLAIM)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(x[15:]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:"))
    body = await reader.readexactly(length)
    if not head.startswith(b"HTTP/1.1 200") or b"settled" not in body:
        raise ConnectionError(f"not settled: {head[:30]!r}")


async def honest(port: int, pki: Path, seconds: float) -> None:
    """Print what was measured as JSON."""
    context = client_context(pki)
    kept: list[float] = []
    fresh: list[float] = []
    failures: list[str] = []
    start = perf_counter()

    async def keeps(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        due = number / KEPT / PER_SECOND
        while due < seconds:
            await asyncio.sleep(max(0.0, start + due - perf_counter()))
            try:
                await ask(reader, writer)
            except (OSError, asyncio.IncompleteReadError) as error:
                failures.append(f"kept: {error!r}")
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            kept.append(perf_counter() - start - due)
            due += 1 / PER_SECOND
        writer.close()

    async def logs_in(due: float) -> None:
        await asyncio.sleep(max(0.0, start + due - perf_counter()))
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            await ask(reader, writer)
            writer.close()
        except (OSError, asyncio.IncompleteReadError) as error:
            failures.append(f"login: {error!r}")
        fresh.append(perf_counter() - start - due)

    logins = [logs_in(n / LOGINS) for n in range(int(seconds * LOGINS))]
    await asyncio.gather(*(keeps(number) for number in range(KEPT)), *logins)
    print(json.dumps({"kept": kept, "fresh": fresh, "failures": failures}))


def client_context(pki: Path | None, certificate: str = "hospital") -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if pki is not None:
        context.load_cert_chain(pki / f"{certificate}.pem", pki / f"{certificate}.key")
    return context


# ---- attackers of our own

Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def heads(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /claims/ HTTP/1.1\r\nHost: bench\r\n")
    while True:
        await asyncio.sleep(1)
        writer.write(b"X-a: b\r\n")


async def bodies(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(POST % (b"/big", 100_000))  # another node: what it suffers is not measured here
    while True:
        await asyncio.sleep(1)
        writer.write(b"a")


async def reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(b"GET /big HTTP/1.1\r\nHost: bench\r\n\r\n")
    raw = writer.get_extra_info("socket")
    while True:
        await asyncio.sleep(1)
        with suppress(BlockingIOError):
            if not raw.recv(5):
                return


async def pipelines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    while True:
        writer.write(b"GET /claims/ HTTP/1.1\r\nHost: bench\r\n\r\n" * 100)
        await writer.drain()


async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


ATTACKS: dict[str, Attack] = {
    "heads": heads,
    "bodies": bodies,
    "reads": reads,
    "pipelines": pipelines,
    "silent": nothing,
}


async def attack(name: str, port: int, pki: Path, connections: int, seconds: float) -> None:
    """As many connections as that, anew whenever one is closed. `silent` never begins its handshake."""
    context = None if name == "silent" else client_context(pki, "attacker")
    counts = {"opened": 0, "closed": 0}

    async def one(number: int) -> None:
        await asyncio.sleep(number / 1000)  # a thousand a second
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                raw = socket.socket()
                if name in ("reads", "pipelines"):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                raw.setblocking(False)
                await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
                reader, writer = await asyncio.open_connection(
                    sock=raw, ssl=context, server_hostname="x" if context else None
                )
                counts["opened"] += 1
                try:
                    ended = asyncio.ensure_future(ATTACKS[name](reader, writer))
                    await ended
                finally:
                    writer.transport.abort()
            counts["closed"] += 1
            await asyncio.sleep(1)

    many = connections // 40 if name == "pipelines" else connections  # these work, and are many enough so
    tasks = [asyncio.ensure_future(one(number)) for number in range(many)]
    await asyncio.sleep(seconds)
    print(json.dumps(counts), file=sys.stderr)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# ---- one run


def slowhttptest(mode: str, port: int, connections: int, seconds: float) -> list[str]:
    options = {
        "-H": ["-i", "2"],
        "-B": ["-i", "2", "-s", "8192"],
        "-R": ["-a", "5", "-b", "3000"],
        "-X": ["-w", "1", "-y", "512", "-n", "5", "-z", "5", "-k", "3"],
    }
    url = f"https://127.0.0.1:{port}/claims/"
    common = ["-c", str(connections), "-r", "1000", "-l", str(int(seconds)), "-u", url, "-p", "5", "-v", "1"]
    return ["slowhttptest", mode, *options[mode], *common]


TOOL = {"slowloris": "-H", "body": "-B", "range": "-R", "read": "-X"}
"""Attacks of slowhttptest."""
FIRST = ["chrt", "--fifo", "10"]
"""Real time: other work on the machine shall not be measured."""
SCENES = ["quiet", *TOOL, *ATTACKS]


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000 if values else float("nan")


@contextmanager
def child(arguments: list[str], **options: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(arguments, text=True, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def scene(name: str, args: argparse.Namespace, folder: Path, nodes: list[int]) -> dict[str, object]:
    limits = {"minimum_rate": "500B/s"} | json.loads(args.limits)
    claims, big = ({"nodes": [{"address": f"127.0.0.1:{port}"}]} for port in nodes)
    gateway = Gateway(
        folder,
        workers=1,
        listener={"limits": limits},
        routes=[
            {"name": "claims", "path": "/claims/", "pool": "claims"},
            {"name": "big", "path": "/big", "pool": "big"},
        ],
        pools={"claims": claims, "big": big},
    )
    gateway.world.issue("attacker", uid="P410300017")
    ours = [sys.executable, str(Path(__file__))]
    pki, seconds = str(folder / "pki"), args.seconds
    with gateway:
        worker = gateway.workers()[0]
        if args.cores:
            os.sched_setaffinity(worker, {0})
        if args.first:
            os.sched_setscheduler(worker, os.SCHED_FIFO, os.sched_param(10))
        port = gateway.port()
        attacker: list[str] = []
        if name in TOOL:
            attacker = slowhttptest(TOOL[name], port, args.connections, seconds + 2)
        elif name != "quiet":
            attacker = [*ours, "--attack", name, str(port), pki, str(args.connections), str(seconds + 2)]
        if attacker and args.first:
            attacker = ["chrt", "--rr", "1", *attacker]
        began = cpu(worker)
        with child(attacker or ["true"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as enemy:
            time.sleep(0.5)  # not a wait for anything: the attack shall be under way
            clients = [*(FIRST if args.first else []), *ours, "--honest", str(port), pki, str(seconds)]
            measured = json.loads(
                subprocess.run(clients, capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
            )
            connections = gateway.metric('settlegate_connections{listener="settlement"}')
            said = enemy.stderr.read() if name in ATTACKS and enemy.stderr else ""
        refusals = {
            line.split('reason="')[1].split('"')[0]: int(float(line.rpartition(" ")[2]))
            for line in gateway.get("/metrics").splitlines()
            if line.startswith("settlegate_refusals_total") and not line.endswith(" 0.0")
        }
        used = cpu(worker) - began
        status = Path(f"/proc/{worker}/status").read_text().splitlines()
        memory = int(next(line.split()[1] for line in status if line.startswith("VmHWM")))
    return {
        "attack": name,
        "claims": len(measured["kept"]) + len(measured["fresh"]),
        "failed": len(measured["failures"]),
        "p50": percentile(measured["kept"], 0.5),
        "p99": percentile(measured["kept"], 0.99),
        "most": percentile(measured["kept"], 1.0),
        "login p50": percentile(measured["fresh"], 0.5),
        "login p99": percentile(measured["fresh"], 0.99),
        "open at end": int(connections),
        "CPU": used / seconds,
        "MiB": memory // 1024,
        "refused": refusals,
        "attacker": said.strip(),
    }


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--only", nargs="*", default=SCENES, choices=SCENES, metavar="SCENE", help=", ".join(SCENES))
    parser.add_argument("--limits", default="{}", help="further limits of the listener, as JSON")
    parser.add_argument("--first", action="store_true", help="honest clients, gateway and node before all else here")
    parser.add_argument("--cores", action="store_true", help="the gateway on core 0, everybody else elsewhere")
    args = parser.parse_args()
    if args.cores:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {0})
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "claims", Path(folder) / "big"]
        first = FIRST if args.first else []
        with (
            child([*first, sys.executable, __file__, "--node", str(files[0])]),
            child([sys.executable, __file__, "--node", str(files[1])]),
        ):
            while not all(file.exists() and file.read_text() for file in files):
                time.sleep(0.02)
            ports = [int(file.read_text()) for file in files]
            for index, name in enumerate(args.only):
                row = scene(name, args, Path(folder) / str(index), ports)
                shown = (f"{k} {v:.1f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items())
                print("  ".join(shown), flush=True)


ROLES: dict[str, Callable[..., Awaitable[None]]] = {
    "--node": lambda file: node(Path(file)),
    "--honest": lambda port, pki, seconds: honest(int(port), Path(pki), float(seconds)),
    "--attack": lambda name, port, pki, many, seconds: attack(name, int(port), Path(pki), int(many), float(seconds)),
}

if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in ROLES:
        uvloop.run(ROLES[sys.argv[1]](*sys.argv[2:]))  # type: ignore[arg-type]
    else:
        main()
