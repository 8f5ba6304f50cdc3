import os
from typing import Any

import click
import pytest

from appctl import command_line, daemon_options, directories
from appctl.cli import cli as ovs_appctl
from appctl.command_line import CliError, GetoptCommand, OptionalValue, version_option

seen: dict[str, Any] = {}


@click.command("tool", cls=GetoptCommand, context_settings=command_line.HELP)
@click.option("--pidfile", cls=OptionalValue)
@click.option("-t", "--target")
@click.option("--timeout")
@click.option("-q", "--quiet", is_flag=True)
@click.option("--many", multiple=True)
@version_option("tool")
@click.argument("words", nargs=-1)
def tool(**values: object) -> int:
    """Remember."""
    seen.clear()
    seen.update(values)
    if values["target"] == "fail":
        raise CliError("it failed", 3)
    return 4 if values["target"] == "four" else 0


def run(command: click.Command, *args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        command_line.run(command, "tool", args)
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (["--pidfile", "foo"], {"pidfile": "", "words": ("foo",)}),
        (["--pidfile=x", "foo"], {"pidfile": "x", "words": ("foo",)}),
        (["foo"], {"pidfile": None}),
        (["--pid=x"], {"pidfile": "x"}),
        (["a", "-qt", "x", "b"], {"quiet": True, "target": "x", "words": ("a", "b")}),
        (["-tx", "--", "-q"], {"target": "x", "words": ("-q",), "quiet": False}),
        (["-t", "--", "-"], {"target": "--", "words": ("-",)}),
        (["--many=1", "--many", "2"], {"many": ("1", "2")}),
        (["--target="], {"target": ""}),
        (["--quiet", "--q"], {"quiet": True}),
    ],
)
def test_words_are_read_as_getopt_reads_them(args: list[str], found: dict[str, object]) -> None:
    assert run(tool, *args) == 0
    assert {name: seen[name] for name in found} == found


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--bad=1"], "unrecognized option '--bad=1'"),
        (["--t=x"], "option '--t=x' is ambiguous; possibilities: '--target' '--timeout'"),
        (["--quiet=1"], "option '--quiet' doesn't allow an argument"),
        (["--target"], "option '--target' requires an argument"),
        (["-t"], "option requires an argument -- 't'"),
        (["-qx"], "invalid option -- 'x'"),
    ],
)
def test_mistakes_are_told_in_one_line(args: list[str], text: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(tool, *args) == 1
    assert capfd.readouterr() == ("", f"tool: {text}\n")


def test_exit_status_is_what_the_command_says(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(tool, "--target=four") == 4
    assert run(tool, "--target=fail") == 3
    assert capfd.readouterr().err == "tool: it failed\n"


def test_the_version_is_the_last_word_of_the_first_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(tool, "-V") == 0
    assert capfd.readouterr().out.splitlines()[0] == "tool (Open vSwitch) 3.1.0"


def test_help_ends_well(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(tool, "-h") == 0
    assert "Remember." in capfd.readouterr().out


@pytest.mark.parametrize("timeout", ["x", "0", "-1", "1.5"])
def test_appctl_refuses_a_bad_timeout(timeout: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(ovs_appctl, "-T", timeout, "version") == 1
    assert capfd.readouterr().err == f"tool: value {timeout} on -T or --timeout is invalid\n"


def test_appctl_wants_a_command(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(ovs_appctl) == 1
    text = "at least one non-option argument is required (use --help for help)"
    assert capfd.readouterr().err == f"tool: {text}\n"


def test_file_names_of_a_daemon_are_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVS_RUNDIR", "/run/test")
    options: list[daemon_options.Options] = []

    @click.command("prog", cls=GetoptCommand)
    @daemon_options.daemon_options("prog")
    def command(*, daemon: daemon_options.Options) -> None:
        options.append(daemon)

    run(command, "--pidfile", "--detach", "--unixctl=ctl")
    run(command, "--pidfile=x", "--no-chdir", "--monitor", "--unixctl=none")
    run(command)
    assert options[0] == daemon_options.Options(
        "prog", "/run/test/prog.pid", detach=True, unixctl="/run/test/ctl"
    )
    assert options[1] == daemon_options.Options(
        "prog", "/run/test/x", chdir=False, monitor=True, unixctl="none"
    )
    assert options[2] == daemon_options.Options("prog")


def test_directories_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR", "OVS_PKGDATADIR"):
        monkeypatch.delenv(name, raising=False)
    assert directories.rundir() == "/var/run/openvswitch"
    assert directories.dbdir() == "/etc/openvswitch"
    assert directories.logdir() == "/var/log/openvswitch"
    assert directories.pkgdatadir() == "/usr/share/openvswitch"
    monkeypatch.setenv("OVS_SYSCONFDIR", "/x")
    assert directories.dbdir() == "/x/openvswitch"
    monkeypatch.setenv("OVS_DBDIR", os.sep)
    assert directories.dbdir() == "/"


def test_a_mistake_of_the_program_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def cli() -> None:
        raise ZeroDivisionError("division by zero")

    with pytest.raises(SystemExit) as ended:
        command_line.run(cli, "tool", [])
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert "tool: internal error: ZeroDivisionError: division by zero" in told
    assert "Traceback" not in told
