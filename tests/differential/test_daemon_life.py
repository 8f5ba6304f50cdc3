"""What service scripts expect of the daemons; each test runs on the C programs and on ours."""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.peers import C_SBIN, OUR_BIN, Home, create_database, home, is_listening, wait_until

pytestmark = pytest.mark.peer


@dataclass(frozen=True)
class Place:
    """A directory with a database, and the programs under test."""

    home: Home
    programs: Path
    database: Path

    def daemon(self, name: str, *options: str) -> "Started":
        """Start a daemon with --detach and --pidfile; wait for its parent to return."""
        argv = [str(self.programs / name), "--detach", "--pidfile", *options]
        done = self.home.run(*argv, check=False)
        return Started(self, name, done.returncode, done.stdout, done.stderr)

    def server(self, *options: str) -> "Started":
        return self.daemon("ovsdb-server", str(self.database), f"--remote=punix:{self.home.socket}", *options)

    def pid(self, name: str) -> int:
        return int((self.home.path / f"{name}.pid").read_text())

    def kill_all(self) -> None:
        for path in self.home.path.glob("*.pid"):
            pid = int(path.read_text())
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda pid=pid: not alive(pid), f"{path.stem} ends")  # type: ignore[misc]


@dataclass(frozen=True)
class Started:
    place: Place
    name: str
    status: int
    out: str
    err: str

    @property
    def pid(self) -> int:
        return self.place.pid(self.name)


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it may end between opening and reading
        return False


@pytest.fixture(params=[C_SBIN, OUR_BIN], ids=["C", "ours"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with home() as directory:
        it = Place(directory, request.param, create_database(directory))
        try:
            yield it
        finally:
            it.kill_all()


def test_the_parent_of_detach_returns_when_the_daemon_serves(place: Place) -> None:
    started = place.server()
    assert (started.status, started.out) == (0, "")
    assert is_listening(place.home.socket)
    assert Path(f"/proc/{started.pid}/comm").read_text() == "ovsdb-server\n"


def test_a_quiet_start_writes_nothing_to_stderr(place: Place) -> None:
    started = place.server("-vconsole:emer", "-vsyslog:err", "-vfile:info", "--no-chdir", "--log-file")
    assert (started.status, started.err) == (0, "")
    log = (place.home.path / "ovsdb-server.log").read_text()
    first = log.splitlines()[0]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\|00001\|vlog\|INFO\|opened log file ", first)


def test_the_command_line_of_debians_service_is_understood(place: Place) -> None:
    started = place.server(
        "-vconsole:emer",
        "-vsyslog:err",
        "-vfile:info",
        "--private-key=db:Open_vSwitch,SSL,private_key",
        "--certificate=db:Open_vSwitch,SSL,certificate",
        "--bootstrap-ca-cert=db:Open_vSwitch,SSL,ca_cert",
        "--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
        "--no-chdir",
        f"--log-file={place.home.path}/server.log",
    )
    assert (started.status, started.err) == (0, "")


def test_a_daemon_that_cannot_start_leaves_no_pidfile(place: Place) -> None:
    started = place.daemon("ovsdb-server", "/nonexistent/conf.db")
    assert started.status == 1
    assert "/nonexistent/conf.db" in started.err
    assert "Traceback" not in started.err
    assert not list(place.home.path.glob("*.pid"))


def test_a_second_server_on_the_same_file_is_refused(place: Place) -> None:
    place.server()
    second = place.daemon("ovsdb-server", str(place.database), f"--pidfile={place.home.path}/second.pid")
    assert second.status == 1
    assert "conf.db" in second.err
    assert "lock" in second.err
    assert not (place.home.path / "second.pid").exists()


def test_a_second_daemon_with_the_same_pidfile_is_refused(place: Place) -> None:
    first = place.server()
    second = place.server()
    assert second.status == 1
    assert f"already running as pid {first.pid}" in second.err
    assert place.pid("ovsdb-server") == first.pid


def test_sigterm_ends_cleanly(place: Place) -> None:
    started = place.server()
    os.kill(pid := started.pid, signal.SIGTERM)
    wait_until(lambda: not alive(pid), "the server ends")
    assert not (place.home.path / "ovsdb-server.pid").exists()
    assert not place.home.socket.exists()
    assert not list(place.home.path.glob("*.ctl"))


def test_a_pidfile_left_by_a_killed_daemon_is_taken_over(place: Place) -> None:
    os.kill(killed := place.server().pid, signal.SIGKILL)
    wait_until(lambda: not alive(killed), "the server is gone")
    again = place.server()
    assert again.status == 0
    assert again.pid != killed


def test_the_monitor_starts_a_crashed_daemon_again(place: Place) -> None:
    first = place.server("--monitor").pid
    os.kill(first, signal.SIGSEGV)
    wait_until(
        lambda: (place.home.path / "ovsdb-server.pid").exists() and place.pid("ovsdb-server") != first,
        "a new pid",
    )
    wait_until(lambda: is_listening(place.home.socket), "the restarted server listens")


def test_port_0_is_logged_with_the_port_it_got(place: Place) -> None:
    place.server("--remote=ptcp:0:127.0.0.1", "--log-file")
    log = place.home.path / "ovsdb-server.log"
    wait_until(
        lambda: re.search(r"istening on port (\d+)", log.read_text()) is not None, "the port is logged"
    )
    found = re.search(r"istening on port (\d+)", log.read_text())
    assert found
    answer = place.home.run("/usr/bin/ovsdb-client", "list-dbs", f"tcp:127.0.0.1:{found[1]}").stdout
    assert "Open_vSwitch" in answer


def test_the_switch_daemon_detaches_under_its_own_name(place: Place) -> None:
    place.server()
    started = place.daemon("ovs-vswitchd", "--enable-dummy=override", "-vconsole:emer")
    assert (started.status, started.err) == (0, "")
    assert Path(f"/proc/{started.pid}/comm").read_text() == "ovs-vswitchd\n"
    version = place.home.run("/usr/bin/ovs-appctl", "-t", "ovs-vswitchd", "version").stdout
    assert version.startswith("ovs-vswitchd (Open vSwitch) ")
    place.home.run("/usr/bin/ovs-appctl", "-t", "ovs-vswitchd", "exit")
    wait_until(lambda: not (place.home.path / "ovs-vswitchd.pid").exists(), "the pidfile goes")


CAPABILITIES = {"ovsdb-server": 0x4400, "ovs-vswitchd": 0x7C00}  # bind, lock memory; and network devices


@pytest.mark.netns  # for root
@pytest.mark.parametrize("monitor", [[], ["--monitor"]], ids=["alone", "monitored"])
def test_another_user_keeps_the_capabilities_that_are_needed(place: Place, monitor: list[str]) -> None:
    for path in (place.home.path, *place.home.path.iterdir()):
        shutil.chown(path, "nobody")
    options = ["--user=nobody:nogroup", "--log-file", *monitor]
    place.server(*options, "-vconsole:off")
    place.daemon("ovs-vswitchd", "--enable-dummy=override", "-vconsole:off", *options)
    for name, capabilities in CAPABILITIES.items():
        pids = [place.pid(name)]
        if monitor:
            pids.append(int(status_of(pids[0])["PPid"][0]))
        for pid in pids:
            found = status_of(pid)
            assert set(found["Uid"]) == {"65534"}
            assert set(found["Gid"]) == {"65534"}
            assert found["Groups"] == []
            sets = [int(found[f"Cap{kind}"][0], 16) for kind in ("Prm", "Eff", "Inh", "Bnd", "Amb")]
            assert sets == [capabilities, capabilities, 0, 0, 0]
        log = place.home.path / f"{name}.log"
        log.rename(place.home.path / "rotated")
        place.home.run("/usr/bin/ovs-appctl", "-t", name, "vlog/reopen")
        assert log.stat().st_uid == 65534


def status_of(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: values.split() for name, _, values in (line.partition(":") for line in lines)}


@pytest.mark.netns  # for root
@pytest.mark.parametrize(
    ("user", "text"),
    [
        ("nosuch", "user nosuch not found, aborting."),
        ("nobody:nosuch", "group nosuch not found, aborting."),
        (":daemon", "Invalid --user option :daemon (user root is not in group daemon), aborting."),
    ],
)
def test_a_user_that_cannot_be_is_refused(place: Place, user: str, text: str) -> None:
    started = place.server(f"--user={user}")
    assert started.status == 1
    assert started.err.endswith(f"{text}\n")
    assert not list(place.home.path.glob("*.pid"))


def test_standard_streams_may_be_closed(place: Place) -> None:
    argv: list[str | Path] = [
        place.programs / "ovsdb-server",
        "--detach",
        "--pidfile",
        "--log-file",
        place.database,
    ]
    shell = 'exec 0<&- 1>&- 2>&-; exec "$@"'
    done = place.home.run("/bin/sh", "-c", shell, "sh", *argv, f"--remote=punix:{place.home.socket}")
    assert (done.stdout, done.stderr) == ("", "")
    assert place.home.run("/usr/bin/ovsdb-client", "list-dbs").stdout == "Open_vSwitch\n_Server\n"
    fds = {os.readlink(f"/proc/{place.pid('ovsdb-server')}/fd/{number}") for number in (0, 1, 2)}
    assert fds == {os.devnull}


def test_the_monitor_logs_to_the_file_that_was_rotated(place: Place) -> None:
    first = place.server("--monitor", "--log-file").pid
    log = place.home.path / "ovsdb-server.log"
    log.rename(place.home.path / "rotated")
    place.home.run("/usr/bin/ovs-appctl", "-t", "ovsdb-server", "vlog/reopen")
    os.kill(first, signal.SIGSEGV)
    wait_until(lambda: f"pid {first} died" in log.read_text(), "the crash is in the new file")
    wait_until(lambda: is_listening(place.home.socket), "the restarted server listens")


def test_an_overwritten_pidfile_names_the_new_daemon(place: Place) -> None:
    first = place.server().pid
    other = create_database(place.home, "other.db")
    started = place.daemon("ovsdb-server", str(other), "--overwrite-pidfile")
    second = started.pid
    try:
        assert started.status == 0
        assert second != first
    finally:  # the C program removes a file that is the other one's
        os.kill(first, signal.SIGTERM)
        wait_until(lambda: not alive(first), "the first one ends")
        if alive(second):
            os.kill(second, signal.SIGTERM)
            wait_until(lambda: not alive(second), "the second one ends")
