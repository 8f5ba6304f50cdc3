import os
from typing import Any

import pytest

from appctl import command_line, daemon_options, directories
from appctl.cli import TOOL as OVS_APPCTL
from appctl.command_line import HELP_OPTION, VERSION_OPTION, CliError, Line, Tool
from appctl.getopt import OPTIONAL, VALUE, Option, integer, one_of
from appctl.tls_options import TLS_OPTIONS, tls_settings
from rpc.tls_settings import TlsSettings

seen: dict[str, Any] = {}


def remember(line: Line) -> int:
    seen.clear()
    seen.update(line.values, words=tuple(line.words))
    if line.values["target"] == "fail":
        raise CliError("it failed", 3)
    return 4 if line.values["target"] == "four" else 0


OPTIONS = (
    Option("--pidfile", takes=OPTIONAL),
    Option("-t", "--target", takes=VALUE),
    Option("--timeout", takes=VALUE, convert=integer(1), default=7),
    Option("--form", takes=VALUE, convert=one_of("a", "b")),
    Option("-q", "--quiet"),
    Option("--leader", negative="--no-leader", default=True),
    Option("--many", takes=VALUE, repeated=True),
    VERSION_OPTION,
    HELP_OPTION,
)
TOOL = Tool("tool", remember, OPTIONS, usage="[WORD]...", text="Remember.")


def run(tool: Tool, *args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        command_line.run(tool.main, "tool", args)
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
        (["--many=1", "--many", "2"], {"many": ["1", "2"]}),
        (["--target="], {"target": ""}),
        (["--quiet", "--q"], {"quiet": True}),
        (["--no-l"], {"leader": False, "timeout": 7}),
        (["--no-leader", "--leader", "--tim", "8"], {"leader": True, "timeout": 8}),
    ],
)
def test_words_are_read_as_getopt_reads_them(args: list[str], found: dict[str, object]) -> None:
    assert run(TOOL, *args) == 0
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
        (["--timeout=0"], "value 0 on --timeout is invalid: an integer of at least 1 is expected"),
        (["--form=c"], "value c on --form is invalid: one of a, b is expected"),
    ],
)
def test_mistakes_are_told_in_one_line(args: list[str], text: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(TOOL, *args) == 1
    assert capfd.readouterr() == ("", f"tool: {text}\n")


def test_exit_status_is_what_the_command_says(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(TOOL, "--target=four") == 4
    assert run(TOOL, "--target=fail") == 3
    assert capfd.readouterr().err == "tool: it failed\n"


def test_the_version_is_the_last_word_of_the_first_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(TOOL, "-V") == 0
    assert capfd.readouterr().out.splitlines()[0] == "tool (Open vSwitch) 3.1.0"


def test_help_ends_well(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(TOOL, "-h") == 0
    assert "Remember." in capfd.readouterr().out


@pytest.mark.parametrize("timeout", ["x", "0", "-1", "1.5"])
def test_appctl_refuses_a_bad_timeout(timeout: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(OVS_APPCTL, "-T", timeout, "version") == 1
    assert capfd.readouterr().err == f"tool: value {timeout} on -T or --timeout is invalid\n"


def test_appctl_wants_a_command(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(OVS_APPCTL) == 1
    text = "at least one non-option argument is required (use --help for help)"
    assert capfd.readouterr().err == f"tool: {text}\n"


def test_file_names_of_a_daemon_are_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVS_RUNDIR", "/run/test")
    options: list[daemon_options.Options] = []
    table = daemon_options.daemon_options("prog")
    tool = Tool(
        "prog",
        lambda line: options.append(daemon_options.daemon_settings(line)),
        table,
        usage="",
        text="",
    )
    run(tool, "--pidfile", "--detach", "--unixctl=ctl")
    run(tool, "--pidfile=x", "--no-chdir", "--monitor", "--unixctl=none")
    run(tool)
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
    def fail(_: object) -> int:
        raise ZeroDivisionError("division by zero")

    with pytest.raises(SystemExit) as ended:
        command_line.run(fail, "tool", [])
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert "tool: internal error: ZeroDivisionError: division by zero" in told
    assert "Traceback" not in told


def test_of_two_options_for_the_ca_the_last_one_counts() -> None:
    found: list[TlsSettings] = []
    tool = Tool("tool", lambda line: found.append(tls_settings(line.given)), TLS_OPTIONS, usage="", text="")
    run(tool, "-p", "key", "--ca-cert=a", "--bootstrap-ca-cert=b", "--ssl-ciphers=c")
    run(tool, "--bootstrap-ca-cert=b", "-Ca", "--peer-ca-cert=d")
    assert found == [
        TlsSettings(private_key="key", bootstrap_ca_cert="b", ciphers="c"),
        TlsSettings(ca_cert="a", peer_ca_cert="d"),
    ]


def test_help_is_laid_out_from_the_table(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(TOOL, "--help") == 0
    told = capfd.readouterr().out
    assert told.startswith("Usage: tool [WORD]...\n")
    for form in (form for option in OPTIONS for form in option.forms):
        assert form in told
