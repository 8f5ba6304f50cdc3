"""A switch and hosts around it, for tests that each show one feature on several switches.

Rule: a test of `tests/features` says what it needs of a FeatureLab and not on which side it runs. A side is ours or the
C switch, on the kernel's datapath (in the VM) or in userspace. The daemons of a side serve all tests of the session;
bridges, QoS and hosts go when a test ends.

    @pytest.mark.feature("VLANs", "an access port adds and strips its tag")
    def test_access_port_adds_and_strips_the_tag(lab: FeatureLab) -> None:
        lab.vsctl("add-br br0")
        a, b = lab.host("a"), lab.host("b")
        lab.vsctl("add-port br0", a.port, "tag=10")
        lab.vsctl("add-port br0", b.port)
        a.send(frame(a, b))
        assert b.received() == [frame(a, b, tag=10)]
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from appctl.client import CommandRefused, call
from datapath.packet.build import ethernet
from tests.kit import namespace as ns
from tests.kit import netns, peers
from tests.kit.frames import tagged
from tests.kit.peers import (
    Daemon,
    Home,
    PeerError,
    c_ovsdb_server,
    c_vswitchd,
    our_ovsdb_server,
    our_vswitchd,
)
from tests.kit.wire import Wire, read_capture
from vsctl.cli import main as vsctl

EXPERIMENTAL = 0x88B5  # IEEE 802's local experimental Ethertype
UNDERLAY, FAR_UNDERLAY = "172.31.0.1", "172.31.0.2"
IN_VM = bool(os.environ.get("IN_KERNEL_VM"))
_numbers = itertools.count(1)
PATIENCE, SILENCE = (20.0, 1.0) if IN_VM else (5.0, 0.2)  # seconds for what must come, and for what must not


@dataclass(frozen=True)
class Side:
    """Whose switch it is, and on which datapath."""

    name: str
    is_ours: bool
    is_kernel: bool

    @property
    def datapath_type(self) -> str:
        """As in Bridge.datapath_type."""
        return "system" if self.is_kernel else "netdev"

    def server(self, place: Home | None = None) -> AbstractContextManager[Daemon]:
        """Start its ovsdb-server, on the database of `place` where that has one."""
        return our_ovsdb_server(place) if self.is_ours else c_ovsdb_server(place)

    def vswitchd(self, server: Daemon) -> AbstractContextManager[Daemon]:
        """Start its ovs-vswitchd."""
        return our_vswitchd(server) if self.is_ours else c_vswitchd(server)


SIDES = {
    side.name: side
    for side in (
        Side("userspace", is_ours=True, is_kernel=False),
        Side("c-userspace", is_ours=False, is_kernel=False),
        Side("kernel", is_ours=True, is_kernel=True),
        Side("c-kernel", is_ours=False, is_kernel=True),
    )
}


def sides_here() -> list[str]:
    """Name the sides that run on this machine: the kernel's in the VM, the others outside.

    The C switch on the kernel changes no more, and takes minutes in the VM: FEATURES=full has it run too.
    """
    here = [name for name, side in SIDES.items() if side.is_kernel == IN_VM]
    return here if os.environ.get("FEATURES") == "full" else [name for name in here if name != "c-kernel"]


@dataclass
class Capture:
    """What tcpdump saw of a host's device."""

    text: str = ""  # set at the end

    def decoded(self) -> str:
        """Return tcpdump's words, once the capture is over."""
        return self.text


@dataclass
class Host:
    """A namespace with a device eth0, whose other end is a device of the switch's namespace."""

    name: str
    namespace: str
    port: str  # the other end
    mac: int
    wire: Wire

    def send(self, *frames: bytes) -> None:
        """Send raw frames."""
        self.wire.send(*frames)

    def received(self, count: int = 1, timeout: float = PATIENCE) -> list[bytes]:
        """Take the raw frames that came; see Wire."""
        return self.wire.received(count, timeout)

    def received_nothing(self, timeout: float = SILENCE) -> bool:
        """Tell whether nothing comes for a while. Send something that must come elsewhere first, where possible."""
        return self.wire.received(1, timeout) == []

    def run(self, command: str, *, check: bool = True) -> str:
        """Run a command on this host."""
        return netns.run(*shlex.split(command), namespace=self.namespace, check=check)

    def ping(self, address: str, count: int = 3) -> int:
        """Return how many of so many pings were answered."""
        output = self.run(f"ping -c {count} -i 0.05 -W 2 {address}", check=False)
        return output.count("bytes from")

    @contextmanager
    def capture(self, expression: str = "") -> Iterator[Capture]:
        """Let tcpdump write down what passes eth0, in both directions."""
        with tempfile.TemporaryDirectory(prefix="vswitch-") as place:
            path, capture = Path(place) / "pcap", Capture()
            command = ["ip", "netns", "exec", self.namespace, "tcpdump", "-i", "eth0", "-U", "-n"]
            process = subprocess.Popen(
                [*command, "--immediate-mode", "-Z", "root", "-w", str(path), *shlex.split(expression)],
                stderr=subprocess.PIPE,
                text=True,
            )
            assert process.stderr
            try:
                while "listening on" not in (line := process.stderr.readline()):
                    assert line, "tcpdump ended"
                yield capture
                time.sleep(0.5)  # tcpdump may not have read the last frame yet
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=20)
                capture.text = read_capture(path)
            finally:
                process.kill()
                process.communicate()


@dataclass
class FeatureLab:
    """The switch of one side, and what a test puts around it."""

    side: Side
    namespace: str  # the switch's
    server: Daemon
    switch: Daemon
    daemons: ExitStack  # what is entered there ends with the session
    hosts: dict[str, Host] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        """Whether the switch is ours."""
        return self.side.is_ours

    def vsctl(self, *words: str, check: bool = True) -> str:
        """Run ovs-vsctl, ours, in this process; bridges get the side's datapath type. PeerError, unless not `check`."""
        arguments = shlex.split(" ".join(words))
        for at, word in enumerate(list(arguments)):
            if word == "add-br":
                name = next(a for a in arguments[at + 1 :] if not a.startswith("-"))
                arguments += ["--", "set", "bridge", name, f"datapath_type={self.side.datapath_type}"]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                vsctl([f"--db={self.server.remote}", "--deadline=60", "--no-syslog", *arguments])
            except SystemExit as ended:
                if ended.code and check:
                    raise PeerError(f"ovs-vsctl {' '.join(words)}: {err.getvalue()}") from None
        return out.getvalue() if check else out.getvalue() + err.getvalue()

    def get(self, table: str, record: str, column: str) -> str:
        """Return a column as ovs-vsctl prints it."""
        return self.vsctl("get", table, record, column).strip()

    def appctl(self, *words: str, check: bool = True) -> str:
        """Send the switch a control command."""
        try:
            return call(str(self.switch.control), words[0], words[1:])
        except CommandRefused as refused:
            if check:
                raise
            return str(refused)

    def dpctl(self, command: str, *words: str) -> str:
        """Send the switch one of the dpctl/* commands."""
        return self.appctl(f"dpctl/{command}", *words)

    def settle(self) -> None:
        """Let the flows follow what was learned: the C switch takes up to half a second for that."""
        self.appctl("revalidator/wait")

    def run(self, command: str, *, check: bool = True) -> str:
        """Run a command in the switch's namespace."""
        return netns.run(*shlex.split(command), namespace=self.namespace, check=check)

    def wait_until(self, condition: Callable[[], object], what: str, timeout: float = 20.0) -> None:
        """Poll until the condition holds; fails with `what`."""
        peers.wait_until(lambda: bool(condition()), what, timeout)

    def host(self, name: str, address: str = "") -> Host:
        """Make a host; the device in the switch's namespace, which is up and on no bridge, bears its name."""
        number = len(self.hosts) + 1
        namespace = f"{self.namespace}-{name}"
        mac = 0x0200_0000_0000 | os.getpid() % 0x10000 << 8 | number
        ns.make_namespace(namespace)
        self.hosts[name] = host = Host(name, namespace, name, mac, wire=_UNCONNECTED)
        ns.join(self.namespace, name, namespace, "eth0", mac)
        if address:
            ns.add_address(namespace, "eth0", address)
        if not self.side.is_kernel and not self.is_ours:  # its datapath drops what is left to offload
            netns.run("ethtool", "-K", "eth0", "tx", "off", namespace=namespace)
        host.wire = Wire(namespace, "eth0")
        return host

    def underlay(self) -> Host:
        """Make a host "u" at FAR_UNDERLAY, joined with the switch's UNDERLAY by a bridge br-phy: for tunnels."""
        host = self.host("u", f"{FAR_UNDERLAY}/24")
        self.vsctl("add-br br-phy -- add-port br-phy u")
        ns.add_address(self.namespace, "br-phy", f"{UNDERLAY}/24")
        ns.set_up(self.namespace, "br-phy")
        return host

    def clean(self) -> None:
        """Remove all that a test made."""
        try:
            self.vsctl("clear Open_vSwitch . bridges -- clear Open_vSwitch . other_config")
            # apart, as a port that goes still refers to its QoS
            self.vsctl("-- --all destroy QoS -- --all destroy Queue -- --all destroy Mirror")
        finally:
            for host in self.hosts.values():
                host.wire.close()
                ns.delete_device(self.namespace, host.port)
                ns.remove_namespace(host.namespace)
            self.hosts.clear()


class _Unconnected(Wire):
    def __init__(self) -> None: ...

    def close(self) -> None: ...


_UNCONNECTED = _Unconnected()  # of a host that is being made


@contextmanager
def switch_of(side: Side) -> Iterator[FeatureLab]:
    """Run the daemons of a side, in a namespace of their own."""
    namespace = f"t-{side.name}-{os.getpid()}-{next(_numbers)}"  # there may be several of a side
    with ExitStack() as stack:
        stack.enter_context(ns.namespace(namespace))
        with netns.inside(namespace):
            server = stack.enter_context(side.server())
            switch = stack.enter_context(side.vswitchd(server))
        lab = FeatureLab(side, namespace, server, switch, stack)
        lab.vsctl("init")
        yield lab


def frame(
    src: Host | int, dst: Host | int, *tags: int, payload: bytes = b"x" * 46, kind: int = EXPERIMENTAL
) -> bytes:
    """Make a frame; `tags` from the outside, each TPID << 16 | TCI, or a VLAN id alone for 802.1Q without priority."""
    plain = ethernet(_mac(src), _mac(dst), kind, payload)
    return tagged(plain, *tags)


def _mac(of: Host | int) -> int:
    return of if isinstance(of, int) else of.mac
