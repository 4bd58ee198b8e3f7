"""The command line as a shell sees it: exit codes, which stream, never a traceback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import cli
from settings import twins
from settings.types import Address
from tests.support.fake_admin import AdminServer, FakeCentre

ROOT = Path(__file__).parents[2]
NODE = "127.0.0.1:18101"


@pytest.fixture
def server() -> Iterator[AdminServer]:
    with AdminServer(FakeCentre()) as running:
        yield running


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG"}}
    return {**inherited, "PYTHONPATH": str(ROOT), "SETTLEGATE_STATE": str(tmp_path / "state")}


class Shell:
    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment = environment
        self.folder = folder

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-W", "error", "-m", "gateway", *map(str, arguments)]

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
def shell(environment: dict[str, str], tmp_path: Path) -> Shell:
    return Shell(environment, tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fly",),
        ("run",),
        ("check",),
        ("show",),
        ("drain", "settlement"),
        ("drain", "settlement", NODE, "--wait", "soon"),
        ("status", "--admin", "nowhere"),
        ("status", "--json", "--watch"),
        ("status", "a.yaml", "--config", "b.yaml"),
        ("certs",),
        ("certs", "show"),
        ("certs", "enrol"),
        ("run", "a.yaml", "b.yaml"),
    ],
)
def test_wrong_use_is_2_and_told_on_stderr(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = cli.main(arguments)
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert "settlegate" in err


def test_wrong_use_is_2_for_a_shell_too(shell: Shell) -> None:
    done = shell("certs")
    assert (done.returncode, done.stdout) == (2, "")
    assert "show" in done.stderr


@pytest.mark.parametrize(
    "command",
    [(), ("run",), ("check",), ("show",), ("reload",), ("status",), ("drain",), ("ready",), ("demo",), ("certs",)],
)
def test_help_explains_every_command(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([*command, "--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: {' '.join(('settlegate', *command))}")


def test_every_command_of_the_interface_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("    ")}
    assert {"run", "check", "show", "reload", "status", "drain", "ready", "demo", "certs", "version"} <= listed


def test_version(shell: Shell) -> None:
    done = shell("version")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()][:2] == ["settlegate", "python"]
    assert f"twins {twins.in_use()}\n" in done.stdout


def test_status_of_a_running_gateway(shell: Shell, server: AdminServer) -> None:
    done = shell("status", "--admin", server.address, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["settlement"]["nodes"][NODE]["state"] == "up"
    done = shell("status", "--admin", server.address)
    assert done.returncode == 0
    assert NODE in done.stdout


def test_nobody_there_is_1(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    for arguments in (("status",), ("reload",), ("drain", "settlement", NODE), ("ready", "settlement", NODE)):
        done = shell(*arguments, "--admin", f"127.0.0.1:{port}")
        assert (done.returncode, done.stdout) == (1, "")
        assert "Connection refused" in done.stderr
    done = shell("status")
    assert done.returncode == 1
    assert "--admin" in done.stderr


def test_draining_and_making_ready(shell: Shell, server: AdminServer) -> None:
    assert shell("drain", "settlement", NODE, "--admin", server.address).returncode == 0
    assert server.centre.nodes["settlement"][NODE]["state"] == "draining"
    assert shell("ready", "settlement", NODE, "--admin", server.address).returncode == 0
    assert server.centre.nodes["settlement"][NODE]["state"] == "up"
    done = shell("drain", "settlement", NODE, "--wait", "0.1", "--admin", server.address)
    assert done.returncode == 1
    assert "still 3 in flight" in done.stderr
    done = shell("drain", "settlment", NODE, "--admin", server.address)
    assert done.returncode == 1
    assert 'did you mean "settlement"?' in done.stderr


def test_reloading(shell: Shell, server: AdminServer) -> None:
    done = shell("reload", "--admin", server.address)
    assert (done.returncode, done.stderr) == (0, "")
    assert "generation 2" in done.stdout


def test_a_configuration_that_is_not_there_is_1(shell: Shell) -> None:
    for arguments in (
        ("check", "no.yaml"),
        ("show", "no.yaml"),
        ("status", "no.yaml"),
        ("drain", "p", "n", "--config", "no.yaml"),
    ):
        done = shell(*arguments)
        assert done.returncode == 1, arguments
        assert "no.yaml" in done.stdout + done.stderr


def test_the_schema_is_json(shell: Shell) -> None:
    done = shell("show", "--schema")
    assert done.returncode == 0
    assert json.loads(done.stdout)["type"] == "object"


def test_a_certificate_that_is_not_there_is_1(shell: Shell) -> None:
    done = shell("certs", "show", "no.pem")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "no.pem: No such file or directory\n"


def test_ctrl_c_ends_watching_without_a_word(shell: Shell, server: AdminServer) -> None:
    with subprocess.Popen(
        shell.command("status", "--watch", "--admin", server.address),
        env=shell.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline()
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == cli.INTERRUPTED
        assert child.stderr.read() == b""
        child.stdout.read()


def test_a_reader_that_goes_away_is_no_fault(shell: Shell) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            shell.command("show", "--schema"),
            env=shell.environment,
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 1


def test_a_terminal_without_chinese_gets_question_marks(shell: Shell) -> None:
    shell.environment |= {"PYTHONIOENCODING": "ascii"}
    done = shell("certs", "show", "no.pem", "--help")
    assert done.returncode == 0
    assert "?" in done.stdout


def test_help_is_quick(shell: Shell) -> None:
    """It must not import what it does not need: no cryptography, no web server."""
    code = (
        "import sys, gateway.cli\n"
        "gateway.cli._parser()\n"
        "sys.exit(any(name in sys.modules for name in ('aiohttp', 'OpenSSL', 'rich')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=shell.environment, timeout=60, check=False)
    assert done.returncode == 0


def test_options_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr("gateway.operate.find", lambda admin, config: (admin, config))
    monkeypatch.setattr("gateway.operate.drain", lambda *given: told.append(given))
    assert cli.main(["drain", "p", "n", "--wait", "30", "--admin", "[::1]:5"]) == 0
    assert cli.main(["drain", "p", "n", "--wait", "1m", "--config", "a.yaml"]) == 0
    assert told == [
        ((Address("::1", 5), None), "p", "n", 30.0),
        ((None, Path("a.yaml")), "p", "n", 60.0),
    ]


def test_the_demo_gets_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []

    def main(once: bool, keep: Path | None = None) -> int:
        told.append((once, keep))
        return 1

    monkeypatch.setattr("gateway.demo.main", main)
    assert cli.main(["demo"]) == 1
    assert cli.main(["demo", "--once", "--keep", "here"]) == 1
    assert told == [(False, None), (True, Path("here"))]


def test_running_gets_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Path] = []

    def run(path: Path) -> int:
        told.append(path)
        return 1

    monkeypatch.setattr("gateway.supervisor.run", run)
    assert cli.main(["run", "gateway.yaml"]) == 1
    assert told == [Path("gateway.yaml")]


def test_an_interrupted_command_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Path) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("gateway.supervisor.run", interrupted)
    assert cli.main(["run", "gateway.yaml"]) == cli.INTERRUPTED
