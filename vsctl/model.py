"""The switch as the commands speak of it: bridges real and fake, ports, interfaces; by name, read when
asked for.

A fake bridge is a port with fake_bridge set and a tag: it stands for the VLAN of its parent, and the
parent's ports with the same tag count as the fake bridge's. Rule: names are looked up here and nowhere
else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from rpc.jsonvalue import Json
from rpc.structs import Struct
from rpc.tls_settings import NO_SETTINGS
from vsctl.errors import CommandError
from vsctl.store import Row, Store, members
from vsctl.symbols import Symbols

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ovsdb.schema import Schema
    from vsctl.grammar import Call

MAX_VLAN = 4095
FAKE_PORT = ("name", "tag")  # what is to be known of the port of a fake bridge


class Bridge(Struct):
    """A bridge; a fake one has a parent."""

    name: str
    row: Row  # of the real bridge, which for a fake one is the parent's
    vlan: int = 0  # of a fake bridge
    parent: str = ""  # name of the real bridge, empty for a real bridge
    port: Row | None = None  # that makes the fake bridge

    @property
    def is_fake(self) -> bool:
        """Whether it stands for a VLAN of its parent."""
        return self.port is not None


class Port(Struct):
    """A port, and the bridge that it counts to."""

    row: Row
    name: str
    bridge: Bridge


class Interface(Struct):
    """An interface and its port."""

    row: Row
    name: str
    port: Port


class Guard(Struct):
    """Who sees to it that a change is taken back."""

    start: Callable[[], None]  # before it is made. CommandError
    call_off: Callable[[], None]  # if it is not made


class Model:
    """What a command is given: the switch, and ways into the database below it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.symbols = Symbols()
        self.call: Call | None = None  # the command that is executed
        self.new_interfaces: list[Row] = []  # that the switch is to set up
        self.warnings: list[str] = []
        self.dry_run = False  # nothing is to be committed
        self.remote, self.tls = "", NO_SETTINGS  # how this database is reached
        self.guard: Guard | None = None
        self.on_commit: list[Callable[[], None]] = []
        self.status = 0  # exit status of the program if all goes well

    @property
    def schema(self) -> Schema:
        """The database's schema, which costs an exchange when it is first asked for."""
        return self.store.client.schema

    def warn(self, text: str) -> None:
        """Tell the user something that does not stop the command."""
        self.warnings.append(text)

    @cached_property
    def switch(self) -> Row:
        """The row of Open_vSwitch, which is made if there is none."""
        rows = self.store.all("Open_vSwitch")
        return rows[0] if rows else self.store.insert("Open_vSwitch", {})

    def expect_bridge(self, name: str) -> None:
        """Whether there is a bridge of that name will be asked."""
        self.store.expect("Bridge", "name", name)
        self.expect_fake_ports()

    def expect_fake_ports(self) -> None:
        """fake_ports() will be asked."""
        self.store.expect("Port", "fake_bridge", True, FAKE_PORT)

    def expect_free(self, name: str) -> None:
        """require_free() will be called with that name."""
        self.expect_bridge(name)
        self.store.expect("Port", "name", name, ["tag"])
        self.store.expect("Interface", "name", name)

    # --- bridges

    def find_bridge(self, name: str) -> Bridge | None:
        """A bridge by name, real or fake."""
        for row in self.store.find("Bridge", "name", name):
            return Bridge(name, row)
        for port in self.fake_ports():
            if port["name"] == name:
                return self._fake_bridge(port)
        return None

    def bridge(self, name: str) -> Bridge:
        """The same, which must exist."""
        found = self.find_bridge(name)
        if found is None:
            raise CommandError(f"no bridge named {name}")
        return found

    def real_bridges(self) -> list[Bridge]:
        """All bridges that are no fake ones."""
        return [Bridge(row.text("name"), row) for row in self.store.all("Bridge", ["name"])]

    def fake_ports(self) -> list[Row]:
        """The ports that make fake bridges."""
        rows = self.store.find("Port", "fake_bridge", True, FAKE_PORT)
        return [row for row in rows if tag_of(row) is not None]

    def fake_bridges(self, parent: Bridge) -> list[Bridge]:
        """The fake bridges of a real one."""
        found = [self._fake_bridge(port) for port in self.fake_ports()]
        return [bridge for bridge in found if bridge is not None and bridge.row is parent.row]

    def _fake_bridge(self, port: Row) -> Bridge | None:
        for row in self.store.find_referring("Bridge", "ports", port, ["name"]):
            return Bridge(port.text("name"), row, tag_of(port) or 0, row.text("name"), port)
        return None

    # --- ports and interfaces

    def find_port(self, name: str) -> Port | None:
        """A port by name; not one that is its bridge's own."""
        for row in self.store.find("Port", "name", name, ["tag"]):
            bridge = self.bridge_of_port(row)
            if bridge is not None and bridge.name != name:
                return Port(row, name, bridge)
        return None

    def port(self, name: str) -> Port:
        """The same, which must exist."""
        found = self.find_port(name)
        if found is None:
            raise CommandError(f"no port named {name}")
        return found

    def find_interface(self, name: str) -> Interface | None:
        """An interface by name; not one of a bridge's own port."""
        for row in self.store.find("Interface", "name", name):
            for port in self.store.find_referring("Port", "interfaces", row, ["name", "tag"]):
                bridge = self.bridge_of_port(port)
                if bridge is not None and bridge.name != name:
                    return Interface(row, name, Port(port, port.text("name"), bridge))
        return None

    def interface(self, name: str) -> Interface:
        """The same, which must exist."""
        found = self.find_interface(name)
        if found is None:
            raise CommandError(f"no interface named {name}")
        return found

    def bridge_of_port(self, port: Row) -> Bridge | None:
        """The bridge that a port counts to, fake where the tag is a fake bridge's."""
        for row in self.store.find_referring("Bridge", "ports", port, ["name"]):
            parent = Bridge(row.text("name"), row)
            tag = tag_of(port)
            if tag is not None:
                for fake in self.fake_bridges(parent):
                    if fake.vlan == tag:
                        return fake
            return parent
        return None

    def ports(self, bridge: Bridge, *columns: str) -> list[Row]:
        """The ports that count to a bridge, its own among them, with columns loaded."""
        rows = [self.store.row("Port", uuid) for uuid in bridge.row.refs("ports")]
        rows = [row for row in rows if not self.store.is_hidden("Port", row.uuid)]
        self.store.load(rows, ["name", "tag", *columns])
        if bridge.is_fake:
            return [row for row in rows if tag_of(row) == bridge.vlan]
        vlans = {fake.vlan for fake in self.fake_bridges(bridge)}
        return [row for row in rows if tag_of(row) not in vlans]

    def require_free(self, name: str, what: str) -> None:
        """Raise CommandError, whose text begins with `what`, if a bridge, port or interface has the name."""
        if self.find_bridge(name) is not None:
            raise CommandError(f"{what} because a bridge named {name} already exists")
        port = self.find_port(name)
        if port is not None:
            raise CommandError(
                f"{what} because a port named {name} already exists on bridge {port.bridge.name}"
            )
        interface = self.find_interface(name)
        if interface is not None:
            raise CommandError(
                f"{what} because an interface named {name} already exists on bridge "
                f"{interface.port.bridge.name}"
            )

    # --- deleting

    def delete_port(self, port: Row, bridge: Row) -> None:
        """Take a port off a real bridge; it and its interfaces are gone."""
        bridge.discard("ports", port.ref)
        self.hide_port(port)

    def hide_port(self, port: Row) -> None:
        """Take a port and its interfaces for gone."""
        for uuid in port.refs("interfaces"):
            self.store.hide(self.store.row("Interface", uuid))
        self.store.hide(port)


def tag_of(port: Row) -> int | None:
    """A port's VLAN, if it is an access port."""
    atoms: list[Json] = members(port["tag"])
    if len(atoms) == 1 and isinstance(atoms[0], int) and 0 <= atoms[0] <= MAX_VLAN:
        return atoms[0]
    return None
