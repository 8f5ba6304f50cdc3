"""ovs-appctl and daemons, crosswise: the C tool on our daemon, ours on the C daemon, and both tools on the same."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kit.peers import C_BIN, OUR_BIN, Home, home, wait_until

pytestmark = pytest.mark.peer

ROOT = Path(__file__).parents[2]
NAME = "sample-daemon"


@pytest.fixture(scope="module")
def place() -> Iterator[Home]:
    """A directory in which the C ovsdb-server and our sample daemon run."""
    with ExitStack() as stack:
        directory = stack.enter_context(home())
        env = {**directory.env, "PYTHONPATH": str(ROOT)}
        argv = [sys.executable, "-m", "tests.kit.sample_daemon", "--detach", "--pidfile", "--log-file"]
        stack.callback(directory.run, C_BIN / "ovs-appctl", "-t", NAME, "exit", check=False)
        subprocess.run(argv, env=env, check=True, timeout=60)
        database = directory.path / "peer.db"
        directory.run(C_BIN / "ovsdb-tool", "create", database, "/usr/share/openvswitch/vswitch.ovsschema")
        stack.callback(directory.run, C_BIN / "ovs-appctl", "-t", "ovsdb-server", "exit", check=False)
        directory.run(
            "/usr/sbin/ovsdb-server", database, "--detach", "--pidfile", "--log-file", "-vconsole:off"
        )
        yield directory


def ask(place: Home, program: Path, *args: str) -> tuple[int, str, list[str]]:
    """Exit status, output and errors; without the C programs' log lines on stderr."""
    done = place.run(program / "ovs-appctl", *args, check=False)
    errors = [line.removeprefix(f"{C_BIN}/") for line in done.stderr.splitlines() if "|WARN|" not in line]
    return done.returncode, done.stdout, errors


@pytest.mark.parametrize(
    "line",
    [
        "-t ovsdb-server version",
        "--tar=ovsdb-server list-commands",
        "-tovsdb-server vlog/list",
        "-t ovsdb-server vlog/list --foo",
        "-t ovsdb-server -T 5 nosuch",
        "-t ovsdb-server ovsdb-server/add-db",
        "-t ovsdb-server vlog/set nosuch",
        f"-t {NAME} list-commands",
        f"-t {NAME} version",
        f"-t {NAME} vlog/list",
        f"-t {NAME} refuse thing",
        f"-t {NAME} refuse",
        f"-t {NAME} late",
        "-t nosuch version",
        "-t /nonexistent/sock version",
        "version",
        "",
        "-t",
        "--bad",
        "-T x version",
        "-T 0 version",
        "--t=ovsdb-server version",
    ],
)
def test_both_tools_say_the_same(place: Home, line: str) -> None:
    assert ask(place, OUR_BIN, *line.split()) == ask(place, C_BIN, *line.split())


@pytest.mark.parametrize(
    "command",
    [
        ["nosuch"],
        ["version", "x"],
        ["list-commands", "x"],
        ["vlog/list-pattern"],
        ["vlog/list", "x"],
        ["vlog/set", "nosuch"],
        ["vlog/set", "file:dbg:info"],
        ["vlog/set", "jsonrpc,unixctl"],
        ["vlog/set", "FACILITY:nosuch"],
        ["vlog/set", "FACILITY:local1"],
        ["vlog/set", "PATTERN:nosuch:%m"],
        ["vlog/set", "dpif_netdev:file:dbg", "any:syslog:off"],
        ["vlog/set"],
        ["vlog/disable-rate-limit", "nosuch"],
        ["vlog/disable-rate-limit", "jsonrpc"],
        ["vlog/enable-rate-limit"],
        ["vlog/reopen"],
        ["vlog/close"],
    ],
    ids=" ".join,
)
def test_both_daemons_say_the_same(place: Home, command: list[str]) -> None:
    def answer(target: str) -> tuple[int, str, list[str]]:
        status, out, err = ask(place, C_BIN, "-t", target, *command)
        return status, out, [line.replace(target, "TARGET") for line in err]

    assert answer(NAME) == answer("ovsdb-server")


def test_setting_nothing_sets_everything_to_dbg(place: Home) -> None:
    for target in (NAME, "ovsdb-server"):
        place.run(C_BIN / "ovs-appctl", "-t", target, "vlog/set")
        levels = place.run(C_BIN / "ovs-appctl", "-t", target, "vlog/list").stdout
        assert levels.splitlines()[-1].split() == ["vlog", "DBG", "DBG", "DBG"]


def test_both_daemons_format_log_lines_the_same(place: Home) -> None:
    pattern = "%-6p|%06N|%t|%T|%E|%B|%q|%%|%9c|%m"
    lines = []
    for target in (NAME, "ovsdb-server"):
        place.run(
            C_BIN / "ovs-appctl",
            "-t",
            target,
            "vlog/set",
            "info",
            f"PATTERN:file:{pattern}",
            "FACILITY:daemon",
        )
        place.run(C_BIN / "ovs-appctl", "-t", target, "vlog/close")
        place.run(C_BIN / "ovs-appctl", "-t", target, "vlog/reopen")
        log = place.path / f"{target}.log"
        wanted = re.compile(r"^INFO  \|(\d{6})\|(.*\|     vlog\|opened log file .*)$", re.MULTILINE)
        wait_until(lambda log=log, wanted=wanted: wanted.search(log.read_text()), "the line is written")  # type: ignore[misc]
        found = wanted.search(log.read_text())
        assert found
        fields = found[2].split("|")
        lines.append([field.replace(target, "TARGET") for field in fields])
    assert lines[0] == lines[1]


def test_the_same_time_limit_kills_both_tools(place: Home) -> None:
    path = str(place.path / "silent")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen()
        for program in (OUR_BIN, C_BIN):
            status, _, _ = ask(place, program, "-T", "1", "-t", path, "version")
            assert status == -signal.SIGALRM
