"""The text of flows, against what ovs-dpctl 3.1 printed of the same flows."""

import pytest

from datapath.actions import Output, PushVlan, SetTunnel
from datapath.odp_actions import format_actions, parse_actions
from datapath.odp_flow import format_flow, format_tcp_flags, format_ufid, parse_ufid
from datapath.odp_parse import parse_key
from datapath.odp_text import format_key
from datapath.odp_values import OdpTextError
from datapath.packet.flowkey import TUN_CSUM, TUN_DONT_FRAGMENT, TUN_KEY, FlowKey, masked
from datapath.provider import Flow, FlowStats

NAMES = {1: "va", 7: "i0"}
NUMBERS = {name: number for number, name in NAMES.items()}

TERSE = [
    "in_port(1),eth(),eth_type(0x0806)",
    "recirc_id(0x12),in_port(1),eth(),eth_type(0x86dd),ipv6(src=fe80::1,dst=fe80::/ffff::,label=0x5,proto=58,"
    "tclass=0x2,hlimit=255,frag=no),icmpv6(type=135,code=0),nd(target=fe80::2,sll=02:00:00:00:00:03)",
    "recirc_id(0),in_port(3),eth(src=02:00:00:00:00:01),eth_type(0x8100),vlan(vid=5/0xff),encap(eth_type(0x0800),"
    "ipv4(proto=6,frag=first),tcp(src=80),tcp_flags(syn|ack))",
    "recirc_id(0),in_port(2),eth(src=02:00:00:00:00:01),eth_type(0x8100),vlan(vid=5,pcp=0),encap(eth_type(0x0800),"
    "ipv4(proto=6,frag=first),tcp(src=80),tcp_flags(+syn-ack))",
    "recirc_id(0),tunnel(ipv6_src=fe80::1,ipv6_dst=fe80::2,flags(-df)),in_port(9),eth(),eth_type(0/0x0000)",
    "recirc_id(0),tunnel(src=1.1.1.1,dst=2.2.2.2,ttl=1,tp_src=5,tp_dst=6,flags(-oam+df+csum)),in_port(10),eth(),"
    "eth_type(0/0x0000)",
    "recirc_id(0),tunnel(tun_id=0x0,src=1.1.1.1,dst=2.2.2.2,flags(-df-csum+key)),in_port(4),eth(),eth_type(0x0806)",
    "recirc_id(0),skb_priority(0x3),tunnel(tun_id=0x5,src=1.1.1.1,dst=2.2.2.2,ttl=64,flags(-df-csum+key)),"
    "in_port(1),skb_mark(0x5/0xff),eth(),eth_type(0x0800),ipv4(proto=1,frag=no),icmp(type=8,code=0)",
    "recirc_id(0),dp_hash(0x5/0xf),in_port(12),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(src=80/0xfff0),"
    "tcp_flags(syn|ack)",
    "recirc_id(0),in_port(1),eth(),eth_type(0x8847),mpls(label=100,tc=3,ttl=64,bos=1)",
    "recirc_id(0),in_port(14),eth(),eth_type(0x0800),ipv4(src=1.1.1.1)",
    "recirc_id(0),tunnel(tun_id=0x5,src=1.1.1.1,dst=2.2.2.2,ttl=64,tp_dst=6081,geneve({class=0xff,type=0x80,len=4,"
    "0xa}{class=0xff/0xf,len=8,0x102030405060708/0xff00ff00ff00ff00}),flags(df|key)),in_port(1),eth(),eth_type(0x0800)",
    "tunnel(src=1.1.1.1,dst=2.2.2.2,ttl=64,vxlan(gbp(id=10,flags=0x8)),flags(-oam+df-csum)),in_port(1),eth(),"
    "eth_type(0x0800)",
    "tunnel(src=1.1.1.1,dst=2.2.2.2,ttl=64,vxlan(gbp(id=10/0xf)),flags(-oam+df-csum)),in_port(1),eth(),eth_type(0x0800)",
    "tunnel(src=1.1.1.1,dst=2.2.2.2,ttl=64,erspan(ver=1,idx=0x7/0xf)),in_port(1),eth(),eth_type(0x0800)",
    "tunnel(src=1.1.1.1,dst=2.2.2.2,ttl=64,erspan(ver=2,dir=1/0x1,hwid=0x3f/0x3f)),in_port(1),eth(),eth_type(0x0800)",
    "recirc_id(0),in_port(1),ct_state(+est),ct_tuple4(src=1.2.3.4,dst=5.6.7.8,proto=6,tp_src=80,tp_dst=90),eth(),"
    "eth_type(0x0800),ipv4(frag=no)",
    "recirc_id(0),in_port(1),ct_state(+est),ct_tuple4(src=1.2.0.0/255.255.0.0,proto=6),eth(),eth_type(0x0800)",
    "ct_tuple6(src=::2/::ffff,proto=6,dst_port=80/0xff),eth(),eth_type(0x86dd),ipv6(frag=no)",
    "recirc_id(0),in_port(1),eth(),eth_type(0x894f),nsh(flags=0,ttl=63,spi=0x5,si=255,c1=0x1,c4=0x4)",
    "recirc_id(0),in_port(1),eth(),eth_type(0x894f),nsh(mdtype=1,np=3,spi=0x5,c1=0x1,c3=0x3/0x000000ff)",
    "recirc_id(0),in_port(1),eth(),eth_type(0x894f),nsh(flags=0x00/0x01,spi=0x5)",
    "recirc_id(0x29),in_port(1),eth(),eth_type(0x894f),nsh(mdtype=1,spi=0x5/0x000000ff,si=0x0f/0x0f,c1=0x1/0x00000003)",
    "recirc_id(0),in_port(1),eth(),eth_type(0x894f),nsh(mdtype=2,np=3,c1=0x0,c2=0x0,c3=0x0,c4=0x0)",
]
VERBOSE = [
    "recirc_id(0/0),dp_hash(0/0),skb_priority(0/0),in_port(va),skb_mark(0/0),ct_state(0/0),ct_zone(0/0),"
    "ct_mark(0/0),ct_label(0/0),eth(src=00:00:00:00:00:00/00:00:00:00:00:00,dst=00:00:00:00:00:00/"
    "00:00:00:00:00:00),eth_type(0x0806),arp(sip=0.0.0.0/0.0.0.0,tip=0.0.0.0/0.0.0.0,op=0/0,sha=00:00:00:00:00:00/"
    "00:00:00:00:00:00,tha=00:00:00:00:00:00/00:00:00:00:00:00)",
    "recirc_id(0),dp_hash(0/0),skb_priority(0/0),in_port(14),skb_mark(0/0),ct_state(0/0),ct_zone(0/0),ct_mark(0/0),"
    "ct_label(0/0),eth(src=00:00:00:00:00:00/00:00:00:00:00:00,dst=00:00:00:00:00:00/00:00:00:00:00:00),"
    "eth_type(0x0800),ipv4(src=1.1.1.1,dst=0.0.0.0/0.0.0.0,proto=0/0,tos=0/0,ttl=0/0)",
    "recirc_id(0),dp_hash(0/0),skb_priority(0/0),in_port(13),skb_mark(0/0),ct_state(0/0),ct_zone(0/0),ct_mark(0/0),"
    "ct_label(0/0),eth(src=00:00:00:00:00:00/00:00:00:00:00:00,dst=00:00:00:00:00:00/00:00:00:00:00:00),"
    "eth_type(0x0800),ipv4(src=0.0.0.0/0.0.0.0,dst=0.0.0.0/0.0.0.0,proto=6,tos=0/0,ttl=0/0,frag=no),"
    "tcp(src=0/0,dst=0/0),tcp_flags(0/0)",
]
PARTS = [  # of what is written of everything
    "geneve({class=0xff/0xf,type=0x1/0,len=8,0x102030405060708/0xff00ff00ff00ff00}{class=0x1,type=0x2,len=4,0/0})",
    "vxlan(gbp(id=10/0xf,flags=0/0))",
    "erspan(ver=1/0,idx=0x7/0)",
    "erspan(ver=2/0,dir=1/0,hwid=0xf/0)",
    "ct_tuple4(src=1.2.3.4/255.255.0.0,dst=0.0.0.0/0.0.0.0,proto=6,tp_src=0/0,tp_dst=0/0)",
    "ct_tuple6(src=::2/::ffff,dst=::/::,proto=6,src_port=0/0,dst_port=0/0)",
]
ACTIONS = [
    "drop",
    "1,2",
    "set(tunnel(tun_id=0x5,src=1.1.1.1,dst=2.2.2.2,tos=0x1,ttl=64,tp_dst=4789,flags(df|csum|key))),1",
    "set(tunnel(dst=2.2.2.2,ttl=64,flags(df))),1",
    "set(tunnel(ipv6_dst=fe80::1,ttl=64,flags(df))),1",
    "pop_vlan,push_vlan(vid=7,pcp=2),push_vlan(tpid=0x88a8,vid=7,pcp=2),1",
    "push_vlan(tpid=0x88a8,vid=7,pcp=2,cfi=0)",
    "recirc(0x7)",
    "userspace(pid=4,userdata(0102aa0000000000))",
    "set(eth(src=02:00:00:00:00:00/ff:00:00:00:00:00,dst=02:00:00:00:00:02))",
    "set(ipv4(src=1.2.3.4,ttl=5))",
    "set(ipv6(src=::1,label=0x5))",
    "set(tcp(src=4/0xff))",
    "set(skb_mark(0x5/0xf))",
    "set(skb_priority(0x5))",
    "set(arp(sip=1.2.3.4))",
    "set(nd(target=fe80::1))",
    "action30(0800010000000080)",
    "trunc(100),2",
    "hash(l4(7)),recirc(0x5)",
    "push_mpls(label=100,tc=3,ttl=64,bos=1,eth_type=0x8847)",
    "pop_mpls(eth_type=0x800)",
    "add_mpls(label=1,tc=0,ttl=2,bos=1,eth_type=0x8847)",
    "push_eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),pop_eth",
    "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x5,si=255,c1=0x1,c2=0x2,c3=0x3,c4=0x4)",
    "push_nsh(flags=0,ttl=63,mdtype=2,np=3,spi=0x5,si=255,md2=0xabcd0000)",
    "pop_nsh()",
    "meter(5),clone(1,clone(2)),clone(drop)",
    "sample(sample=50.0%,actions(1))",
    "check_pkt_len(size=200,gt(1),le(drop))",
    "ct,ct_clear",
    "ct(commit,zone=5,mark=0x1/0xff,label=0x1/0xffff,helper=ftp,"
    "nat(src=10.0.0.1-10.0.0.5:1000-2000,persistent,random))",
    "ct(force_commit,mark=0x5/0xffffffff,label=0x5,timeout=abc,nat)",
    "ct(commit,nat(src=[fe80::1]-[fe80::9]:80-90))",
    "ct(nat(src=::0.1.0.0)),ct(nat(dst=::ffff:1.2.3.4))",
    "ct(commit,nat(dst=fe80::1-fe80::2)),ct(nat(src)),ct(commit,nat(dst=10.0.0.1:80))",
    "userspace(pid=5,sFlow(vid=1,pcp=2,output=3),actions,tunnel_out_port=7)",
    "userspace(pid=5,slow_path(cfm,lacp,action))",
    "userspace(pid=5,slow_path(0))",
    "userspace(pid=9,flow_sample(probability=123,collector_set_id=1,obs_domain_id=2,obs_point_id=3,"
    "output_port=4,ingress))",
    "userspace(pid=9,ipfix(output_port=3))",
    "userspace(pid=9,controller(reason=1,dont_send=0,continuation=1,recirc_id=4,rule_cookie=0x5,"
    "controller_id=0,max_len=65535))",
    "set(tunnel(tun_id=0x5,dst=2.2.2.2,ttl=64,geneve({class=0xff,type=0x80,len=4,0xa}{class=0,type=0x1,len=0}),"
    "flags(df|key)))",
    "set(tunnel(dst=2.2.2.2,ttl=64,vxlan(gbp(id=10,flags=0x8)),flags(df)))",
    "set(tunnel(dst=2.2.2.2,ttl=64,erspan(ver=1,idx=0x7),flags(df)))",
    "set(tunnel(dst=2.2.2.2,ttl=64,erspan(ver=2,dir=1,hwid=0x3f),flags(df)))",
    "set(icmp(type=1,code=2))",
    "set(icmpv6(type=1,code=2))",
    "set(ct_mark(0x1)),set(ct_label(0x5/0xf))",
    "set(mpls(label=5,tc=0,ttl=1,bos=1))",
]
# The 24 bytes behind the cookie's own, and what the C tool makes of them by type.
COOKIE = "000011223344000102030405060708090a0b0c0d0e0fa1a2a3a4a5a6a7a8b1b2b3b4b5b6b7b8c1c2c3c4c5c6c7c8"
COOKIES = [
    "userdata(0000000011223344000102030405060708090a0b0c0d0e0fa1a2a3a4a5a6a7a8b1b2b3b4b5b6b7b8c1c2c3c4c5c6c7c8)",
    "sFlow(vid=418,pcp=5,output=2829559461)",
    "slow_path(cfm,lacp,action,0xa8a7a680)",
    "flow_sample(probability=41633,collector_set_id=2829559461,obs_domain_id=3031675569,obs_point_id=3099047605,"
    "output_port=3301163713)",
    "ipfix(output_port=2762187425)",
    "controller(reason=42147,dont_send=1,continuation=1,recirc_id=2829559461,rule_cookie=0xb1b2b3b4b5b6b7b8,"
    "controller_id=49857,max_len=50371)",
]


@pytest.mark.parametrize("text", TERSE)
def test_a_key_is_printed_as_ovs_dpctl_does(text: str) -> None:
    key, mask = parse_key(text)
    assert format_key(masked(key, mask) if "/0x" not in text and "/ffff" not in text else key, mask) == text


@pytest.mark.parametrize("text", VERBOSE)
def test_a_verbose_key_shows_what_is_not_looked_at(text: str) -> None:
    key, mask = parse_key(text, NUMBERS)
    assert format_key(key, mask, verbose=True, names=NAMES) == text


@pytest.mark.parametrize("part", PARTS)
def test_what_few_packets_have_is_shown_whole(part: str) -> None:
    text = part if part.startswith("ct_") else f"tunnel(dst=1.1.1.1,{part})"
    assert part in format_key(*parse_key(f"{text},eth()"), verbose=True)


def test_the_ports_of_a_tuple_have_the_names_that_open_vswitch_reads_too() -> None:
    names = "ct_tuple6(proto=6,src_port=1,dst_port=2)"
    assert parse_key("ct_tuple6(proto=6,tp_src=1,tp_dst=2)") == parse_key(names)


def test_a_datapath_in_the_daemon_has_an_order_of_its_own() -> None:
    """As ovs-vswitchd 3.1 writes the flows of a datapath of type netdev."""
    key = FlowKey(in_port=1, eth_src=3, eth_type=0x0800, ip_src=0x01010101, ct_state=0x22, recirc_id=5)
    mask = FlowKey(in_port=0xFFFFFFFF, eth_type=0xFFFF, ip_frag=0xFF, ct_state=2, recirc_id=0xFFFFFFFF)
    flow = Flow(bytes(16), key, mask, (), FlowStats())
    brief = "ct_state(+est),recirc_id(0x5),in_port(1),packet_type(ns=0,id=0),eth_type(0x0800),ipv4(frag=no), "
    assert format_flow(flow, 0, in_process=True).startswith(brief)
    assert "skb_priority(0/0),skb_mark(0/0),ct_state(0x22/0x2)," in format_flow(
        flow, 0, verbose=True, in_process=True
    )
    assert (
        "ct_label(0/0),recirc_id(0x5),dp_hash(0/0),in_port(va),packet_type(ns=0,id=0),eth(src="
        in format_flow(flow, 0, verbose=True, in_process=True, names=NAMES)
    )
    assert "ipv4(src=1.1.1.1/0.0.0.0," in format_flow(flow, 0, verbose=True, in_process=True)  # as it came
    assert "ipv4(src=0.0.0.0/0.0.0.0," in format_flow(flow, 0, verbose=True)


def test_a_port_of_which_some_bits_are_looked_at_has_no_name() -> None:
    mask = FlowKey(in_port=0xFFFF0000, ct_state=0x32, eth_type=0xFFFF)
    text = format_key(FlowKey(in_port=1, ct_state=0x22, eth_type=0x1234), mask, verbose=True, names=NAMES)
    assert "in_port(1/0xffff0000)" in text
    assert "ct_state(0x22/0x32)" in text  # everything means numbers, too


@pytest.mark.parametrize("text", ACTIONS)
def test_actions_are_printed_as_ovs_dpctl_does(text: str) -> None:
    assert format_actions(parse_actions(text)) == text


@pytest.mark.parametrize("type_", range(6))
def test_a_cookie_is_printed_as_ovs_dpctl_does(type_: int) -> None:
    given = f"userspace(pid=1,userdata({type_:02x}00{COOKIE}))"
    assert format_actions(parse_actions(given)) == f"userspace(pid=1,{COOKIES[type_]})"


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        ("ct()", "ct"),
        ("ct(zone=0)", "ct"),
        ("ct(mark=5)", "ct(mark=0x5/0xffffffff)"),
        ("ct(commit,label=0/0)", "ct(commit)"),
        ("ct(nat(src,persistent))", "ct(nat(src))"),
        ("clone()", "clone(drop)"),
        ("userspace(pid=5,userdata(0011))", "userspace(pid=5,userdata(0011000000000000))"),
        ("sample(sample=100%,actions(1 2))", "sample(sample=100.0%,actions(1,2))"),
        ("set(ipv4(ttl=5/0xff))", "set(ipv4(ttl=5))"),
        ("set(tcp(src=4,dst=5/0))", "set(tcp(src=4))"),
    ],
)
def test_actions_are_understood_as_ovs_dpctl_does(given: str, printed: str) -> None:
    assert format_actions(parse_actions(given)) == printed


def test_actions_may_name_ports_and_be_separated_by_blanks() -> None:
    assert parse_actions("va 2,i0", NUMBERS) == (Output(1), Output(2), Output(7))
    assert format_actions((Output(1), Output(2)), NAMES) == "va,2"


def test_a_tunnel_to_set_is_read() -> None:
    (action, _output) = parse_actions(ACTIONS[2])
    flags = TUN_DONT_FRAGMENT | TUN_CSUM | TUN_KEY
    assert action == SetTunnel(0x02020202, 0x01010101, 2, 5, 1, 64, flags, 0, 4789)


def test_a_pushed_tag_has_its_bit_set_unless_cfi_is_0() -> None:
    assert parse_actions("push_vlan(vid=7,pcp=2)") == (PushVlan(0x8100, 0x5007),)
    assert parse_actions("push_vlan(vid=7,pcp=2,cfi=0)") == (PushVlan(0x8100, 0x4007),)


@pytest.mark.parametrize(
    "text",
    [
        "bogus(1)",
        "in_port(1),eth(",
        "in_port(xx)",
        "eth(src=1)",
        "ipv4(ttl=256)",
        "eth_type",
        "nsh(foo=1)",
        "nsh(si)",
        "ct_tuple4(src=::1)",
        "ct_tuple4(x=1)",
        "tunnel(geneve({class=1,len=3}))",
        "tunnel(foo(1))",
    ],
)
def test_what_is_no_key_is_refused_with_the_place(text: str) -> None:
    with pytest.raises(OdpTextError) as caught:
        parse_key(text)
    assert caught.value.rest in text


@pytest.mark.parametrize(
    "text",
    [
        *("foo", "1,drop", "set(eth(src=1))", "push_vlan(vid=7)", "userspace()", "recirc(x)", "trunc(x)"),
        *("ct(force)", "ct(commit,force_commit)", "ct(nat(src=1.1.1.1,random,hash))", "ct(eventmask=3)"),
        *("ct(nat(src=1.1.1.1-::1))", "sample(sample=50,actions(1))", "sample(actions(1))", "clone(foo)"),
        *("check_pkt_len(size=1,gt(1))", "push_eth(src=02:00:00:00:00:01)", "push_mpls(label=1)", "pop_nsh"),
        *("userspace(pid=9,controller(reason=1))", "userspace(pid=9,slow_path(foo))", "hash(foo(1))"),
        *("set(tunnel(dst=1.1.1.1,geneve({len=3})))", "set(tunnel(dst=1.1.1.1,erspan(ver=3)))"),
        "clone(" * 1000 + ")" * 1000,
    ],
)
def test_what_is_no_list_of_actions_is_refused(text: str) -> None:
    with pytest.raises(OdpTextError):
        parse_actions(text)


def test_an_identifier_stands_before_the_key() -> None:
    ufid = bytes(range(16))
    assert format_ufid(ufid) == "03020100-0706-0504-0b0a-09080f0e0d0c"
    assert parse_ufid(f"ufid:{format_ufid(ufid)} in_port(1)") == (ufid, "in_port(1)")
    assert parse_ufid(f"ufid:{format_ufid(ufid).replace('-', '')},in_port(1)") == (ufid, "in_port(1)")
    assert parse_ufid("in_port(1)") == (b"", "in_port(1)")
    with pytest.raises(OdpTextError):
        parse_ufid("ufid:12 in_port(1)")


def test_flags_of_tcp_are_letters() -> None:
    assert format_tcp_flags(0x1B) == "SFP."
    assert format_tcp_flags(0) == "none"


def test_a_flow_is_one_line() -> None:
    key = FlowKey(in_port=5, eth_src=1, eth_dst=2, eth_type=0x0800, ip_src=9, ip_proto=6, tp_src=7)
    mask = FlowKey(
        in_port=0xFFFFFFFF, recirc_id=0xFFFFFFFF, eth_src=(1 << 48) - 1, eth_type=0xFFFF, ip_frag=0xFF
    )
    flow = Flow(bytes(16), key, mask, (Output(6),), FlowStats(7, 420, 10.0, 0x1B))
    assert format_flow(flow, now=10.464) == (
        "recirc_id(0),in_port(5),eth(src=00:00:00:00:00:01),eth_type(0x0800),ipv4(frag=no), "
        "packets:7, bytes:420, used:0.464s, flags:SFP., actions:6"
    )
    assert format_flow(flow, now=10.0, verbose=True).startswith("ufid:00000000-0000-0000-0000-000000000000, ")
    assert ", dp:ovs, actions:6" in format_flow(flow, now=10.0, verbose=True)
