"""The texts are those that Open vSwitch 3.1 writes to Interface.error and to its log."""

import pytest

from switching.tunnel import AF_INET6, INHERIT, ErspanConfig, TunnelConfig
from vswitchd.config.tunnel_options import parse_tunnel_options


def config(kind: str = "gre", **options: str) -> TunnelConfig:
    found = parse_tunnel_options("t0", kind, {"remote_ip": "10.0.0.1"} | options)
    assert found.config is not None
    assert found.warnings == ()
    return found.config


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, "t0: gre type requires valid 'remote_ip' argument"),
        (
            {"remote_ip": "nonsense"},
            "t0: bad gre 'remote_ip'\nt0: gre type requires valid 'remote_ip' argument",
        ),
        ({"remote_ip": "224.0.0.1"}, "t0: multicast remote_ip=224.0.0.1 not allowed"),
        (
            {"remote_ip": "10.0.0.1", "local_ip": "flow"},
            "t0: gre type requires 'remote_ip=flow' with 'local_ip=flow'",
        ),
        (
            {"remote_ip": "10.0.0.1", "local_ip": "fd00::1"},
            "t0: 'remote_ip' and 'local_ip' has to be of the same address family",
        ),
        ({"remote_ip": "10.0.0.1", "packet_type": "foo"}, "t0: unknown packet_type 'foo'"),
    ],
)
def test_tunnel_that_cannot_be_is_an_error(options: dict[str, str], error: str) -> None:
    found = parse_tunnel_options("t0", "gre", options)
    assert (found.config, found.error) == (None, error)


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        ({"foo": "bar"}, "t0: unknown gre argument 'foo'"),
        ({"local_ip": "zzz"}, "t0: bad gre 'local_ip'"),
        ({"tos": "3"}, "t0: invalid TOS 3"),
    ],
)
def test_what_is_odd_is_a_warning(options: dict[str, str], warning: str) -> None:
    found = parse_tunnel_options("t0", "gre", {"remote_ip": "10.0.0.1"} | options)
    assert found.config is not None
    assert found.warnings == (warning,)


def test_plain_tunnel_has_no_key_and_forbids_fragments() -> None:
    plain = config()
    assert (plain.in_key, plain.out_key, plain.has_out_key) == (0, 0, False)
    assert (plain.ttl, plain.tos, plain.dont_fragment, plain.csum, plain.local) == (64, 0, True, False, 0)


def test_one_key_serves_both_ways_unless_one_is_given_for_each() -> None:
    both = config(key="0x10")
    assert (both.in_key, both.out_key, both.has_out_key) == (16, 16, True)
    each = config(in_key="1", out_key="2")
    assert (each.in_key, each.out_key) == (1, 2)
    flow = config(key="flow", remote_ip="flow")
    assert (flow.in_key, flow.out_key, flow.remote) == (None, None, None)
    assert config(key="xyz").out_key == 0


def test_ports_are_the_standard_ones_unless_asked_for() -> None:
    assert (config("gre").dst_port, config("vxlan").dst_port, config("geneve").dst_port) == (0, 4789, 6081)
    assert config("vxlan", dst_port="8472").dst_port == 8472


def test_inheritance_and_flags() -> None:
    special = config(tos="inherit", ttl="inherit", csum="true", df_default="false")
    assert (special.tos, special.ttl, special.csum, special.dont_fragment) == (INHERIT, INHERIT, True, False)
    assert config(remote_ip="flow", local_ip="flow").local is None


def test_addresses_may_be_of_version_6() -> None:
    six = config(remote_ip="2001:db8::1")
    assert (six.proto, six.remote) == (AF_INET6, 0x20010DB8 << 96 | 1)


def test_a_mark_and_group_policies_are_asked_for_by_options_of_their_own() -> None:
    assert config(egress_pkt_mark="7").mark == 7
    assert config().mark is None
    assert config("vxlan", exts="gbp").gbp
    found = parse_tunnel_options("t0", "vxlan", {"remote_ip": "10.0.0.1", "exts": "foo"})
    assert found.warnings == ("t0: unknown extension 'foo'",)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ErspanConfig(0, 0, 0, 0)),
        ({"erspan_ver": "1", "erspan_idx": "0x1f"}, ErspanConfig(1, 0x1F, 0, 0)),
        ({"erspan_ver": "1", "erspan_idx": "flow"}, ErspanConfig(1, None, 0, 0)),
        ({"erspan_ver": "2", "erspan_dir": "1", "erspan_hwid": "3f"}, ErspanConfig(2, 0, 1, 0x3F)),
        ({"erspan_ver": "flow"}, ErspanConfig(None, None, None, None)),
    ],
)
def test_options_of_erspan(options: dict[str, str], expected: ErspanConfig) -> None:
    assert config("erspan", **options).erspan == expected


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"erspan_ver": "3"}, "t0: invalid erspan version: 3"),
        ({"erspan_ver": "2", "erspan_dir": "2"}, "t0: invalid erspan direction: 2"),
        ({"erspan_idx": "1fffff"}, "t0: invalid erspan index: 1fffff"),
        ({"erspan_ver": "2", "erspan_hwid": "99"}, "t0: invalid erspan hardware ID: 99"),
    ],
)
def test_values_that_erspan_has_no_room_for_are_errors(options: dict[str, str], error: str) -> None:
    assert parse_tunnel_options("t0", "erspan", {"remote_ip": "10.0.0.1"} | options).error == error
