"""A switch in memory: database rows as Python values, the reconciler, and the fake datapath that frames go through."""

import itertools
from collections.abc import Mapping

from datapath.fake import FakeDatapath, FakeProvider
from datapath.packet.build import ethernet
from datapath.packet.flowkey import NO_FIELDS, FlowKey
from ovsdb.datum import Value
from tests.kit.frames import tagged
from vswitchd.reconciler import Reconciler
from vswitchd.revalidate import sweep
from vswitchd.rows import Row
from vswitchd.status.describe import Agreed, changes
from vswitchd.status.observation import Writes
from vswitchd.upcall import handle_upcalls

Defaults = dict[str, Value]
NOTHING: frozenset[str] = frozenset()
_UNSET: Defaults = dict.fromkeys(
    (
        *("ofport", "ofport_request", "mac", "mtu_request", "mac_in_use", "ifindex", "admin_state"),
        *("link_state", "link_resets", "link_speed", "duplex", "mtu"),
    ),
    NOTHING,
)
_DEFAULTS: dict[str, Defaults] = {
    "Open_vSwitch": {
        "bridges": NOTHING,
        "next_cfg": 0,
        "cur_cfg": 0,
        "other_config": {},
        "datapath_types": NOTHING,
        "iface_types": NOTHING,
        "dpdk_initialized": False,
        "dpdk_version": NOTHING,
        "statistics": {},
    },
    "Bridge": {
        "name": "",
        "datapath_type": "",
        "ports": NOTHING,
        "other_config": {},
        "flood_vlans": NOTHING,
        "mcast_snooping_enable": False,
        "datapath_id": NOTHING,
        "datapath_version": "",
        "mirrors": NOTHING,
    },
    "Port": {
        "name": "",
        "interfaces": NOTHING,
        "tag": NOTHING,
        "trunks": NOTHING,
        "vlan_mode": NOTHING,
        "cvlans": NOTHING,
        "other_config": {},
        "protected": False,
        "bond_mode": NOTHING,
        "bond_updelay": 0,
        "bond_downdelay": 0,
        "bond_fake_iface": False,
        "bond_active_slave": NOTHING,
        "lacp": NOTHING,
    },
    "Interface": {
        "name": "",
        "type": "",
        "options": {},
        "error": NOTHING,
        "status": {},
        "statistics": {},
        **_UNSET,
    },
    "Mirror": {
        "name": "",
        "select_all": False,
        "statistics": {},
        **dict.fromkeys(("select_src_port", "select_dst_port", "select_vlan"), NOTHING),
        **dict.fromkeys(("output_port", "output_vlan", "snaplen"), NOTHING),
    },
}


class Rows:
    """The tables that a switch reads."""

    def __init__(self) -> None:
        self._ids = (f"{n:08x}-0000-4000-8000-000000000000" for n in itertools.count(1))
        self.tables: dict[str, dict[str, Row]] = {table: {} for table in _DEFAULTS}
        self.switch = self._insert("Open_vSwitch", {})

    def _insert(self, table: str, values: Mapping[str, Value]) -> str:
        uuid = next(self._ids)
        self.tables[table][uuid] = _DEFAULTS[table] | dict(values)
        return uuid

    def set(self, table: str, uuid: str, **values: Value) -> None:
        """Set columns of a row."""
        self.tables[table][uuid] = dict(self.tables[table][uuid]) | values

    def find(self, table: str, name: str) -> str:
        """Return the UUID of the row of this name."""
        return next(uuid for uuid, row in self.tables[table].items() if row["name"] == name)

    def get(self, table: str, name: str, column: str) -> Value:
        """Return a column of the row of this name."""
        return self.tables[table][self.find(table, name)][column]

    def add_bridge(self, name: str, datapath_type: str = "dummy", **values: Value) -> None:
        """Add a bridge with its local port, as ovs-vsctl does."""
        row: Defaults = {"name": name, "datapath_type": datapath_type} | values
        uuid = self._insert("Bridge", row)
        bridges = self.tables["Open_vSwitch"][self.switch]["bridges"]
        assert isinstance(bridges, frozenset)
        self.set("Open_vSwitch", self.switch, bridges=bridges | {uuid})
        self.add_port(name, name, type="internal")

    def add_port(
        self,
        bridge: str,
        name: str,
        type: str = "",
        options: Mapping[str, str] | None = None,
        **values: Value,
    ) -> None:
        """Add a port with its interface; columns that a Port has go there, others to the Interface."""
        in_port = {c: v for c, v in values.items() if c in _DEFAULTS["Port"]}
        in_interface = {c: v for c, v in values.items() if c not in _DEFAULTS["Port"]}
        settings = {str(key): value for key, value in (options or {}).items()}
        interface = self._insert(
            "Interface", {"name": name, "type": type, "options": _as_value(settings), **in_interface}
        )
        port = self._insert("Port", {"name": name, "interfaces": frozenset((interface,)), **in_port})
        ports = self.tables["Bridge"][self.find("Bridge", bridge)]["ports"]
        assert isinstance(ports, frozenset)
        self.set("Bridge", self.find("Bridge", bridge), ports=ports | {port})

    def add_mirror(self, bridge: str, name: str, **values: Value) -> None:
        """Add a mirror; ports are given by their names."""
        for column in ("select_src_port", "select_dst_port", "output_port"):
            names = values.get(column, NOTHING)
            assert isinstance(names, frozenset)
            values[column] = frozenset(self.find("Port", str(port)) for port in names)
        uuid = self._insert("Mirror", {"name": name, **values})
        mirrors = self.tables["Bridge"][self.find("Bridge", bridge)]["mirrors"]
        assert isinstance(mirrors, frozenset)
        self.set("Bridge", self.find("Bridge", bridge), mirrors=mirrors | {uuid})

    def add_bond(self, bridge: str, name: str, *members: str, **values: Value) -> None:
        """Add a port with several interfaces."""
        self.add_port(bridge, members[0], "", None, **values)
        port = self.find("Port", members[0])
        interfaces = {self.find("Interface", members[0])}
        interfaces |= {self._insert("Interface", {"name": member}) for member in members[1:]}
        self.set("Port", port, name=name, interfaces=frozenset(interfaces))

    def delete_port(self, bridge: str, name: str) -> None:
        """Remove a port and its interface."""
        port = self.find("Port", name)
        ports = self.tables["Bridge"][self.find("Bridge", bridge)]["ports"]
        assert isinstance(ports, frozenset)
        self.set("Bridge", self.find("Bridge", bridge), ports=ports - {port})
        del self.tables["Port"][port]
        del self.tables["Interface"][self.find("Interface", name)]

    def delete_bridge(self, name: str) -> None:
        """Remove a bridge; its ports stay, as rows that nothing refers to."""
        uuid = self.find("Bridge", name)
        bridges = self.tables["Open_vSwitch"][self.switch]["bridges"]
        assert isinstance(bridges, frozenset)
        self.set("Open_vSwitch", self.switch, bridges=bridges - {uuid})
        del self.tables["Bridge"][uuid]

    def write(self, writes: Writes) -> None:
        """Carry out what the switch writes."""
        for (table, uuid), columns in writes.items():
            self.set(table, uuid, **columns)


class Switch:
    """A reconciler on fake datapaths; frames go in and out by the names of ports."""

    def __init__(self, rows: Rows, provider: FakeProvider | None = None) -> None:
        self.rows = rows
        self.now = 1000.0
        self.provider = provider or FakeProvider()
        self.reconciler = Reconciler({"dummy": self.provider}, None)
        self._agreed: Agreed = {}
        self._descriptors: list[int] = []

    @property
    def datapath(self) -> FakeDatapath:
        """The datapath of all bridges."""
        return self.provider.open("ovs-dummy")

    def reconcile(self, *, statistics: bool = False) -> Writes:
        """Apply the rows; write back, and return, what is different in them."""
        self.reconciler.reconcile(self.rows.tables, self.now)
        if self.reconciler.datapaths.handles:
            self._descriptors = list(self.datapath.listen())
        wanted = self.reconciler.observation(refresh=statistics)
        writes, self._agreed = changes(wanted, self.rows.tables, self._agreed)
        assert writes == changes(wanted, self.rows.tables, {})[0]
        self.rows.write(writes)
        return writes

    def serve(self) -> int:
        """Handle the upcalls that wait; return how many there were."""
        handled = 0
        self.datapath.now = self.now
        for descriptor in self._descriptors:
            while upcalls := self.datapath.upcalls(descriptor):
                handled += len(upcalls)
                operations = handle_upcalls(self.reconciler.forwardings["dummy"], upcalls, self.now)
                self.reconciler.run("dummy", operations)
        return handled

    def send(self, port: str, frame: bytes, metadata: FlowKey = NO_FIELDS) -> dict[str, list[bytes]]:
        """Let a frame come in; return what goes out, by port of the datapath."""
        self.datapath.now = self.now
        self.datapath.inject(port, frame, metadata)
        self.serve()
        return self.taken()

    def taken(self) -> dict[str, list[bytes]]:
        """Take all that was sent out."""
        sent = {port.name: self.datapath.sent(port.port_no) for port in self.datapath.ports()}
        return {name: frames for name, frames in sent.items() if frames}

    def sweep(self) -> None:
        """Revalidate."""
        self.datapath.now = self.now
        dump = list(self.datapath.flows(terse=True))
        operations = sweep(self.reconciler.forwardings["dummy"], dump, self.now, self.now)
        self.reconciler.run("dummy", operations)

    def stop(self) -> None:
        """End as a daemon does that leaves its datapaths alone."""
        self._descriptors = []


def frame(src: int, dst: int, payload: bytes = b"payload", tag: int | None = None) -> bytes:
    """Make a frame of an experimental type, tagged on request."""
    plain = ethernet(src, dst, 0x88B5, payload)
    return plain if tag is None else tagged(plain, tag)


def _as_value(options: dict[str, str]) -> Value:
    value: dict[int | float | bool | str, int | float | bool | str] = {}
    value.update(options)
    return value
