"""The life of a daemon, on the smallest one there is."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NAME = "sample-daemon"


class Home:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.env = {**os.environ, "OVS_RUNDIR": str(path), "OVS_LOGDIR": str(path), "PYTHONPATH": str(ROOT)}
        self.pids: set[int] = set()

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "tests.kit.sample_daemon", *args]
        done = subprocess.run(argv, env=self.env, cwd=self.path, capture_output=True, text=True, timeout=60)
        if self.files("*.pid"):
            self.pids.add(self.pid())
        return done

    def appctl(self, *args: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-c", "from appctl.cli import main; main()", "-t", NAME, *args]
        return subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=60)

    def pid(self) -> int:
        return int((self.path / f"{NAME}.pid").read_text())

    def has_other_pid(self, pid: int) -> bool:
        """Whether the pidfile is there, and another process's."""
        with contextlib.suppress(FileNotFoundError):
            return self.pid() != pid
        return False

    def files(self, pattern: str) -> list[str]:
        return sorted(path.name for path in self.path.glob(pattern))

    def wait(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def gone(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # the latter if it goes while it is being read
        return True


def command_name(pid: int) -> str:
    """Empty if it is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text()
    return ""


@pytest.fixture
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="t-daemon-") as name:
        it = Home(Path(name))
        try:
            yield it
        finally:
            pids = it.pids | ({it.pid()} if it.files("*.pid") else set())
            for pid in pids:
                if NAME in command_name(pid) and not gone(pid):
                    os.kill(pid, signal.SIGTERM)
            for pid in pids:
                it.wait(lambda pid=pid: gone(pid))  # type: ignore[misc]


def test_a_detached_daemon_serves_and_ends_on_command(home: Home) -> None:
    started = home.run("--detach", "--pidfile", "word", "--log-file")
    assert started.returncode == 0
    pid = home.pid()
    assert Path(f"/proc/{pid}/comm").read_text() == f"{NAME}\n"
    assert home.files("*.ctl") == [f"{NAME}.{pid}.ctl"]
    assert home.appctl("words").stdout == "word /\n"
    assert home.appctl("late").stdout == "late\n"
    assert os.readlink(f"/proc/{pid}/fd/2") == os.devnull
    assert home.appctl("exit").returncode == 0
    home.wait(lambda: gone(pid))
    assert home.files("*") == [f"{NAME}.log"]


def test_answers_and_refusals_reach_the_user(home: Home) -> None:
    home.run("--detach", "--pidfile")
    refused = home.appctl("refuse", "thing")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"no thing\novs-appctl: {NAME}: server returned an error\n"
    bug = home.appctl("bug")
    assert bug.returncode == 2
    assert "Traceback" not in bug.stderr
    assert home.appctl("version").stdout == f"{NAME} (Open vSwitch) 3.1.0\n"


@pytest.mark.parametrize(("how", "status", "text"), [("error", 1, "cannot come up"), ("bug", 1, "internal error"), ("exit", 3, "")])  # fmt: skip
@pytest.mark.parametrize("monitor", [[], ["--monitor"]], ids=["alone", "monitored"])
def test_a_daemon_that_cannot_start_says_so(
    home: Home, how: str, status: int, text: str, monitor: list[str]
) -> None:
    started = home.run("--detach", "--pidfile", "--log-file", f"--fail={how}", *monitor)
    assert started.returncode == status
    assert text in started.stderr
    assert "Traceback" not in started.stderr
    assert how == "exit" or home.files("*.pid*") == []


def test_a_second_daemon_is_refused(home: Home) -> None:
    home.run("--detach", "--pidfile")
    second = home.run("--detach", "--pidfile")
    path = home.path / f"{NAME}.pid"
    assert second.returncode == 1
    assert second.stderr == f"{NAME}: {path}: already running as pid {home.pid()}, aborting\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_cleanly_and_is_what_it_dies_of(home: Home, number: signal.Signals) -> None:
    argv = [sys.executable, "-m", "tests.kit.sample_daemon", "--pidfile"]
    # A shell that runs the tests in the background makes them, and the daemon with them, ignore SIGINT.
    heed = partial(signal.signal, number, signal.SIG_DFL)
    with subprocess.Popen(argv, env=home.env, stderr=subprocess.PIPE, preexec_fn=heed) as process:
        try:
            home.wait(lambda: home.files("*.ctl"))
            process.send_signal(number)
            assert process.wait(30) == -number
        finally:
            process.kill()
    assert home.files("*") == []


def test_the_monitor_restarts_what_crashed_and_leaves_with_what_ended(home: Home) -> None:
    home.run("--detach", "--pidfile", "--monitor", "--log-file")
    first = home.pid()
    monitor = parent(first)
    assert Path(f"/proc/{monitor}/comm").read_text() == "monitor\n"
    assert f"{NAME}: monitoring pid {first} (healthy)" in Path(f"/proc/{monitor}/cmdline").read_text()
    assert home.appctl("crash").returncode == 0
    home.wait(lambda: home.has_other_pid(first))
    second = home.pid()
    home.pids.add(second)
    assert parent(second) == monitor
    home.wait(lambda: home.appctl("version").returncode == 0)
    title = f"{NAME}: monitoring pid {second} (1 crashes: pid {first} died"
    home.wait(lambda: title in Path(f"/proc/{monitor}/cmdline").read_text())
    os.kill(second, signal.SIGTERM)
    home.wait(lambda: gone(monitor))
    assert home.files("*.pid") == home.files("*.ctl") == []
    log = (home.path / f"{NAME}.log").read_text()
    assert "ValueError: crash" in log
    assert f"|daemon_unix(monitor)|ERR|1 crashes: pid {first} died, killed (Aborted), restarting" in log
    assert f"|daemon_unix(monitor)|INFO|pid {second} died, killed (Terminated), exiting" in log


def test_logs_are_written_after_detaching(home: Home) -> None:
    home.run("--detach", "--pidfile", "--log-file", "--no-chdir")
    assert home.appctl("words").stdout == f" {home.path}\n"
    log = home.path / f"{NAME}.log"
    log.rename(home.path / "old")
    assert home.appctl("vlog/reopen").returncode == 0
    assert "opened log file" in log.read_text()
    assert home.appctl("vlog/set", "file:dbg").returncode == 0
    home.appctl("version")
    assert "|unixctl|DBG|received request version" in log.read_text()


@pytest.mark.parametrize("abstract", [False, True], ids=["file", "abstract"])
@pytest.mark.parametrize("options", [[], ["--detach"], ["--detach", "--monitor"]], ids=" ".join)
def test_the_service_manager_is_told(home: Home, options: list[str], abstract: bool) -> None:
    name = f"{home.path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name if abstract else name)
        manager.settimeout(30)
        home.env["NOTIFY_SOCKET"] = "@" + name if abstract else name
        argv = [sys.executable, "-m", "tests.kit.sample_daemon", "--pidfile", *options]
        with subprocess.Popen(argv, env=home.env) as process:
            try:
                ready = manager.recv(1000).decode().splitlines()
                home.wait(lambda: home.files("*.pid"))
                home.pids.add(home.pid())
                main = parent(home.pid()) if "--monitor" in options else home.pid()
                assert ready == ["READY=1", f"MAINPID={main}"]
                home.wait(lambda: home.appctl("exit").returncode == 0)
                assert manager.recv(1000) == b"STOPPING=1"
            finally:
                if "--detach" not in options:
                    process.kill()
