"""One configuration on two switches without devices: the C one with --enable-dummy, and ours in memory.

Rule: what a frame does is looked at as bytes that leave by ports; how a switch came to it does not matter.
The C switch takes a frame in 0.2 ms, so that random configurations can be tried by the hundred.

    with c_dummy() as theirs, theirs.configured(setup):
        ours = in_memory(setup)
"""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ovsdb.datum import Value
from rpc.address import UnixAddress
from rpc.blocking import Connection
from tests.kit.peers import C_BIN, Daemon, c_ovsdb_server, c_vswitchd
from tests.kit.switch import Rows, Switch

Columns = Mapping[str, Value]


@dataclass(frozen=True)
class PortSetup:
    """A port: columns of its Port row, and `peer`, which makes it a patch port."""

    name: str
    columns: Columns = field(default_factory=dict)
    peer: str = ""


@dataclass(frozen=True)
class MirrorSetup:
    """A mirror: columns of its row, ports by their names."""

    name: str
    columns: Columns


@dataclass(frozen=True)
class Setup:
    """Bridges with their ports, and columns of the other tables."""

    bridges: Mapping[str, tuple[PortSetup, ...]]
    bridge_columns: Columns = field(default_factory=dict)  # of every bridge
    settings: Mapping[str, str] = field(default_factory=dict)  # of Open_vSwitch.other_config
    mirrors: Mapping[str, tuple[MirrorSetup, ...]] = field(default_factory=dict)  # of each bridge

    def devices(self) -> list[str]:
        """Name the ports that frames can come in by."""
        return [port.name for ports in self.bridges.values() for port in ports if not port.peer]


def in_memory(setup: Setup) -> Switch:
    """Make our switch."""
    rows = Rows()
    settings: Columns = {"other_config": {str(name): value for name, value in setup.settings.items()}}
    rows.set("Open_vSwitch", rows.switch, **settings)
    for bridge, ports in setup.bridges.items():
        rows.add_bridge(bridge)
        rows.set("Bridge", rows.find("Bridge", bridge), **setup.bridge_columns)
        for number, port in enumerate(ports, 1):
            options = {"peer": port.peer} if port.peer else {}
            kind = "patch" if port.peer else ""
            rows.add_port(bridge, port.name, kind, options, ofport_request=number, **port.columns)
        for mirror in setup.mirrors.get(bridge, ()):
            rows.add_mirror(bridge, mirror.name, **mirror.columns)
    switch = Switch(rows)
    switch.reconcile()
    return switch


@contextmanager
def c_dummy() -> Iterator[CDummy]:
    """Run the C switch, in which all devices are dummies."""
    with (
        c_ovsdb_server() as server,
        c_vswitchd(server, "--enable-dummy=override") as daemon,
        closing(CDummy(server, daemon)) as switch,
    ):
        yield switch


class CDummy:
    """The C switch."""

    def __init__(self, server: Daemon, daemon: Daemon) -> None:
        self._server = server
        self._control = Connection.open(UnixAddress(str(daemon.control)), None)
        self._captures: dict[str, _Capture] = {}
        self._generation = 0

    def close(self) -> None:
        """Let go of the control socket."""
        self._control.close()

    def call(self, command: str, *args: str) -> str:
        """Send a control command."""
        answer = self._control.call(command, list(args), None)
        return str(answer or "")

    @contextmanager
    def configured(self, setup: Setup) -> Iterator[CDummy]:
        """Configure the switch, and take the bridges away again."""
        self._generation += 1
        commands = [["set", "Open_vSwitch", ".", *_settings("other_config", dict(setup.settings))]]
        for bridge, ports in setup.bridges.items():
            commands.append(["add-br", bridge])
            commands.append(["set", "Bridge", bridge, "datapath_type=dummy", *_columns(setup.bridge_columns)])
            for number, port in enumerate(ports, 1):
                commands.append(["add-port", bridge, port.name, *_columns(port.columns)])
                interface = [f"ofport_request={number}", *self._interface(port)]
                commands.append(["set", "Interface", port.name, *interface])
            for mirror in setup.mirrors.get(bridge, ()):
                commands += _mirror(bridge, mirror)
        self._vsctl(commands)
        try:
            yield self
        finally:
            self._captures.clear()
            removal = [["del-br", bridge] for bridge in setup.bridges]
            self._vsctl([*removal, ["clear", "Open_vSwitch", ".", "other_config"]])

    def send(self, port: str, frame: bytes) -> dict[str, list[bytes]]:
        """Let a frame come in; return what goes out, by port."""
        self.call("revalidator/purge")  # they would be brought up to date half a second later only
        before = self._lookups()
        while not self._switched(port, frame, before):
            pass  # a port that was configured a moment ago forgets what it has received
        sent = {name: capture.read() for name, capture in self._captures.items()}
        return {name: frames for name, frames in sent.items() if frames}

    def _switched(self, port: str, frame: bytes, before: int) -> bool:
        self.call("netdev-dummy/receive", port, frame.hex())
        deadline = time.monotonic() + 0.5
        while self._lookups() == before:
            if time.monotonic() > deadline:
                return False
        return True

    def _lookups(self) -> int:
        """Count the packets that were looked up in the datapath, which sends them in the same breath."""
        found = re.search(r"lookups: hit:(\d+) missed:(\d+)", self.call("dpctl/show"))
        return int(found[1]) + int(found[2]) if found else 0

    def _interface(self, port: PortSetup) -> list[str]:
        if port.peer:
            return ["type=patch", f"options:peer={port.peer}"]
        path = self._server.home.path / f"{self._generation}-{port.name}.pcap"
        self._captures[port.name] = _Capture(path)
        return ["type=dummy", f"options:tx_pcap={path}"]

    def _vsctl(self, commands: list[list[str]]) -> None:
        words = [
            word
            for command in commands
            if len(command) > 3 or command[0] != "set"
            for word in (*command, "--")
        ]
        self._server.run(C_BIN / "ovs-vsctl", *words[:-1])


class _Capture:
    """What a dummy device sent, read from its capture file (pcap, 24 octets of header, 16 for each frame)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 24

    def read(self) -> list[bytes]:
        """Take the frames that were added since the last call."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        frames = []
        at = 0
        while at < len(data):
            (length,) = struct.unpack_from("<I", data, at + 8)
            frames.append(data[at + 16 : at + 16 + length])
            at += 16 + length
        self._at += at
        return frames


def _columns(columns: Columns) -> list[str]:
    words: list[str] = []
    for name, value in columns.items():
        if isinstance(value, Mapping):
            words += _settings(name, {str(key): str(member) for key, member in value.items()})
        elif isinstance(value, frozenset):
            words.append(f"{name}={','.join(map(str, sorted(value, key=str))) or '[]'}")
        else:
            words.append(f"{name}={str(value).lower() if isinstance(value, bool) else value}")
    return words


def _mirror(bridge: str, mirror: MirrorSetup) -> list[list[str]]:
    """Return commands that make a mirror, whose ports are referred to by identifiers."""
    columns, names = dict(mirror.columns), set[str]()
    for column in columns.keys() & {"select_src_port", "select_dst_port", "output_port"}:
        ports = columns[column]
        assert isinstance(ports, frozenset)
        names |= {str(port) for port in ports}
        columns[column] = frozenset(f"@{mirror.name}-{port}" for port in ports)
    found = [[f"--id=@{mirror.name}-{name}", "get", "Port", name] for name in sorted(names)]
    made = [f"--id=@{mirror.name}", "create", "Mirror", f"name={mirror.name}", *_columns(columns)]
    return [*found, made, ["add", "Bridge", bridge, "mirrors", f"@{mirror.name}"]]


def _settings(column: str, settings: dict[str, str]) -> list[str]:
    return [f"{column}:{name}={value}" for name, value in settings.items()]
