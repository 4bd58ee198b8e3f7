"""The command line: which commands there are, what they take, and how their errors are told. They do nothing here.

Exit codes: 0 fine, 1 what was asked is not so, 2 wrong use, 130 interrupted. What a command needs is imported when
it is called, so that `settlegate --help` is quick and a broken part leaves the others usable.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn

from settings.addresses import parse_address
from settings.errors import ConfigError
from settings.types import Address
from settings.units import parse_duration

INTERRUPTED: Final = 130
"""128 + SIGINT, as shells have it."""
_EPILOG: Final = """\
退出码 exit codes: 0 正常 fine, 1 所问不成立 what was asked is not so, 2 用法错误 wrong use

向运行中的网关发出的命令这样找到它 commands to a running gateway find it by
  --admin, 否则给出的配置文件 else the configuration given, 否则上次在此运行的 else the one last run here"""

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Raises SystemExit for wrong use only (argparse)."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr] # a terminal without Chinese shows "?"
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        code = command(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `settlegate show | head`: nobody reads on. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="settlegate",
        description="医保结算 SSL VPN 网关与负载均衡 SSL VPN gateway and load balancer for medical settlements",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _show_commands_if_none(parser)
    commands = parser.add_subparsers(title="命令 commands", metavar="COMMAND")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=text, description=text, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        added.set_defaults(command=command)
        return added

    run = add("run", _run, "运行网关 run the gateway in the foreground")
    run.add_argument("config", metavar="CONFIG", type=Path, help="配置文件 configuration file")

    check = add("check", _check, "检查配置, 列出全部错误 check a configuration and list everything wrong with it")
    check.add_argument("config", metavar="CONFIG", type=Path, help="配置文件 configuration file")

    show = add("show", _show, "显示生效的完整配置 print the effective configuration, defaults included")
    show.add_argument("config", metavar="CONFIG", type=Path, nargs="?", help="配置文件 configuration file")
    show.add_argument("--schema", action="store_true", help="改为打印 JSON Schema print the JSON Schema instead")

    reload = add("reload", _reload, "重新加载配置, 连接不断 read the configuration again; connections stay")
    _running(reload, positional=True)

    status = add("status", _status, "显示节点池与节点 show pools and nodes")
    _running(status, positional=True)
    how = status.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="供程序读取 for programs")
    how.add_argument("--watch", action="store_true", help="持续刷新, Ctrl-C 结束 keep showing until Ctrl-C")

    drain = add("drain", _drain, "排空节点: 不再接新请求 drain a node: it finishes what it has and gets nothing new")
    _node(drain)
    drain.add_argument(
        "--wait",
        metavar="SECONDS",
        type=_seconds,
        help="等到排空, 最多这么久 wait until it is empty, at most so long (30 or 30s, 5m)",
    )
    ready = add("ready", _ready, "恢复节点 let a node take requests again")
    _node(ready)

    demo = add("demo", _demo, "本机演示: 完整的结算系统与故障 a whole settlement system on this machine, with faults")
    demo.add_argument("--once", action="store_true", help="演一遍就结束, 不交互 play once without asking, then end")
    demo.add_argument("--keep", metavar="DIR", type=Path, help="把配置、密钥、日志留在此目录 keep everything in DIR")

    _certs(commands.add_parser("certs", help="证书 certificates", description="证书 certificates"))
    add("version", _version, "显示版本 show versions")
    return parser


def _show_commands_if_none(parser: argparse.ArgumentParser) -> None:
    """Which ones exist is a better answer than that one is missing."""

    def told(_: argparse.Namespace) -> int:
        parser.print_help(sys.stderr)
        return 2

    parser.set_defaults(command=told)


def _running(parser: argparse.ArgumentParser, *, positional: bool) -> None:
    """Which gateway is meant."""
    parser.add_argument(
        "--admin", metavar="HOST:PORT", type=_address, help="管理接口地址 address of the admin API (admin.bind)"
    )
    text = "从此配置读取管理接口地址 read the address of the admin API from this configuration"
    if positional:
        parser.add_argument("config", metavar="CONFIG", type=Path, nargs="?", help=text)
    parser.add_argument("--config", metavar="CONFIG", type=Path, dest="named", help=text)


def _node(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pool", metavar="POOL", help="节点池 name of the pool")
    parser.add_argument("node", metavar="NODE", help="节点地址 address of the node, HOST:PORT as configured")
    _running(parser, positional=False)


def _certs(parser: argparse.ArgumentParser) -> None:
    _show_commands_if_none(parser)
    commands = parser.add_subparsers(title="命令 commands", metavar="COMMAND")
    text = "显示证书内容: 持有者、期限、公钥指纹、机构编号 show holder, dates, key pin and institution ids"
    show = commands.add_parser("show", help=text, description=text)
    show.add_argument("file", metavar="FILE", type=Path, help="PEM 或 DER 文件 PEM or DER file")
    show.set_defaults(command=_certs_show)


def _run(options: argparse.Namespace) -> int:
    from gateway import supervisor

    return supervisor.run(options.config)


def _check(options: argparse.Namespace) -> int:
    from gateway.check import run_check

    return _told(lambda: run_check(options.config, sys.stdout))


def _show(options: argparse.Namespace) -> int:
    from gateway.check import run_show

    if options.config is None and not options.schema:
        _wrong_use("show: 需要 CONFIG 或 --schema give CONFIG or --schema")
    return _told(lambda: run_show(options.config or Path(), sys.stdout, schema=options.schema))


def _reload(options: argparse.Namespace) -> int:
    from gateway import operate

    return _told(lambda: operate.reload(operate.find(options.admin, _config(options))))


def _status(options: argparse.Namespace) -> int:
    from gateway import operate

    return _told(
        lambda: operate.status(operate.find(options.admin, _config(options)), as_json=options.json, watch=options.watch)
    )


def _drain(options: argparse.Namespace) -> int:
    from gateway import operate

    return _told(
        lambda: operate.drain(operate.find(options.admin, _config(options)), options.pool, options.node, options.wait)
    )


def _ready(options: argparse.Namespace) -> int:
    from gateway import operate

    return _told(lambda: operate.ready(operate.find(options.admin, _config(options)), options.pool, options.node))


def _demo(options: argparse.Namespace) -> int:
    from gateway import demo

    return demo.main(options.once, options.keep)


def _certs_show(options: argparse.Namespace) -> int:
    from gateway import certs_cli

    return _told(lambda: certs_cli.show(options.file, sys.stdout))


def _version(_: argparse.Namespace) -> int:
    from gateway import versions

    for name, value in versions.everything().items():
        sys.stdout.write(f"{name} {value}\n")
    return 0


def _told(run: Callable[[], int | None]) -> int:
    """The command's exit code; its documented errors become lines on stderr and 1."""
    from gateway.certs_cli import UnreadableError
    from gateway.operate import FailedError

    try:
        return run() or 0
    except (FailedError, UnreadableError, ConfigError) as error:
        sys.stdout.flush()
        sys.stderr.write(f"{error}\n")
        return 1


def _config(options: argparse.Namespace) -> Path | None:
    named: Path | None = options.named
    positional: Path | None = getattr(options, "config", None)
    if named is not None and positional is not None:
        _wrong_use("CONFIG 与 --config 只给一个 give CONFIG or --config, not both")
    return named or positional


def _wrong_use(text: str) -> NoReturn:
    sys.stderr.write(f"settlegate: {text}\n")
    raise SystemExit(2)


def _address(text: str) -> Address:
    try:
        return parse_address(text, names=True)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    """30 and 30s mean the same here: the option says that it counts seconds."""
    written = text if not text.replace(".", "", 1).isdigit() else f"{text}s"
    try:
        return parse_duration(written, None)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
