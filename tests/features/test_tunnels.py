"""Tunnels: what is on the wire, as tcpdump reads it, and what is made of what comes from there.

The far end is a host without a switch. What it sends back is the packet that came, with its ends exchanged.
"""

import re

import pytest

from datapath.packet.build import build
from datapath.packet.checksum import checksum, pseudo_sum
from datapath.packet.flowkey import FlowKey
from tests.kit import namespace as ns
from tests.kit.feature_lab import FAR_UNDERLAY, UNDERLAY, FeatureLab, Host, frame
from tests.kit.wire import decoded

STATION = 0x0200_0000_0099  # behind the tunnel
UNDERLAY6, FAR_UNDERLAY6 = "fd31::1", "fd31::2"
_ETHERNET, _IPV4, _IPV6 = 14, 20, 40
_UDP = 17
_NO_MARKS = {"c-userspace": "its outer packets do not pass the host's routing"}


class Tunnelled:
    """A host "a" on br0 with a tunnel t0, and the far end of the underlay."""

    def __init__(self, lab: FeatureLab, kind: str, *options: str, version: int = 4) -> None:
        self.lab = lab
        self.far = lab.underlay()
        self.a = lab.host("a")
        lab.vsctl("add-br br0 -- add-port br0 a")
        if version == 6:
            ns.add_address(lab.namespace, "br-phy", f"{UNDERLAY6}/64")
            ns.add_address(self.far.namespace, "eth0", f"{FAR_UNDERLAY6}/64")
        self.header = _ETHERNET + (_IPV6 if version == 6 else _IPV4)
        if not any(option.startswith("remote_ip") for option in options):
            options = (f"remote_ip={FAR_UNDERLAY6 if version == 6 else FAR_UNDERLAY}", *options)
        self.add("t0", kind, *options)

    def add(self, name: str, kind: str, *options: str) -> None:
        words = " ".join(f"options:{option}" for option in options)
        self.lab.vsctl(f"add-port br0 {name} -- set interface {name} type={kind} {words}")
        assert self.lab.get("interface", name, "error") == "[]"

    def sent(self, inner: bytes | None = None, to: Host | None = None) -> bytes:
        """Send from "a" until it comes, since addresses have to be resolved first; return the outer packet."""
        inner = inner or frame(self.a, STATION)
        end = to or self.far
        end.wire.drain()  # frames of the tunnel before, that waited for an address
        came: list[bytes] = []

        def comes() -> bool:
            self.a.send(inner)
            came.extend(f for f in end.received(4, 0.3) if inner in f)
            return bool(came)

        self.lab.wait_until(comes, "a frame leaves by the tunnel")
        return came[0]

    def returned(self, outer: bytes, inner: bytes) -> None:
        """Send a packet back from the far end, with another frame of equal length in it."""
        packet = self.exchanged(outer)[: len(outer) - len(inner)] + inner
        self.far.send(
            with_udp_checksum(packet) if packet[20] == _UDP and self.header == _ETHERNET + _IPV6 else packet
        )

    def exchanged(self, outer: bytes) -> bytes:
        """Exchange the addresses of a packet's ends: no checksum changes."""
        at = self.header - (32 if self.header == _ETHERNET + _IPV6 else 8)
        half = (self.header - at) // 2
        ends = outer[at + half : self.header] + outer[at : at + half]
        return outer[6:12] + outer[:6] + outer[12:at] + ends + outer[self.header :]

    def answer(self, outer: bytes) -> None:
        """Let the far end answer, and look for the answer at "a"."""
        inner = frame(STATION, self.a)
        self.returned(outer, inner)
        assert self.a.received() == [inner]


def ip(src: int, dst: int, tos: int = 0, ttl: int = 64) -> bytes:
    """Make a frame with an IPv4 packet."""
    key = FlowKey(eth_src=src, eth_dst=dst, eth_type=0x0800, ip_proto=17, ip_src=1, ip_dst=2)
    return build(key._replace(ip_tos=tos, ip_ttl=ttl, tp_src=5, tp_dst=6), bytes(40))


def with_udp_checksum(outer: bytes) -> bytes:
    """Put the checksum into a UDP packet over IPv6: what came may have been left to a device to fill in."""
    at = _ETHERNET + _IPV6
    udp = outer[at : at + 6] + bytes(2) + outer[at + 8 :]
    start = pseudo_sum(outer[22:38], outer[38:54], _UDP, len(udp))
    return outer[:at] + udp[:6] + checksum(udp, start).to_bytes(2, "big") + udp[8:]


def with_tos(outer: bytes, tos: int) -> bytes:
    """Overwrite the type of service of an IPv4 packet."""
    header = outer[14:15] + bytes([tos]) + outer[16:24] + bytes(2) + outer[26:34]
    return outer[:14] + header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + outer[34:]


@pytest.mark.feature("Tunnels", "GRE with a key and a checksum")
def test_gre_has_a_key_and_a_checksum(lab: FeatureLab) -> None:
    t = Tunnelled(lab, "gre", "key=7", "csum=true")
    text = decoded([t.sent()])
    assert re.search(r"GREv0, Flags \[checksum present, key present\], sum 0x\w+, off 0x0, key=0x7", text), (
        text
    )
    lab.vsctl("set interface t0 options:csum=false")
    lab.wait_until(lambda: "checksum" not in decoded([t.sent()]), "the checksum is left out")
    t.answer(t.sent())
    t.far.send(t.exchanged(t.sent()).replace(b"\0\0\0\7", b"\0\0\0\x08"))
    assert t.a.received_nothing()


@pytest.mark.feature("Tunnels", "VXLAN with a VNI, a UDP port and a UDP checksum")
def test_vxlan_has_a_vni_and_a_port(lab: FeatureLab) -> None:
    t = Tunnelled(lab, "vxlan", "key=0x123456", "dst_port=4790")
    outer = t.sent()
    assert outer[36:38] == (4790).to_bytes(2, "big")
    text = decoded([outer[:36] + (4789).to_bytes(2, "big") + outer[38:]])
    assert "VXLAN, flags [I] (0x08), vni 1193046" in text, text
    assert "[no cksum]" in text
    t.answer(outer)
    lab.vsctl("set interface t0 options:dst_port=4789 options:csum=true")
    lab.wait_until(lambda: t.sent()[36:38] == (4789).to_bytes(2, "big"), "the port is changed in place")
    assert t.sent()[40:42] != bytes(2)


@pytest.mark.feature("Tunnels", "Geneve with a VNI")
def test_geneve_has_a_vni(lab: FeatureLab) -> None:
    t = Tunnelled(lab, "geneve", "key=99")
    outer = t.sent()
    text = decoded([outer])
    assert re.search(r"Geneve, Flags \[none\], vni 0x63, proto TEB \(0x6558\)", text), text
    t.answer(outer)


@pytest.mark.feature("Tunnels", "ERSPAN of both versions, with index, direction and hardware id")
def test_erspan_of_both_versions(lab: FeatureLab) -> None:
    t = Tunnelled(lab, "erspan", "key=30", "erspan_ver=1", "erspan_idx=0xabcde")
    first = t.sent()
    assert re.search(r"GREv0, Flags \[sequence# present\], seq \d+", decoded([first]))
    assert first[34:38] == bytes.fromhex("1000 88be")
    session, idx = first[44:46], first[46:50]
    assert (int.from_bytes(session, "big") & 0x3FF, idx.hex()) == (30, "000abcde")
    t.answer(first)
    lab.vsctl("set interface t0 options:erspan_ver=2 options:erspan_dir=1 options:erspan_hwid=0x21")
    lab.wait_until(lambda: t.sent()[34:38] == bytes.fromhex("1000 22eb"), "the version is changed in place")
    second = t.sent()
    flags = int.from_bytes(second[52:54], "big")
    assert (flags >> 4 & 0x3F, flags >> 3 & 1) == (0x21, 1)
    t.answer(second)


@pytest.mark.feature("Tunnels", "over IPv6: vxlan, geneve, ip6gre, ip6erspan")
def test_tunnels_over_ipv6(lab: FeatureLab) -> None:
    t = Tunnelled(lab, "vxlan", "key=5", version=6)
    ends = rf"{UNDERLAY6}\.\d+ > {FAR_UNDERLAY6}\."
    for kind, option, words in (
        ("vxlan", "key=5", rf"{ends}4789: .*VXLAN, flags \[I\] \(0x08\), vni 5"),
        ("geneve", "key=5", rf"{ends}6081: .*Geneve, Flags \[none\], vni 0x5"),
        ("ip6gre", "key=5", rf"{UNDERLAY6} > {FAR_UNDERLAY6}: GREv0, Flags \[key present\], key=0x5"),
        ("ip6erspan", "erspan_ver=1", rf"{UNDERLAY6} > {FAR_UNDERLAY6}: GREv0, Flags \[sequence# present\]"),
    ):
        lab.vsctl("del-port t0")
        t.add("t0", kind, f"remote_ip={FAR_UNDERLAY6}", option)
        outer = t.sent()
        assert re.search(words, decoded([outer])), decoded([outer])
        t.answer(outer)


@pytest.mark.feature(
    "Tunnels", "tos, ttl, df_default: given, inherited, and the ECN field of the packet within"
)
def test_the_outer_header_is_as_asked_for(lab: FeatureLab) -> None:
    t = Tunnelled(lab, "vxlan", "tos=0x20", "ttl=33")
    given = decoded([t.sent(ip(t.a.mac, STATION, tos=0xB9, ttl=7))])
    assert re.search(r"\(tos 0x21,ECT\(1\), ttl 33, .*flags \[DF\], proto UDP", given), given
    congested = decoded([t.sent(ip(t.a.mac, STATION, tos=0x03))])
    assert "tos 0x22,ECT(0)" in congested, congested
    lab.vsctl("set interface t0 options:tos=inherit options:ttl=inherit options:df_default=false")
    wanted = ip(t.a.mac, STATION, tos=0xB8, ttl=7)
    lab.wait_until(
        lambda: decoded([t.sent(wanted)]).count("(tos 0xb8, ttl 7") == 2, "tos and ttl are inherited"
    )
    assert decoded([t.sent(wanted)]).count("flags [none]") == 2
    assert "(tos 0x0, ttl 64" in decoded([t.sent()])


@pytest.mark.feature("Tunnels", "congestion on the way is carried over, or the packet dropped (RFC 6040)")
def test_congestion_on_the_way_is_carried_over(lab: FeatureLab) -> None:
    t = Tunnelled(lab, "vxlan", "key=5")
    capable, other = ip(STATION, t.a.mac, tos=0xBA), ip(STATION, t.a.mac, tos=0xB8)
    outer = t.sent(ip(t.a.mac, STATION))
    t.returned(with_tos(outer, 3), other)
    t.returned(with_tos(outer, 3), capable)
    assert t.a.received() == [ip(STATION, t.a.mac, tos=0xBB)]
    t.returned(with_tos(outer, 1), other)
    assert t.a.received() == [other]


@pytest.mark.feature("Tunnels", "keys and remote addresses of the flow; the most specific tunnel receives")
def test_the_most_specific_tunnel_receives(lab: FeatureLab) -> None:
    t = Tunnelled(lab, "vxlan", "remote_ip=flow", "key=flow")
    t.add("t1", "vxlan", f"remote_ip={FAR_UNDERLAY}", "key=5")
    outer = t.sent()
    lab.settle()

    def learned_behind(vni: int) -> str:
        inner = frame(STATION, t.a)
        t.returned(outer.replace(b"\x08\0\0\0\0\0\5\0", b"\x08\0\0\0\0\0" + bytes((vni, 0))), inner)
        assert t.a.received() == [inner]
        table = lab.appctl("fdb/show", "br0").splitlines()
        return next(line.split()[0] for line in table if line.split()[2] == "02:00:00:00:00:99")

    assert learned_behind(5) == lab.get("interface", "t1", "ofport")
    assert learned_behind(6) == lab.get("interface", "t0", "ofport")


@pytest.mark.feature("Tunnels", "local_ip is the outer source, and of what comes in the destination")
def test_local_ip_is_the_outer_source(lab: FeatureLab) -> None:
    ns_address = "172.31.0.7"
    t = Tunnelled(lab, "gre")
    ns.add_address(lab.namespace, "br-phy", f"{ns_address}/24")
    lab.vsctl(f"set interface t0 options:local_ip={ns_address}")
    lab.wait_until(
        lambda: f"{ns_address} > {FAR_UNDERLAY}" in decoded([t.sent()]), "the source is as asked for"
    )
    t.answer(t.sent())


@pytest.mark.feature("Tunnels", "egress_pkt_mark chooses among the host's routes", not_on=_NO_MARKS)
def test_a_mark_chooses_the_route(lab: FeatureLab) -> None:
    t = Tunnelled(lab, "vxlan", "egress_pkt_mark=7")
    other = lab.host("v", "172.31.5.2/24")
    ns.add_address(lab.namespace, "v", "172.31.5.1/24")
    lab.run("ip rule add fwmark 7 lookup 100")
    try:
        lab.run("ip route add default via 172.31.5.2 table 100")
        outer = t.sent(to=other)
        assert f"> {FAR_UNDERLAY}.4789" in decoded([outer])
    finally:
        lab.run("ip rule del fwmark 7 lookup 100")


@pytest.mark.feature(
    "Tunnels", "ofproto/list-tunnels, ovs/route/*, tnl/neigh/show tell the way to the far end"
)
def test_commands_tell_the_way_to_the_far_end(lab: FeatureLab) -> None:
    t = Tunnelled(lab, "vxlan", "key=5", "tos=inherit", "csum=true")
    t.sent()
    number = re.search(r"vxlan_sys_4789 \((\d+)\) ref_cnt=1", lab.appctl("tnl/ports/show"))
    assert bool(number) == (not lab.side.is_kernel)
    dp_port = r"(\d+)"
    tunnel = rf"port {dp_port}: t0 \(vxlan: ::->{FAR_UNDERLAY}, key=0x5, legacy_l2, dp port=\1, ttl=64, tos=inherit, csum=true\)\n"
    assert re.fullmatch(tunnel, lab.appctl("ofproto/list-tunnels"))
    assert lab.appctl("ovs/route/lookup", FAR_UNDERLAY) == f"src {UNDERLAY}\ngateway ::\ndev br-phy\n"
    assert lab.appctl("ovs/route/lookup", "198.51.100.1", check=False) == "Not found\n"
    assert f"Cached: 172.31.0.0/24 dev br-phy SRC {UNDERLAY}\n" in lab.appctl("ovs/route/show")
    if lab.is_ours or not lab.side.is_kernel:
        station = t.far.mac.to_bytes(6, "big").hex(":")
        assert re.search(rf"{FAR_UNDERLAY} +{station} +br-phy", lab.appctl("tnl/neigh/show"))


@pytest.mark.feature(
    "Tunnels",
    "VXLAN with group policies (exts=gbp) takes frames of a group",
    differs={
        "c-userspace": "its datapath knows no group policies",
        "c-kernel": "it does not take them after a change of exts",
    },
)
def test_vxlan_takes_frames_of_a_group(lab: FeatureLab) -> None:
    t = Tunnelled(lab, "vxlan", "key=5")
    outer = t.sent()
    lab.vsctl("set interface t0 options:exts=gbp")
    at = outer.index(b"\x08\0\0\0\0\0\5\0")
    t.answer(outer[:at] + b"\x88\0\x12\x34" + outer[at + 4 :])
