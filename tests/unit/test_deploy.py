"""What stands in deploy/ for the host: keys that exist, times that fit those of the code, commands that there are."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import cli
from gateway.check_machine import descriptors
from gateway.config import GatewayConfig
from gateway.crew import GRACE, READY_WITHIN
from gateway.listening import BACKLOG
from gateway.reading import READ_WITHIN
from gateway.supervisor import END_WITHIN, FIRST_LOOK_WITHIN
from gateway.worker import DRAIN
from monitoring.config import AdminConfig

DEPLOY = Path(__file__).parents[2] / "deploy"
SYSCTL = DEPLOY / "sysctl.d/60-settlegate.conf"
UNIT = DEPLOY / "systemd/settlegate.service"
LOGROTATE = DEPLOY / "logrotate.d/settlegate"
PROGRAM = "/usr/local/lib/settlegate/bin/settlegate"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def settings() -> dict[str, tuple[str, str]]:
    """Key, with its "-", to its value and the comment above it."""
    found: dict[str, tuple[str, str]] = {}
    comment = ""
    for line in SYSCTL.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            comment += line[1:]
        elif line:
            key, equals, value = line.partition("=")
            assert equals, line
            found[key.strip()] = (value.strip(), comment)
        else:
            comment = ""
    return found


def unit() -> dict[str, str]:
    """Directive to value; none is written twice in ours."""
    lines = [line for line in UNIT.read_text(encoding="utf-8").splitlines() if line and line[0] not in "#["]
    pairs = dict(line.split("=", 1) for line in lines)
    assert len(pairs) == len(lines)
    return pairs


def seconds(text: str) -> float:
    assert text.endswith("s"), text
    return float(text[:-1])


CALLBACK_WITHOUT_EXECUTABLE_MEMORY = """\
import ctypes, sys
from OpenSSL import SSL
context = SSL.Context(SSL.TLS_METHOD)
if ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN: Linux 6.3
    sys.exit("no PR_SET_MDWE here")
try:
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
except MemoryError:
    print("refused")
else:
    print("granted")
"""


# ---- sysctl


@pytest.mark.parametrize("key", settings())
def test_every_kernel_setting_exists_and_says_why(key: str) -> None:
    value, why = settings()[key]
    place = Path("/proc/sys") / key.removeprefix("-").replace(".", "/")
    if key.startswith("-"):
        assert "nf_conntrack" in key, "only a module's settings may be missing"
    else:
        assert place.exists()
    if place.exists():
        assert len(place.read_text(encoding="ascii").split()) == len(value.split())
    assert len(why) > 80


def test_the_kernel_does_not_cut_the_accept_queue() -> None:
    assert int(settings()["net.core.somaxconn"][0]) >= BACKLOG


def test_local_ports_leave_those_alone_that_are_listened_on() -> None:
    first, last = map(int, settings()["net.ipv4.ip_local_port_range"][0].split())
    assert AdminConfig().bind.port < first < 32768
    assert (first + last) % 2, "the kernel prefers ends of different parity"


# ---- systemd


def test_the_unit_runs_commands_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("ExecStart", "ExecReload"):
        program, command, *rest = shlex.split(unit()[name])
        assert program == PROGRAM
        with pytest.raises(SystemExit) as ended:
            cli.main([command, "--help"])
        assert ended.value.code == 0
        assert rest == ["/etc/settlegate/gateway.yaml"]
    capsys.readouterr()


def test_the_unit_is_as_patient_as_the_gateway() -> None:
    assert seconds(unit()["TimeoutStartSec"]) >= READ_WITHIN + FIRST_LOOK_WITHIN + READY_WITHIN
    assert seconds(unit()["TimeoutStopSec"]) >= DRAIN + GRACE + END_WITHIN


def test_the_unit_has_room_for_the_most_workers_and_for_the_default_limits() -> None:
    limit = int(unit()["LimitNOFILE"])
    listener = {"bind": "127.0.0.1:1", "certificate": "c", "key": "k", "trust": {"anchors": ["a"]}}
    config = GatewayConfig.model_validate(
        {"workers": 1, "listeners": {"a": listener}, "pools": {"p": {"nodes": [{"address": "127.0.0.1:2"}]}}}
    )
    assert limit >= descriptors(config)
    assert int(unit()["TasksMax"]) >= 2 * 64 + 100


def test_the_unit_is_not_root_and_may_do_one_thing_of_root() -> None:
    found = unit()
    assert found["User"] == found["Group"] == "settlegate"
    assert found["CapabilityBoundingSet"] == found["AmbientCapabilities"] == "CAP_NET_BIND_SERVICE"
    sysusers = (DEPLOY / "sysusers.d/settlegate.conf").read_text(encoding="utf-8")
    assert re.search(r"^u settlegate ", sysusers, re.MULTILINE)


def test_the_unit_leaves_out_the_one_restriction_that_certificates_cannot_be_checked_under() -> None:
    """MemoryDenyWriteExecute. Fails when pyOpenSSL can do without such memory: then the unit may have it."""
    assert "MemoryDenyWriteExecute" not in unit()
    done = subprocess.run(
        [sys.executable, "-c", CALLBACK_WITHOUT_EXECUTABLE_MEMORY], capture_output=True, text=True, check=False
    )
    if "no PR_SET_MDWE here" in done.stderr:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, sys.executable), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, said) == (0, []), done.stderr


@needs_systemd
def test_systemd_calls_the_exposure_low(tmp_path: Path) -> None:
    """On a scale from 0 to 10, 10 being root without any restriction; 2.0 is what systemd calls OK."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


def test_the_log_is_rotated_where_the_unit_has_it_written_and_by_its_user() -> None:
    text = LOGROTATE.read_text(encoding="utf-8")
    assert text.count(f"/var/log/{unit()['LogsDirectory']}/*.log") == 1
    assert f"su {unit()['User']} {unit()['Group']}" in text
    assert UNIT.name in text
