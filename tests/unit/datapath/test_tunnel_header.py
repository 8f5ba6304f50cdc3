"""Headers of tunnels: what is formatted is parsed as it was, and what is another kind's is no error."""

import pytest

from datapath.actions import SetTunnel
from datapath.netlink.uapi import OVS_TUNNEL_ERSPAN_OPTS
from datapath.packet.erspan import Erspan, to_attribute
from datapath.packet.flowkey import TUN_CSUM, TUN_KEY
from datapath.userspace.tunnel_header import FOREIGN, format_header, numbered_header, parse_header

KEYED = SetTunnel(dst=1, tun_id=0x123, flags=TUN_KEY)
VERSIONS = [Erspan(1, idx=5), Erspan(2, direction=1, hwid=3)]


def erspan(header: Erspan) -> SetTunnel:
    return SetTunnel(dst=1, tun_id=0x123, options=((OVS_TUNNEL_ERSPAN_OPTS, to_attribute(header)),))


@pytest.mark.parametrize("kind", ["gre", "ip6gre", "vxlan", "geneve"])
def test_a_header_is_parsed_as_it_was_formatted(kind: str) -> None:
    front = format_header(kind, KEYED)
    assert front is not None
    assert front.length == len(front.octets) == 8
    header = parse_header(kind, memoryview(front.octets))
    assert header == (8, 0x123, TUN_KEY)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_erspan_header_tells_its_place_in_the_sequence(version: Erspan) -> None:
    tunnel = erspan(version)
    front = format_header("erspan", tunnel)
    assert front is not None
    octets = numbered_header(tunnel, 77)
    assert (front.length, front.octets) == (len(octets), b"")
    assert octets[4:8] == (77).to_bytes(4, "big")
    assert parse_header("ip6erspan", memoryview(octets)) == (len(octets), 0x123, TUN_KEY)
    for cut in range(4, len(octets)):
        assert parse_header("erspan", memoryview(octets[:cut])) is None


def test_erspan_without_a_version_has_no_header() -> None:
    assert format_header("erspan", KEYED) is None


def test_kinds_that_share_the_protocol_are_no_errors_of_each_other() -> None:
    gre = format_header("gre", KEYED)
    assert gre is not None
    assert parse_header("erspan", memoryview(gre.octets)) is FOREIGN
    assert parse_header("gre", memoryview(numbered_header(erspan(VERSIONS[0]), 0))) is FOREIGN


def test_a_critical_option_of_geneve_is_not_passed_over() -> None:
    front = format_header("geneve", SetTunnel(dst=1, tun_id=1, flags=TUN_CSUM))
    assert front is not None
    assert parse_header("geneve", memoryview(front.octets)) is not None
    critical = front.octets[:1] + b"\x40" + front.octets[2:]
    assert parse_header("geneve", memoryview(critical)) is None
