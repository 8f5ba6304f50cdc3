"""Two hosts on one machine: network namespaces joined by a veth pair, a database and a switch daemon in each.

Rule: a Lab removes all that it made, in whatever way it is left: daemons (by the pids in their pidfiles),
namespaces, files.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

OURS = Path(sys.executable).parent
UNDERLAY = ("10.10.10.129", "10.10.10.150")
OVERLAY = ("192.168.200.1", "192.168.200.2")
TIMEOUT = 60.0  # seconds for any one command: the VM of the kernel tests is slow


class CommandFailed(Exception):
    """A command of the lab ended with another status than 0; its output is in the message."""


@dataclass(frozen=True)
class Programs:
    """Which implementation of each program a host runs; None: the C one, wherever PATH has it."""

    server: Path | None = OURS
    vswitchd: Path | None = OURS
    tools: Path | None = OURS

    def path(self, program: str) -> str:
        """Return what to execute for `program`; a name that is not Open vSwitch's stays as it is."""
        if not program.startswith(("ovs-", "ovsdb-")):
            return program
        chosen = {"ovsdb-server": self.server, "ovs-vswitchd": self.vswitchd}.get(program, self.tools)
        if chosen:
            return str(chosen / program)
        found = shutil.which(program, path="/usr/bin:/usr/sbin:/bin:/sbin")
        if not found:
            raise CommandFailed(f"{program}: not installed")
        return found


@dataclass
class Host:
    """One host: a namespace and Open vSwitch's directories."""

    name: str  # "host1"
    namespace: str
    directory: Path
    programs: Programs
    say: Callable[[str], None] = field(repr=False, default=lambda text: None)

    def environment(self) -> dict[str, str]:
        """The environment in which this host's programs find each other."""
        place = str(self.directory)
        ours = dict.fromkeys(("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"), place)
        return {**os.environ, **ours, "PYTHONDONTWRITEBYTECODE": "1"}

    def popen(self, command: str) -> subprocess.Popen[str]:
        """Start a command on this host without waiting for it."""
        self.say(f"{self.name}# {command}")
        words = shlex.split(command)
        return subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, self.programs.path(words[0]), *words[1:]],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str, *, check: bool = True) -> str:
        """Run a command line on this host; return what it printed.

        Raises CommandFailed where it did not end in time, or with a status that is not 0 while `check` holds.
        """
        process = self.popen(command)
        try:
            output, _ = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            raise CommandFailed(
                f"{self.name}# {command}\n{output}\nstill running after {TIMEOUT:g} s"
            ) from None
        for line in output.splitlines():
            self.say(f"    {line}")
        if check and process.returncode:
            raise CommandFailed(f"{self.name}# {command}\n{output}\nexit status {process.returncode}")
        return output

    def shell(self, line: str) -> None:
        """Run commands separated by `;`, as typed."""
        for command in line.split(";"):
            self.run(command.strip())

    def start_server(self) -> None:
        """Make the database if there is none, and serve it."""
        database = self.directory / "conf.db"
        if not database.exists():
            schema = "" if self.programs.tools else "/usr/share/openvswitch/vswitch.ovsschema"
            self.run(f"ovsdb-tool create {database} {schema}")
        socket = self.directory / "db.sock"
        self.run(f"ovsdb-server {database} --remote=punix:{socket} --detach --pidfile --log-file")
        self.run("ovs-vsctl --no-wait init")

    def start_switch(self) -> None:
        """Start the switch daemon."""
        self.run("ovs-vswitchd --detach --pidfile --log-file")

    def pid(self, daemon: str) -> int | None:
        """Return the process id that a daemon's pidfile names; None without one."""
        try:
            return int((self.directory / f"{daemon}.pid").read_text())
        except (OSError, ValueError):
            return None

    def stop(self, daemon: str, signal_number: int = signal.SIGTERM) -> None:
        """End a daemon and wait until it is gone; one that ignores the signal for 20 s is killed."""
        pid = self.pid(daemon)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)
            deadline = time.monotonic() + 20
            while _running(pid):
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.02)

    def log(self, daemon: str) -> str:
        """Return what a daemon has logged."""
        path = self.directory / f"{daemon}.log"
        return path.read_text() if path.exists() else ""


def _running(pid: int) -> bool:
    """Tell whether a process lives; a zombie that its parent has not fetched is gone for us."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Lab:
    """The two hosts, running, with bridges, addresses and a tunnel on request. Use as a context manager."""

    def __init__(
        self,
        datapath: str,
        *,
        programs: tuple[Programs, Programs] = (Programs(), Programs()),
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`datapath`: "kernel" or "userspace"."""
        self.datapath = datapath
        self.say = say
        self._directory = Path(tempfile.mkdtemp(prefix="vswitch-lab-"))
        self.hosts = tuple(
            Host(f"host{n}", f"vswitch-{os.getpid()}-host{n}", self._directory / f"host{n}", kind, say)
            for n, kind in enumerate(programs, 1)
        )

    def __enter__(self) -> Lab:
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _build(self) -> None:
        first, second = (host.namespace for host in self.hosts)
        for host in self.hosts:
            host.directory.mkdir()
            subprocess.run(["ip", "netns", "add", host.namespace], check=True)
        link = [
            "ip",
            "link",
            "add",
            "eth1",
            "netns",
            first,
            "type",
            "veth",
            "peer",
            "name",
            "eth1",
            "netns",
            second,
        ]
        subprocess.run(link, check=True)
        for host in self.hosts:
            quiet = Host(host.name, host.namespace, host.directory, host.programs)
            quiet.shell("ip link set lo up; ip link set eth1 up")
            host.start_server()
            host.start_switch()

    def _remove(self) -> None:
        for host in self.hosts:
            for daemon in ("ovs-vswitchd", "ovsdb-server"):
                if daemon == "ovs-vswitchd" and host.pid(daemon) is not None:
                    with contextlib.suppress(CommandFailed):
                        Host(host.name, host.namespace, host.directory, host.programs).run(
                            "ovs-appctl -t ovs-vswitchd exit --cleanup", check=False
                        )
                host.stop(daemon)
            subprocess.run(["ip", "netns", "del", host.namespace], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self._directory, ignore_errors=True)

    def bridges(self) -> None:
        """Type the bridges: br1 with the wire and the underlay's address, br2 with the overlay's."""
        kind = " -- set bridge {0} datapath_type=netdev" if self.datapath == "userspace" else ""
        for host, underlay, overlay in zip(self.hosts, UNDERLAY, OVERLAY, strict=True):
            host.run("ovs-vsctl add-br br1" + kind.format("br1"))
            host.run("ovs-vsctl add-br br2" + kind.format("br2"))
            host.run("ovs-vsctl add-port br1 eth1")
            host.shell(f"ip addr add {underlay}/24 dev br1; ip link set br1 up")
            host.shell(f"ip addr add {overlay}/24 dev br2; ip link set br2 up")

    def tunnel(self, kind: str) -> str:
        """Join the two br2 by a tunnel: "gre", "vxlan" or "geneve"; return its port's name."""
        port = f"{kind}0"
        for host, remote in zip(self.hosts, reversed(UNDERLAY), strict=True):
            settings = f"set interface {port} type={kind} options:remote_ip={remote}"
            host.run(f"ovs-vsctl add-port br2 {port} -- {settings}")
        return port

    def remove_tunnel(self, port: str) -> None:
        """Take a tunnel away again."""
        for host in self.hosts:
            host.run(f"ovs-vsctl del-port br2 {port}")

    def ping(self, count: int = 20, interval: float = 0.05) -> str:
        """Ping host 2 from host 1 through the tunnel; raises CommandFailed where a packet is lost."""
        host = self.hosts[0]
        output = host.run(f"ping -c {count} -i {interval} -W 5 {OVERLAY[1]}")
        if " 0% packet loss" not in output:
            raise CommandFailed(output)
        return output
