"""Texts of tnl/*, ovs/route/* and ofproto/list-tunnels; the layout is that of Open vSwitch 3.1."""

from collections import Counter
from ipaddress import ip_address

from datapath.provider import Vport
from datapath.route import Neighbour, Route, TableEntry
from switching.switch import SwitchPort
from switching.tunnel import INHERIT, TunnelConfig
from vswitchd.control.tnl import format_neighbours, format_ports, format_routes, format_tunnels

NAMES = {1: "lo", 5: "br-phy"}
REMOTE, LOCAL = int(ip_address("172.31.0.2")), int(ip_address("172.31.0.1"))


def test_ports_and_who_uses_them() -> None:
    ports = [
        Vport(5, "vxlan_sys_4789", "vxlan", 0, 4789),
        Vport(4, "gre_sys", "gre"),
        Vport(1, "u", "system"),
    ]
    users = Counter({"vxlan_sys_4789": 3, "gre_sys": 1})
    assert format_ports(ports, users, verbose=False) == (
        "Listening ports:\ngre_sys (4) ref_cnt=1\nvxlan_sys_4789 (5) ref_cnt=3\n"
    )
    assert format_ports(ports, users, verbose=True) == (
        "Listening ports:\ngre_sys (4) : ipv4,ipv6,proto=47\n"
        "vxlan_sys_4789 (5) : ipv4,ipv6,proto=17,udp(dst=4789)\n"
    )


def test_neighbours() -> None:
    found = [
        Neighbour(ip_address("fd31::2"), "02:00:00:1f:fb:02", 5, is_stale=True),
        Neighbour(ip_address("172.31.0.2"), "02:00:00:1f:fb:01", 5, is_stale=False),
    ]
    assert format_neighbours(found, NAMES).splitlines()[2:] == [
        "172.31.0.2                                    02:00:00:1f:fb:01   br-phy",
        "fd31::2                                       02:00:00:1f:fb:02   br-phy STALE",
    ]


def test_routes_come_as_they_are_looked_up() -> None:
    source = ip_address("172.31.0.1")
    entries = [
        TableEntry(ip_address("10.9.0.0"), 16, Route(5, source, ip_address("172.31.0.9")), is_local=False),
        TableEntry(ip_address("172.31.0.0"), 24, Route(5, source), is_local=False),
        TableEntry(ip_address("127.0.0.0"), 8, Route(1, ip_address("127.0.0.1")), is_local=True),
        TableEntry(ip_address("::1"), 128, Route(1, ip_address("::1")), is_local=True),
        TableEntry(ip_address("0.0.0.0"), 0, Route(9, None), is_local=False),  # its device has just gone
    ]
    assert format_routes(entries, NAMES).splitlines() == [
        "Route Table:",
        "Cached: ::1/128 dev lo SRC ::1 local",
        "Cached: 127.0.0.0/8 dev lo SRC 127.0.0.1 local",
        "Cached: 172.31.0.0/24 dev br-phy SRC 172.31.0.1",
        "Cached: 10.9.0.0/16 dev br-phy GW 172.31.0.9 SRC 172.31.0.1",
    ]


def test_tunnels_with_what_they_are_asked_to_be() -> None:
    configs = (
        TunnelConfig("vxlan", REMOTE, local=LOCAL, in_key=5, out_key=5, tos=INHERIT, ttl=3, csum=True),
        TunnelConfig("vxlan", REMOTE, in_key=9, out_key=None, tos=0x20, ttl=INHERIT),
        TunnelConfig("geneve", None, in_key=None, out_key=None, dont_fragment=False),
    )
    ports = [SwitchPort("br0", f"t{n}", n, 5 + n // 2, tunnel=config) for n, config in enumerate(configs)]
    assert format_tunnels(reversed(ports)).splitlines() == [
        "port 5: t0 (vxlan: 172.31.0.1->172.31.0.2, key=0x5, legacy_l2, dp port=5, ttl=3, tos=inherit, "
        "csum=true)",
        "port 5: t1 (vxlan: ::->172.31.0.2, key=0x9, legacy_l2, dp port=5, out_key=flow, ttl=inherit, tos=0x20)",
        "port 6: t2 (geneve: ::->flow, key=flow, legacy_l2, dp port=6, ttl=64, df=false)",
    ]
