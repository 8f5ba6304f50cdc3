"""The daemons that tests talk to, the C ones and ours, each in a directory of its own.

Rule: whatever a context manager here starts, it stops and removes, also when the test fails.
Every daemon runs in the foreground as a child of the test, with OVS_RUNDIR, OVS_LOGDIR, OVS_DBDIR and OVS_SYSCONFDIR
in a fresh directory below /tmp (short: a socket's path has 107 bytes), so that several can run side by side.

    with c_ovsdb_server() as server:                      # /usr/sbin/ovsdb-server on a new Open_vSwitch database
        server.run("/usr/bin/ovs-vsctl", "--no-wait", "show")
    with our_ovsdb_server() as server, c_vswitchd(server, "--enable-dummy=override") as switch:
        switch.appctl("version")
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

C_SBIN = Path("/usr/sbin")
C_BIN = Path("/usr/bin")
OUR_BIN = Path(sys.executable).parent  # the console scripts of this environment
C_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
START_TIMEOUT = 120.0 if os.environ.get("IN_KERNEL_VM") else 20.0  # seconds until a daemon must answer
STOP_TIMEOUT = 10.0  # seconds after SIGTERM before SIGKILL


class PeerError(Exception):
    """A daemon or tool did not do what the test needs of it; the text has its output."""


@dataclass(frozen=True)
class Home:
    """A directory for the run-time files of some daemons, and the environment that makes programs use it."""

    path: Path
    env: dict[str, str]

    @property
    def socket(self) -> Path:
        """Where ovsdb-server listens in this home (the default of ovs-vsctl)."""
        return self.path / "db.sock"

    def run(
        self, *argv: str | Path, check: bool = True, stdin: str = "", timeout: float = 30
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end with this home's environment; PeerError when `check` and it fails."""
        done = subprocess.run(
            [str(a) for a in argv],
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self.path,
        )
        if check and done.returncode:
            raise PeerError(f"{argv} exited with {done.returncode}: {done.stdout}{done.stderr}")
        return done


@dataclass(frozen=True)
class Daemon:
    """A running daemon."""

    name: str
    home: Home
    process: subprocess.Popen[bytes]
    control: Path  # its unixctl socket
    remote: str  # "unix:/path" of the database it serves or uses
    log: Path  # its stdout and stderr
    databases: tuple[Path, ...] = field(default=())

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        return self.process.pid

    def run(
        self, *argv: str | Path, check: bool = True, stdin: str = "", timeout: float = 30
    ) -> subprocess.CompletedProcess[str]:
        """Run a program with the daemon's environment."""
        return self.home.run(*argv, check=check, stdin=stdin, timeout=timeout)

    def appctl(self, *args: str, check: bool = True) -> str:
        """Send a control command with the C ovs-appctl; its standard output."""
        return self.run(C_BIN / "ovs-appctl", "-t", self.control, *args, check=check).stdout

    def output(self) -> str:
        """What the daemon has written to stdout and stderr."""
        return self.log.read_text(errors="replace")

    def resident_kb(self) -> int:
        """Resident memory in kB."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise PeerError(f"{self.name} is not running")

    def terminate(self) -> int:
        """SIGTERM, then wait; the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(STOP_TIMEOUT)


@contextmanager
def home(prefix: str = "ovs-") -> Iterator[Home]:
    """Make a fresh directory and the environment for it; the directory goes afterwards."""
    path = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    env = {k: v for k, v in os.environ.items() if not k.startswith("OVS_")}
    env |= {f"OVS_{kind}DIR": str(path) for kind in ("RUN", "LOG", "DB", "SYSCONF")}
    env["TZ"] = "UTC"
    try:
        yield Home(path, env)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def wait_until(condition: Callable[[], bool], what: str, timeout: float = START_TIMEOUT) -> None:
    """Poll until the condition holds; PeerError at the deadline."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise PeerError(f"waited {timeout} s in vain until {what}")
        time.sleep(0.01)


def is_listening(path: Path) -> bool:
    """Whether a Unix stream socket accepts connections."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def create_database(place: Home, name: str = "conf.db", schema: Path = C_SCHEMA) -> Path:
    """Create an empty database with the C ovsdb-tool (the reference for the file format)."""
    path = place.path / name
    place.run(C_BIN / "ovsdb-tool", "create", path, schema)
    return path


@contextmanager
def daemon(
    name: str,
    argv: Sequence[str | Path],
    place: Home,
    *,
    control: Path,
    remote: str,
    ready: Callable[[], bool],
    namespace: str | None = None,
    databases: tuple[Path, ...] = (),
) -> Iterator[Daemon]:
    """Start a program in the foreground (in a network namespace, if named), wait until it is ready, stop it at the end."""
    log = place.path / f"{name}.out"
    prefix = ["ip", "netns", "exec", namespace] if namespace else []
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*prefix, *(str(a) for a in argv)],
            env=place.env,
            cwd=place.path,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    running = Daemon(name, place, process, control, remote, log, databases)
    try:
        wait_until(lambda: process.poll() is not None or ready(), f"{name} serves")
        if process.poll() is not None:
            raise PeerError(f"{name} ended with {process.returncode}:\n{running.output()}")
        yield running
    finally:
        _stop(process)
    if process.returncode == -signal.SIGABRT:  # a mistake of ours that shows at the end only
        raise PeerError(f"{name} aborted:\n{running.output()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _ovsdb_server(
    program: Path,
    place: Home | None,
    databases: Sequence[Path] | None,
    args: Sequence[str],
    namespace: str | None,
    name: str,
) -> Iterator[Daemon]:
    if place is None:
        with home() as fresh, _ovsdb_server(program, fresh, databases, args, namespace, name) as running:
            yield running
        return
    if databases is None:
        existing = place.path / "conf.db"
        databases = [existing if existing.exists() else create_database(place)]
    listening, control = place.socket, place.path / f"{name}.ctl"
    argv: list[str | Path] = [
        program,
        *databases,
        f"--remote=punix:{listening}",
        f"--unixctl={control}",
        *args,
    ]
    with daemon(
        name,
        argv,
        place,
        control=control,
        remote=f"unix:{listening}",
        ready=lambda: is_listening(listening) and is_listening(control),
        namespace=namespace,
        databases=tuple(databases),
    ) as running:
        yield running


@contextmanager
def c_ovsdb_server(
    place: Home | None = None,
    *args: str,
    databases: Sequence[Path] | None = None,
    namespace: str | None = None,
    name: str = "ovsdb-server",
) -> Iterator[Daemon]:
    """Run the C ovsdb-server on `databases`; by default conf.db in its home, created with the Open_vSwitch schema."""
    with _ovsdb_server(C_SBIN / "ovsdb-server", place, databases, args, namespace, name) as running:
        yield running


@contextmanager
def our_ovsdb_server(
    place: Home | None = None,
    *args: str,
    databases: Sequence[Path] | None = None,
    namespace: str | None = None,
    name: str = "ovsdb-server",
) -> Iterator[Daemon]:
    """Run our ovsdb-server, with the same arguments as `c_ovsdb_server`."""
    with _ovsdb_server(OUR_BIN / "ovsdb-server", place, databases, args, namespace, name) as running:
        yield running


OVSDB_SERVERS = {"c": c_ovsdb_server, "ours": our_ovsdb_server}  # for pytest.mark.parametrize


@contextmanager
def _vswitchd(program: Path, server: Daemon, args: Sequence[str], namespace: str | None) -> Iterator[Daemon]:
    control = server.home.path / "ovs-vswitchd.ctl"
    argv: list[str | Path] = [program, server.remote, f"--unixctl={control}", *args]
    with daemon(
        "ovs-vswitchd",
        argv,
        server.home,
        control=control,
        remote=server.remote,
        ready=lambda: is_listening(control),
        namespace=namespace,
    ) as running:
        yield running


@contextmanager
def c_vswitchd(server: Daemon, *args: str, namespace: str | None = None) -> Iterator[Daemon]:
    """Run the C ovs-vswitchd on a database server, for instance with "--enable-dummy=override" or "--disable-system"."""
    with _vswitchd(C_SBIN / "ovs-vswitchd", server, args, namespace) as running:
        yield running


@contextmanager
def our_vswitchd(server: Daemon, *args: str, namespace: str | None = None) -> Iterator[Daemon]:
    """Run our ovs-vswitchd on a database server."""
    with _vswitchd(OUR_BIN / "ovs-vswitchd", server, args, namespace) as running:
        yield running
