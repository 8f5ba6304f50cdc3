from switching.vlan import VlanMode
from tests.kit.switch import Rows
from vswitchd.config.desired import DesiredInterface, DesiredPort
from vswitchd.config.read import Memo, read_config


def port(rows: Rows, name: str) -> DesiredPort:
    return next(p for b in read_config(rows.tables).bridges for p in b.ports if p.name == name)


def interface(rows: Rows, name: str) -> DesiredInterface:
    return port(rows, name).interfaces[0]


def one_bridge() -> Rows:
    rows = Rows()
    rows.add_bridge("br0")
    return rows


def test_empty_database_asks_for_nothing() -> None:
    assert read_config({"Open_vSwitch": {}, "Bridge": {}, "Port": {}, "Interface": {}}).bridges == ()


def test_bridge_without_a_type_is_the_kernels() -> None:
    rows = Rows()
    rows.add_bridge("br0", "")
    assert read_config(rows.tables).bridges[0].datapath_type == "system"


def test_local_port_is_internal_whatever_its_type() -> None:
    rows = one_bridge()
    rows.set("Interface", rows.find("Interface", "br0"), type="")
    assert interface(rows, "br0").kind == "internal"


def test_local_port_that_nobody_configured_is_there_all_the_same() -> None:
    rows = one_bridge()
    rows.delete_port("br0", "br0")
    assert interface(rows, "br0").kind == "internal"


def test_tag_makes_an_access_port_whose_trunks_do_not_count() -> None:
    rows = one_bridge()
    rows.add_port("br0", "p", tag=frozenset((5,)), trunks=frozenset((7,)))
    vlan = port(rows, "p").vlan
    assert (vlan.mode, vlan.tag, vlan.trunks) == (VlanMode.ACCESS, 5, frozenset())


def test_mode_decides_over_tag_and_trunks() -> None:
    rows = one_bridge()
    mode = frozenset(("native-untagged",))
    rows.add_port("br0", "p", tag=frozenset((5,)), trunks=frozenset((7,)), vlan_mode=mode)
    vlan = port(rows, "p").vlan
    assert (vlan.mode, vlan.tag, vlan.trunks) == (VlanMode.NATIVE_UNTAGGED, 5, frozenset((7,)))


def test_unknown_type_is_that_interfaces_error() -> None:
    rows = one_bridge()
    rows.add_port("br0", "x1", "nosuch")
    text = "could not open network device x1 (Address family not supported by protocol)"
    assert interface(rows, "x1").error == text
    assert interface(rows, "br0").error == ""


def test_patch_port_needs_a_peer_that_is_another() -> None:
    rows = one_bridge()
    rows.add_port("br0", "p3", "patch")
    rows.add_port("br0", "p4", "patch", {"peer": "p4"})
    assert interface(rows, "p3").error == "p3: patch type requires valid 'peer' argument"
    assert interface(rows, "p4").error == "p4: patch peer must not be self"


def test_second_tunnel_with_the_same_match_is_an_error() -> None:
    rows = one_bridge()
    rows.add_port("br0", "gre1", "gre", {"remote_ip": "10.0.0.1"}, ofport=frozenset((3,)))
    rows.add_port("br0", "gre0", "gre", {"remote_ip": "10.0.0.1"})
    rows.add_port("br0", "gre2", "gre", {"remote_ip": "10.0.0.1", "key": "7"})
    assert interface(rows, "gre0").error == "could not add network device gre0 to ofproto (File exists)"
    assert interface(rows, "gre1").error == interface(rows, "gre2").error == ""
    assert read_config(rows.tables).warnings == (
        "gre0: attempting to add tunnel port with same config as port 'gre1'",
    )


def test_port_on_two_bridges_belongs_to_the_first() -> None:
    rows = one_bridge()
    rows.add_bridge("br1")
    rows.add_port("br0", "p")
    both = rows.get("Bridge", "br1", "ports")
    assert isinstance(both, frozenset)
    rows.set("Bridge", rows.find("Bridge", "br1"), ports=both | {rows.find("Port", "p")})
    desired = read_config(rows.tables)
    assert [b.name for b in desired.bridges for p in b.ports if p.name == "p"] == ["br0"]
    assert desired.warnings == ("bridge br1: port p is already on bridge br0",)


def test_settings_have_defaults_where_they_are_no_numbers() -> None:
    rows = one_bridge()
    other = {"max-idle": "2000", "flow-limit": "many", "stats-update-interval": "1"}
    rows.set("Open_vSwitch", rows.switch, other_config=dict(other.items()))
    desired = read_config(rows.tables)
    assert (desired.max_idle, desired.flow_limit, desired.stats_interval) == (2.0, 200_000, 5.0)


def test_bridge_settings_are_read() -> None:
    rows = one_bridge()
    other = {
        "hwaddr": "02:AA:00:00:00:01",
        "mac-aging-time": "60",
        "mac-table-size": "100",
        "datapath-id": "ab",
    }
    rows.set("Bridge", rows.find("Bridge", "br0"), other_config=dict(other.items()))
    bridge = read_config(rows.tables).bridges[0]
    assert (bridge.hwaddr, bridge.mac_ageing, bridge.mac_table_size) == ("02:aa:00:00:00:01", 60.0, 100)
    assert bridge.datapath_id == "00000000000000ab"


def test_address_that_is_none_is_not_asked_for() -> None:
    rows = one_bridge()
    for n, mac in enumerate(("01:00:00:00:00:01", "00:00:00:00:00:00", "nonsense", "1:2:3:4:5:6")):
        rows.add_port("br0", f"i{n}", "internal", mac=frozenset((mac,)))
        assert interface(rows, f"i{n}").mac == ""


def test_memory_of_ports_changes_nothing_of_what_is_read() -> None:
    rows, memo = one_bridge(), Memo()
    rows.add_port("br0", "p1")
    rows.add_port("br0", "gre0", "gre", {"remote_ip": "10.0.0.1", "foo": "bar"})
    assert read_config(rows.tables, memo) == read_config(rows.tables)
    rows.set("Port", rows.find("Port", "p1"), tag=frozenset((5,)))
    rows.set("Interface", rows.find("Interface", "gre0"), type="vxlan")
    assert read_config(rows.tables, memo) == read_config(rows.tables, memo) == read_config(rows.tables)
    rows.delete_port("br0", "p1")
    assert read_config(rows.tables, memo) == read_config(rows.tables)


def test_what_this_program_writes_changes_nothing_of_what_was_read() -> None:
    rows, memo = one_bridge(), Memo()
    rows.add_port("br0", "p1")
    before = read_config(rows.tables, memo)
    rows.set("Interface", rows.find("Interface", "p1"), ofport=frozenset((1,)), ifindex=frozenset((7,)))
    after = read_config(rows.tables, memo)
    assert after == read_config(rows.tables)
    assert after.bridges[0] is before.bridges[0]
    rows.add_port("br0", "p2")
    (_, p1, _), (_, known) = read_config(rows.tables, memo).bridges[0].ports, before.bridges[0].ports
    assert p1 is known


def test_a_bridge_that_gets_another_datapath_is_read_again() -> None:
    rows, memo = one_bridge(), Memo()
    rows.add_port("br0", "tap0", "tap")
    read_config(rows.tables, memo)
    rows.set("Bridge", rows.find("Bridge", "br0"), datapath_type="system")
    after = read_config(rows.tables, memo)
    assert after == read_config(rows.tables)
    assert [i.kind for i in after.bridges[0].interfaces() if i.name == "tap0"] == ["internal"]


def test_a_tap_on_the_kernels_datapath_is_an_internal_port() -> None:
    rows = Rows()
    for bridge, type_ in (("br0", "system"), ("br1", "netdev")):
        rows.add_bridge(bridge, type_)
        rows.add_port(bridge, f"{bridge}-t", "tap")
    assert [interface(rows, f"{bridge}-t").kind for bridge in ("br0", "br1")] == ["internal", "tap"]
    assert interface(rows, "br0-t").type == "tap"
