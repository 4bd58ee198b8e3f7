"""What the numbers were measured on: stated beside them, or they mean nothing."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.errors import BenchError
from bench.places import ROOT
from bench.programs import installed


def machine() -> dict[str, str]:
    """By name, in the order to show them."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {os.cpu_count()} cores{_hypervisor()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / (1 << 30):.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "nginx": _first(_said("nginx", "-V"), r"nginx/(\S+)") + ", " + _openssl(_said("nginx", "-V")),
        "HAProxy": _first(_said("haproxy", "-vv"), r"version (\S+)") + ", " + _openssl(_said("haproxy", "-vv")),
        "Settlegate": _settlegate({}),
        "Settlegate, pure": _settlegate({"SETTLEGATE_PURE": "1"}),
        "load client": _openssl(_said("openssl", "version")),
    }


def _settlegate(environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", "gateway", "version"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return ", ".join(line.strip() for line in done.stdout.splitlines()) or "unknown"


def _said(*command: str) -> str:
    try:
        done = subprocess.run((installed(command[0]), *command[1:]), capture_output=True, text=True, check=False)
    except (OSError, BenchError):
        return ""
    return done.stdout + done.stderr


def _first(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else "unknown"


def _openssl(text: str) -> str:
    return "OpenSSL " + _first(text, r"OpenSSL (\d\S+)")


def _processor() -> str:
    try:
        return _first(Path("/proc/cpuinfo").read_text(encoding="utf-8"), r"model name\s*: (.*)")
    except OSError:
        return platform.machine()


def _hypervisor() -> str:
    try:
        return ", virtual" if " hypervisor" in Path("/proc/cpuinfo").read_text(encoding="utf-8") else ""
    except (OSError, BenchError):
        return ""
