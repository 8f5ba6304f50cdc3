from dataclasses import replace

from datapath.provider import VportSpec
from switching.vlan import PortVlan
from tests.kit.switch import NOTHING, Rows, Switch
from vswitchd.config.desired import DesiredBridge, DesiredInterface, DesiredPort
from vswitchd.plan import Actual, ActualDatapath, AddPort, CreateDatapath
from vswitchd.retries import Failure
from vswitchd.status.interface import interface_errors
from vswitchd.status.observation import stable_mac

ETH9 = DesiredInterface("u", "eth9", "system")
BR0 = DesiredBridge("u", "br0", "system", (DesiredPort("u", "eth9", PortVlan(), (ETH9,)),))


def error(failed: Failure | None, subject: tuple[str, str] = ("system", "eth9")) -> str:
    actual = Actual({"system": ActualDatapath("ovs-system", {})})
    return interface_errors(BR0, actual, {subject: failed} if failed else {}).get("eth9", "")


def test_missing_device_could_not_be_opened() -> None:
    failure = Failure(AddPort("system", VportSpec("eth9", "system")), 19)
    assert error(failure) == "could not open network device eth9 (No such device)"


def test_refused_device_could_not_be_added() -> None:
    failure = Failure(AddPort("system", VportSpec("eth9", "system")), 22)
    assert error(failure) == "could not add network device eth9 to ofproto (Invalid argument)"


def test_missing_kernel_module_is_named_with_its_remedy() -> None:
    text = error(Failure(CreateDatapath("system"), 2), ("system", ""))
    assert text.startswith("could not create datapath ovs-system (No such file or directory): ")
    assert "modprobe openvswitch" in text


def test_unknown_type_of_datapath_is_named() -> None:
    bridge = replace(BR0, datapath_type="nonsense")
    assert interface_errors(bridge, Actual(), {}) == {
        "eth9": "could not create bridge br0: unknown datapath type nonsense"
    }


def test_working_port_has_its_number_and_no_error() -> None:
    rows = Rows()
    rows.add_bridge("br0")
    rows.add_port("br0", "p1", error=frozenset(("old",)))
    Switch(rows).reconcile()
    assert rows.get("Interface", "p1", "ofport") == frozenset((1,))
    assert rows.get("Interface", "p1", "error") == NOTHING
    assert rows.get("Interface", "br0", "ofport") == frozenset((65534,))
    assert rows.get("Bridge", "br0", "datapath_version") == "<built-in>"


def test_broken_port_has_number_minus_one_and_no_facts() -> None:
    rows = Rows()
    rows.add_bridge("br0")
    rows.add_port("br0", "x1", "nosuch", mtu=frozenset((1500,)), statistics={"rx_packets": 1})
    Switch(rows).reconcile()
    assert rows.get("Interface", "x1", "ofport") == frozenset((-1,))
    assert rows.get("Interface", "x1", "mtu") == NOTHING
    assert rows.get("Interface", "x1", "statistics") == {}


def test_switch_at_rest_writes_nothing() -> None:
    rows = Rows()
    rows.add_bridge("br0")
    rows.add_port("br0", "p1")
    switch = Switch(rows)
    assert switch.reconcile(statistics=True)
    assert switch.reconcile(statistics=True) == {}


def test_tunnel_counts_what_went_through_it() -> None:
    rows = Rows()
    rows.add_bridge("br0")
    rows.add_port("br0", "p1")
    rows.add_port("br0", "gre0", "gre", {"remote_ip": "10.0.0.1"})
    switch = Switch(rows)
    switch.reconcile()
    switch.send("p1", b"\2\0\0\0\0\1" + b"\2\0\0\0\0\2" + b"\x88\xb5" + bytes(46))
    switch.reconcile(statistics=True)
    assert rows.get("Interface", "gre0", "statistics") == {
        "rx_packets": 0,
        "rx_bytes": 0,
        "tx_packets": 1,
        "tx_bytes": 60,
    }


def test_made_up_address_is_local_and_stable() -> None:
    assert stable_mac("gre0") == stable_mac("gre0") != stable_mac("gre1")
    assert int(stable_mac("gre0")[:2], 16) & 3 == 2
